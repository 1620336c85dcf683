//! Faults of a peer that a well-behaved endpoint refuses, one [`Rule`] each.
//!
//! [`Rules`] judge all that comes before an endpoint in either role acts on it. They never
//! refuse what is legal. One that ignores a rule makes an endpoint a *mutant*: it breaks just the
//! requirement that the rule stands for, so that a check of this requirement can be checked.

mod catalogue;
mod connection_ids;
mod encoding;
mod parameters;
mod streams;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use qecho_packet::{
    Side, TransportParameters,
    close::INTERNAL_ERROR,
    wire::{Frame, Header, INTEGER_MAX, PacketType},
};

pub use self::catalogue::Rule;
use crate::{
    endpoint::{Endpoint, FIXED_BIT, integer_value},
    network::Received,
    received::{ReadFrame, ReceivedPacket},
    tls::Level,
};

/// Bytes of the smallest datagram with a client's Initial packet (RFC 9000 §14.1).
const INITIAL_DATAGRAM_MIN: usize = 1_200;
/// Bytes of CRYPTO data that are kept at a level until those before them have come.
///
/// RFC 9000 §7.5 demands 4,096; no handshake that is meant well has as many as these.
const CRYPTO_AHEAD_MAX: u64 = 64 << 10;

/// Tells which frames a mutant refuses although they are right.
type RefusesFrame = Box<dyn FnMut(&Frame<'_>) -> bool>;
/// The same for transport parameters.
type RefusesParameters = Box<dyn Fn(&TransportParameters) -> bool>;
/// Tells which packets an endpoint drops unread.
type DiscardsPacket = Box<dyn Fn(&ReceivedPacket) -> bool>;

/// All rules of one connection but those that are ignored.
#[must_use]
#[derive(Default)]
pub struct Rules {
    ignored: BTreeSet<Rule>,
    codes: BTreeMap<Rule, u64>,
    refuses_frame: Option<RefusesFrame>,
    refuses_parameters: Option<RefusesParameters>,
    discards_packet: Option<DiscardsPacket>,
    remembered: Option<TransportParameters>,
}

/// Fault of something that came, and what the endpoint does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Code of RFC 9000 §20.1 to close with.
    pub code: u64,
    /// The type of the frame that is at fault, if one is.
    pub frame_type: Option<u64>,
    /// The reason that is told.
    pub reason: String,
    /// Whether the packet is discarded without a word, and the connection lives on.
    pub discard: bool,
}

impl Rules {
    /// Ignores rules.
    pub fn ignoring(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.ignored.extend(rules);
        self
    }

    /// Ignores all rules but some.
    pub fn only(rules: &[Rule]) -> Self {
        let others = Rule::ALL.iter().filter(|rule| !rules.contains(rule));
        Self::default().ignoring(others.copied())
    }

    /// Remembers the transport parameters of the session that a client resumes with 0-RTT data.
    pub fn remembering(mut self, parameters: &[u8]) -> Self {
        self.remembered = Some(TransportParameters::parse(parameters));
        self
    }

    /// Closes by another code where a rule is broken.
    pub fn closing_with(mut self, rule: Rule, code: u64) -> Self {
        self.codes.insert(rule, code);
        self
    }

    /// Closes for frames, be they as right as can be, with INTERNAL_ERROR.
    pub fn refusing(mut self, refuses: impl FnMut(&Frame<'_>) -> bool + 'static) -> Self {
        self.refuses_frame = Some(Box::new(refuses));
        self
    }

    /// Closes for transport parameters, be they as right as can be, with INTERNAL_ERROR.
    pub fn refusing_parameters(
        mut self,
        refuses: impl Fn(&TransportParameters) -> bool + 'static,
    ) -> Self {
        self.refuses_parameters = Some(Box::new(refuses));
        self
    }

    /// Discards packets without a word, be they as right as can be.
    pub fn discarding(mut self, discards: impl Fn(&ReceivedPacket) -> bool + 'static) -> Self {
        self.discards_packet = Some(Box::new(discards));
        self
    }

    /// Judges after the fact all that came to an endpoint, in the order in which it came and as
    /// if all that went had gone before; tells in words of the first rule that is broken.
    pub fn broken(mut self, endpoint: &Endpoint) -> Option<String> {
        for packet in &endpoint.record().packets {
            let violation = self.judge_packet(endpoint, packet);
            let violation = violation.or_else(|| {
                let mut all = packet.frames_with_bytes();
                all.find_map(|(read, bytes)| self.judge_frame(endpoint, packet, &read, bytes))
            });
            if let Some(Violation { reason, .. }) = violation {
                let (kind, number) = (packet.kind().name(), packet.number);
                return Some(format!("{kind} packet {number} breaks {reason}"));
            }
        }
        let parameters = endpoint.peer_parameters()?;
        let violation = self.judge_parameters(endpoint, parameters.as_bytes())?;
        Some(format!(
            "the transport parameters break {}",
            violation.reason
        ))
    }

    /// Judges the header of a packet that is not opened yet, in its datagram.
    pub(crate) fn judge_header(
        &self,
        endpoint: &Endpoint,
        header: &Header,
        datagram: &Received,
    ) -> Option<Violation> {
        let checked = self.check_header(endpoint, header, datagram);
        self.violation(checked, None)
    }

    /// Judges all of a packet but its frames.
    pub(crate) fn judge_packet(
        &self,
        endpoint: &Endpoint,
        packet: &ReceivedPacket,
    ) -> Option<Violation> {
        let violation = self.violation(self.check_packet(endpoint, packet), None);
        violation.or_else(|| {
            let discards = self.discards_packet.as_ref()?;
            discards(packet).then(|| Violation {
                discard: true,
                ..whim()
            })
        })
    }

    /// Judges a frame of a packet, or what is none, by its bytes, too.
    pub(crate) fn judge_frame(
        &mut self,
        endpoint: &Endpoint,
        packet: &ReceivedPacket,
        read: &ReadFrame<'_>,
        bytes: &[u8],
    ) -> Option<Violation> {
        let (frame_type, type_length) = encoding::frame_type(bytes);
        let checked = match read {
            Ok(frame) => {
                let is_shortest = integer_value(frame_type).len() == type_length;
                let kept = self.demand(Rule::ShortestFrameType, is_shortest);
                kept.and_then(|()| self.check_frame(endpoint, packet, frame, bytes.len()))
            }
            Err(malformed) => self.demand(encoding::malformed(malformed, &packet.payload), false),
        };
        let violation = self.violation(checked, Some(frame_type));
        violation.or_else(|| {
            let refuses = self.refuses_frame.as_mut()?;
            refuses(read.as_ref().ok()?).then(whim)
        })
    }

    /// Judges the peer's transport parameters, as they stand in their extension.
    pub(crate) fn judge_parameters(
        &self,
        endpoint: &Endpoint,
        parameters: &[u8],
    ) -> Option<Violation> {
        let checked = self.check_parameters(endpoint, parameters);
        let violation = self.violation(checked, Some(CRYPTO));
        violation.or_else(|| {
            let refuses = self.refuses_parameters.as_ref()?;
            refuses(&TransportParameters::parse(parameters)).then(whim)
        })
    }

    /// Returns the rule as an error if it is not kept, and not ignored.
    fn demand(&self, rule: Rule, is_kept: bool) -> Result<(), Rule> {
        match is_kept || self.ignored.contains(&rule) {
            true => Ok(()),
            false => Err(rule),
        }
    }

    fn violation(&self, checked: Result<(), Rule>, frame_type: Option<u64>) -> Option<Violation> {
        let rule = checked.err()?;
        let code = self.codes.get(&rule).copied().or(rule.code());
        Some(Violation {
            code: code.unwrap_or(0),
            frame_type,
            reason: format!("{rule:?}, RFC {}", rule.section()),
            discard: code.is_none(),
        })
    }

    fn check_header(
        &self,
        endpoint: &Endpoint,
        header: &Header,
        datagram: &Received,
    ) -> Result<(), Rule> {
        use PacketType::{Initial, OneRtt, Retry, VersionNegotiation};
        if matches!(header.packet_type, VersionNegotiation | Retry | OneRtt) {
            return Ok(());
        }
        let is_large = datagram.datagram.len() >= INITIAL_DATAGRAM_MIN;
        let needs_size = endpoint.side() == Side::Server && header.packet_type == Initial;
        self.demand(Rule::InitialDatagramSize, is_large || !needs_size)?;
        let first = endpoint.first_source();
        self.demand(Rule::SameSource, first.is_none() || header.source == first)
    }

    fn check_packet(&self, endpoint: &Endpoint, packet: &ReceivedPacket) -> Result<(), Rule> {
        let grease = TransportParameters::GREASE_QUIC_BIT;
        let may_grease = endpoint.parameters().get(grease).is_some();
        let is_fixed = packet.first_byte & FIXED_BIT != 0;
        self.demand(Rule::FixedBit, is_fixed || may_grease)?;
        self.demand(Rule::ReservedBits, packet.reserved_bits() == 0)?;
        self.demand(Rule::EmptyPacket, !packet.payload.is_empty())?;
        match packet.level {
            Level::Initial => {
                let may_have_token = endpoint.side() == Side::Server;
                let is_kept = may_have_token || packet.header.token.is_empty();
                self.demand(Rule::ServerInitialToken, is_kept)
            }
            Level::OneRtt => self.check_key_phase(endpoint, packet),
            Level::EarlyData | Level::Handshake => Ok(()),
        }
    }

    /// Checks the order of key updates (RFC 9001 §6).
    fn check_key_phase(&self, endpoint: &Endpoint, packet: &ReceivedPacket) -> Result<(), Rule> {
        let generation = packet.generation;
        let before = || {
            let before = endpoint.record().at_level(Level::OneRtt);
            before.filter(|before| before.is_processed)
        };
        let is_in_order = before().all(|before| {
            let order = before.generation.cmp(&generation);
            order.is_eq() || order == before.number.cmp(&packet.number)
        });
        self.demand(Rule::OldKeys, is_in_order)?;
        // The first update needs no acknowledgement, and one of this side's neither.
        let is_first = before().all(|before| before.generation != generation);
        let last = before()
            .filter(|before| (1..generation).contains(&before.generation))
            .min_by_key(|before| (Reverse(before.generation), before.number));
        if let Some(last) = last.filter(|_| is_first && generation > endpoint.generation()) {
            let acknowledgements = endpoint.sent_frames(Level::OneRtt);
            let is_acknowledged = acknowledgements
                .filter_map(|frame| match frame {
                    Frame::Ack(ack) => Some(ack.largest()),
                    _ => None,
                })
                .any(|largest| largest >= last.number);
            self.demand(Rule::EarlyKeyUpdate, is_acknowledged)?;
        }
        Ok(())
    }

    fn check_frame(
        &self,
        endpoint: &Endpoint,
        packet: &ReceivedPacket,
        frame: &Frame<'_>,
        size: usize,
    ) -> Result<(), Rule> {
        let level = packet.level;
        self.demand(Rule::FrameOfPacketType, encoding::may_be_in(frame, level))?;
        self.check_stream(endpoint, frame)?;
        self.check_connection_id(endpoint, &packet.header.destination, frame)?;
        let by_client = endpoint.side() == Side::Server;
        let announced = endpoint.parameters();
        match *frame {
            Frame::Ack(ref ack) => {
                let mut ranges = ack.ranges.iter();
                let is_sent = ranges.all(|range| endpoint.has_sent_all(level, range));
                self.demand(Rule::AckOfUnsent, is_sent)
            }
            Frame::Crypto { offset, data } => {
                let end = offset + data.len() as u64;
                self.demand(Rule::CryptoOffset, end <= INTEGER_MAX)?;
                let kept_until = endpoint.crypto_received(level) + CRYPTO_AHEAD_MAX;
                self.demand(Rule::CryptoBuffer, end <= kept_until)
            }
            Frame::NewToken { token } => {
                self.demand(Rule::NewTokenOfClient, !by_client)?;
                self.demand(Rule::EmptyToken, !token.is_empty())
            }
            Frame::HandshakeDone => self.demand(Rule::HandshakeDoneOfClient, !by_client),
            Frame::PathResponse { data } => {
                let is_answer = endpoint.has_sent(&Frame::PathChallenge { data });
                self.demand(Rule::PathResponse, is_answer)
            }
            Frame::Datagram { .. } => {
                let limit = announced.integer(TransportParameters::MAX_DATAGRAM_FRAME_SIZE);
                self.demand(Rule::DatagramSize, size as u64 <= limit.unwrap_or(0))
            }
            Frame::AckFrequency { .. } | Frame::ImmediateAck => {
                let is_agreed = announced.get(TransportParameters::MIN_ACK_DELAY).is_some();
                self.demand(Rule::KnownFrame, is_agreed)
            }
            _ => Ok(()),
        }
    }
}

/// Violation that a mutant sees in what is legal.
fn whim() -> Violation {
    Violation {
        code: INTERNAL_ERROR,
        frame_type: None,
        reason: "this mutant refuses it".to_owned(),
        discard: false,
    }
}

/// The frame that carries TLS messages, at fault for what is in them.
pub(crate) const CRYPTO: u64 = 0x06;

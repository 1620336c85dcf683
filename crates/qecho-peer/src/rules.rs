//! What a well-behaved endpoint refuses of its peer, one [`Rule`] each.
//!
//! [`Rules`] are the judge of an endpoint in either role. They never refuse what is legal. One
//! that ignores a rule makes an endpoint a *mutant*: it breaks just the requirement that the
//! rule stands for, so that a check of this requirement can be checked.

mod catalogue;
mod connection_ids;
mod encoding;
mod granted;
mod key_phases;
mod parameters;
mod streams;

use std::collections::{BTreeMap, BTreeSet};

use qecho_packet::{
    Side, TransportParameters,
    close::INTERNAL_ERROR,
    wire::{Ack, ConnectionId, Frame, Header, INTEGER_MAX, PacketType, frames},
};

pub use self::catalogue::Rule;
use self::{
    connection_ids::ConnectionIds, granted::Granted, key_phases::KeyPhases, parameters::Handshake,
    streams::Streams,
};
use crate::{
    endpoint::{Endpoint, Judge, Violation},
    network::Received,
    received::ReceivedPacket,
    tls::{EarlyData, Level},
};

/// Bytes of the smallest datagram with a client's Initial packet (RFC 9000 §14.1).
const INITIAL_DATAGRAM_MIN: usize = 1_200;
const FIXED_BIT: u8 = 0x40;
/// Bytes of CRYPTO data that are kept at a level until those before them have come.
///
/// RFC 9000 §7.5 demands 4,096; no handshake that is meant well has as many as these.
const CRYPTO_AHEAD_MAX: u64 = 64 << 10;

/// What tells which frames a mutant refuses although they are right.
type RefusesFrame = Box<dyn FnMut(&Frame<'_>) -> bool>;
/// The same for transport parameters.
type RefusesParameters = Box<dyn Fn(&TransportParameters) -> bool>;

/// All rules of one connection, and what they need to know of its past.
pub struct Rules {
    enforced: Enforced,
    refuses_frame: Option<RefusesFrame>,
    refuses_parameters: Option<RefusesParameters>,
    granted: Granted,
    /// Source of the peer's first packet.
    peer_source: Option<ConnectionId>,
    remembered: Option<TransportParameters>,
    streams: Streams,
    connection_ids: ConnectionIds,
    key_phases: KeyPhases,
}

/// Which rules hold, and what they close with.
#[derive(Clone, Debug, Default)]
struct Enforced {
    ignored: BTreeSet<Rule>,
    codes: BTreeMap<Rule, u64>,
}

impl Enforced {
    /// Returns the rule as an error if it is not kept, and not ignored.
    fn demand(&self, rule: Rule, is_kept: bool) -> Result<(), Rule> {
        match is_kept || self.ignored.contains(&rule) {
            true => Ok(()),
            false => Err(rule),
        }
    }

    fn violation(&self, rule: Rule, frame_type: Option<u64>) -> Violation {
        let code = self.codes.get(&rule).copied().or(rule.code());
        Violation {
            code: code.unwrap_or(0),
            frame_type,
            reason: format!("{rule:?}, RFC {}", rule.section()),
            discard: code.is_none(),
        }
    }
}

impl Rules {
    /// Makes the rules of one side's endpoint.
    pub fn new(side: Side) -> Self {
        Self {
            enforced: Enforced::default(),
            refuses_frame: None,
            refuses_parameters: None,
            granted: Granted::new(side),
            peer_source: None,
            remembered: None,
            streams: Streams::default(),
            connection_ids: ConnectionIds::default(),
            key_phases: KeyPhases::default(),
        }
    }

    /// Ignores rules.
    #[must_use]
    pub fn ignoring(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.enforced.ignored.extend(rules);
        self
    }

    /// Remembers the transport parameters of the session that a client resumes with 0-RTT data.
    #[must_use]
    pub fn remembering(mut self, parameters: &[u8]) -> Self {
        self.remembered = Some(TransportParameters::parse(parameters));
        self
    }

    /// Closes by another code where a rule is broken.
    #[must_use]
    pub fn closing_with(mut self, rule: Rule, code: u64) -> Self {
        self.enforced.codes.insert(rule, code);
        self
    }

    /// Closes for frames, be they as right as can be, with INTERNAL_ERROR.
    #[must_use]
    pub fn refusing(mut self, refuses: impl FnMut(&Frame<'_>) -> bool + 'static) -> Self {
        self.refuses_frame = Some(Box::new(refuses));
        self
    }

    /// Closes for transport parameters, be they as right as can be, with INTERNAL_ERROR.
    #[must_use]
    pub fn refusing_parameters(
        mut self,
        refuses: impl Fn(&TransportParameters) -> bool + 'static,
    ) -> Self {
        self.refuses_parameters = Some(Box::new(refuses));
        self
    }

    /// Takes over what the endpoint tells of itself.
    fn learn(&mut self, endpoint: &Endpoint) {
        self.granted.announce(endpoint.parameters());
        self.key_phases.own = endpoint.generation();
        let issued = endpoint.connection_ids().local.iter();
        let issued = issued.map(|issued| (issued.sequence, issued.id));
        self.granted.connection_ids.extend(issued);
    }

    fn check_header(&self, header: &Header, datagram: &Received) -> Result<(), Rule> {
        let demand = |rule, is_kept| self.enforced.demand(rule, is_kept);
        let has_source = !matches!(
            header.packet_type,
            PacketType::VersionNegotiation | PacketType::Retry | PacketType::OneRtt
        );
        if !has_source {
            return Ok(());
        }
        let size = datagram.datagram.len();
        let is_large = size >= INITIAL_DATAGRAM_MIN || header.packet_type != PacketType::Initial;
        let is_client = self.granted.side == Side::Client;
        demand(Rule::InitialDatagramSize, is_client || is_large)?;
        let is_same = self.peer_source.is_none() || header.source == self.peer_source;
        demand(Rule::SameSource, is_same)
    }

    /// Checks all of a packet but its frames.
    fn check_packet(&mut self, packet: &ReceivedPacket) -> Result<(), Rule> {
        let announced = &self.granted.parameters;
        let may_grease = announced
            .get(TransportParameters::GREASE_QUIC_BIT)
            .is_some();
        let is_fixed = packet.first_byte & FIXED_BIT != 0;
        self.enforced
            .demand(Rule::FixedBit, is_fixed || may_grease)?;
        let is_clear = packet.reserved_bits() == 0;
        self.enforced.demand(Rule::ReservedBits, is_clear)?;
        let has_frames = !packet.payload.is_empty();
        self.enforced.demand(Rule::EmptyPacket, has_frames)?;
        match packet.level {
            Level::Initial => {
                let is_client = self.granted.side == Side::Client;
                let has_token = is_client && !packet.header.token.is_empty();
                self.enforced.demand(Rule::ServerInitialToken, !has_token)?;
            }
            Level::OneRtt => self.key_phases.receive(
                packet.generation,
                packet.number,
                self.granted.acknowledged,
                &self.enforced,
            )?,
            Level::EarlyData | Level::Handshake => {}
        }
        Ok(())
    }

    /// Checks the frames of a packet; returns the first rule that is broken, and the type of
    /// the frame that breaks it.
    fn check_frames(
        &mut self,
        endpoint: &Endpoint,
        packet: &ReceivedPacket,
    ) -> Result<(), (Rule, u64)> {
        let mut all = frames(&packet.payload);
        loop {
            let begin = all.offset();
            let Some(read) = all.next() else {
                return Ok(());
            };
            let (frame_type, type_length) = encoding::frame_type(&packet.payload[begin..]);
            let size = all.offset() - begin;
            let checked = match read {
                Ok(frame) => {
                    let is_shortest = encoding::is_shortest(frame_type, type_length);
                    let kept = self.enforced.demand(Rule::ShortestFrameType, is_shortest);
                    kept.and_then(|()| self.check_frame(endpoint, packet, &frame, size))
                }
                Err(malformed) => {
                    let rule = encoding::malformed(&malformed, &packet.payload);
                    self.enforced.demand(rule, false)
                }
            };
            checked.map_err(|rule| (rule, frame_type))?;
        }
    }

    fn check_frame(
        &mut self,
        endpoint: &Endpoint,
        packet: &ReceivedPacket,
        frame: &Frame<'_>,
        size: usize,
    ) -> Result<(), Rule> {
        let is_permitted = encoding::may_be_in(frame, packet.level);
        self.enforced
            .demand(Rule::FrameOfPacketType, is_permitted)?;
        let destination = &packet.header.destination;
        self.streams.receive(frame, &self.granted, &self.enforced)?;
        self.connection_ids
            .receive(frame, destination, &self.granted, &self.enforced)?;
        let by_client = self.granted.side == Side::Server;
        let demand = |rule, is_kept| self.enforced.demand(rule, is_kept);
        match *frame {
            Frame::Ack(ref ack) => demand(Rule::AckOfUnsent, self.has_sent(packet.level, ack)),
            Frame::Crypto { offset, data } => {
                let end = offset + data.len() as u64;
                demand(Rule::CryptoOffset, end <= INTEGER_MAX)?;
                let kept_until = endpoint.crypto_received(packet.level) + CRYPTO_AHEAD_MAX;
                demand(Rule::CryptoBuffer, end <= kept_until)
            }
            Frame::NewToken { token } => {
                demand(Rule::NewTokenOfClient, !by_client)?;
                demand(Rule::EmptyToken, !token.is_empty())
            }
            Frame::HandshakeDone => demand(Rule::HandshakeDoneOfClient, !by_client),
            Frame::PathResponse { data } => {
                demand(Rule::PathResponse, self.granted.challenges.contains(&data))
            }
            Frame::Datagram { .. } => {
                let id = TransportParameters::MAX_DATAGRAM_FRAME_SIZE;
                let announced = self.granted.parameters.integer(id).unwrap_or(0);
                demand(Rule::DatagramSize, size as u64 <= announced)
            }
            Frame::AckFrequency { .. } | Frame::ImmediateAck => {
                let announced = self
                    .granted
                    .parameters
                    .get(TransportParameters::MIN_ACK_DELAY);
                demand(Rule::KnownFrame, announced.is_some())
            }
            _ => Ok(()),
        }
    }

    fn has_sent(&self, level: Level, ack: &Ack) -> bool {
        let mut ranges = ack.ranges.iter();
        ranges.all(|range| self.granted.has_sent(level, range))
    }
}

impl Judge for Rules {
    fn header(&mut self, _: &Endpoint, header: &Header, datagram: &Received) -> Option<Violation> {
        let broken = self.check_header(header, datagram).err()?;
        Some(self.enforced.violation(broken, None))
    }

    fn packet(&mut self, endpoint: &Endpoint, packet: &ReceivedPacket) -> Option<Violation> {
        self.learn(endpoint);
        if let Err(rule) = self.check_packet(packet) {
            return Some(self.enforced.violation(rule, None));
        }
        if self.peer_source.is_none()
            && let Some(source) = packet.header.source
        {
            self.peer_source = Some(source);
            self.connection_ids.begin(source);
        }
        if let Err((rule, frame_type)) = self.check_frames(endpoint, packet) {
            return Some(self.enforced.violation(rule, Some(frame_type)));
        }
        let refuses = self.refuses_frame.as_mut()?;
        let is_refused = packet.frames().iter().any(refuses);
        is_refused.then(whim)
    }

    fn parameters(&mut self, endpoint: &Endpoint, parameters: &[u8]) -> Option<Violation> {
        let negotiated = endpoint.negotiated();
        let accepts_early_data =
            negotiated.is_some_and(|negotiated| negotiated.early_data == EarlyData::Accepted);
        let handshake = Handshake {
            side: self.granted.side,
            version: endpoint.version(),
            original_destination: endpoint.original_destination(),
            retry_source: endpoint.retry_source(),
            peer_source: self.peer_source.unwrap_or_default(),
            remembered: self.remembered.clone().filter(|_| accepts_early_data),
        };
        if let Err(rule) = parameters::check(parameters, &handshake, &self.enforced) {
            return Some(self.enforced.violation(rule, Some(CRYPTO)));
        }
        let parameters = TransportParameters::parse(parameters);
        if let Some(preferred) = parameters.get(TransportParameters::PREFERRED_ADDRESS) {
            self.connection_ids.prefer(preferred);
        }
        let refuses = self.refuses_parameters.as_ref()?;
        refuses(&parameters).then(whim)
    }

    fn sent(&mut self, level: Level, number: u64, payload: &[u8]) {
        self.granted.sent(level, number, payload);
    }
}

/// What a mutant says that refuses what is legal.
fn whim() -> Violation {
    Violation {
        code: INTERNAL_ERROR,
        frame_type: None,
        reason: "this mutant refuses it".to_owned(),
        discard: false,
    }
}

/// The frame that carries TLS messages, at fault for what is in them.
const CRYPTO: u64 = 0x06;

//! Datagrams that come: which packets are in them, and which of those are acted on.

use std::time::Instant;

use qecho_packet::{
    Direction, Side,
    protection::is_valid_retry,
    wire::{ConnectionId, Header, PacketType, Packets, Protected, packets},
};

use super::{Ended, Endpoint, IssuedId, VERSION_2, handshake::Tls, random_id, retry, space_of};
use crate::{
    network::{Ecn, PathId, Received},
    packet::OutDatagram,
    received::{ReceivedPacket, RecordedDatagram, Unopened, UnopenedPacket},
    tls::Level,
};

/// Packets that wait for their keys.
const UNDECRYPTABLE_MAX: usize = 16;

/// The datagram that a packet came in.
#[derive(Clone, Copy)]
struct Arrival {
    at: Instant,
    path: PathId,
    ecn: Ecn,
    datagram: usize,
    size: usize,
}

/// A packet that waits for its keys.
pub(super) struct Undecryptable {
    arrival: Arrival,
    level: Level,
    bytes: Vec<u8>,
}

impl Endpoint {
    /// Takes a datagram that has come.
    pub fn receive(&mut self, now: Instant, received: &Received) {
        let bytes = &received.datagram;
        let recorded = RecordedDatagram {
            at: now,
            direction: Direction::Received,
            path: received.path,
            ecn: received.ecn,
            bytes: bytes.clone(),
            is_told: false,
        };
        let Some(datagram) = self.record.keep(recorded) else {
            return;
        };
        self.paths.came(received.path, bytes.len());
        let arrival = Arrival {
            at: now,
            path: received.path,
            ecn: received.ecn,
            datagram,
            size: bytes.len(),
        };
        let id_length = self.ids.length_in(bytes).unwrap_or(self.source.len());
        for packet in packets_of(self.version, bytes, id_length) {
            if !self.behaviour.reads_whole_datagrams && self.had_unreadable(datagram) {
                break;
            }
            match packet {
                Ok(packet) => self.receive_packet(arrival, received, &packet),
                Err(malformed) => {
                    let why = match self.ids.is_reset(bytes) {
                        true => Unopened::StatelessReset,
                        false => Unopened::Malformed(malformed),
                    };
                    self.keep_unopened(arrival, None, bytes, why);
                }
            }
        }
        self.answer_closing();
    }

    /// Tells whether a datagram had a packet that is not authentic, or of keys that are gone.
    fn had_unreadable(&self, datagram: usize) -> bool {
        let mut unopened = self.record.unopened.iter();
        let mut packets = self.record.packets.iter().rev();
        unopened.any(|it| it.datagram == datagram && it.why == Unopened::NotAuthentic)
            || packets.any(|it| it.datagram == datagram && self.is_discarded(it.level))
    }

    fn receive_packet(&mut self, arrival: Arrival, received: &Received, packet: &Protected<'_>) {
        let header = &packet.header;
        if self.refuses(|rules, endpoint| rules.judge_header(endpoint, header, received)) {
            return self.keep_unopened(arrival, Some(header), packet.bytes, Unopened::Refused);
        }
        let why = match header.packet_type {
            PacketType::VersionNegotiation => self.receive_version_negotiation(header),
            _ if header
                .version
                .is_some_and(|version| version != self.version) =>
            {
                Some(Unopened::Unexpected)
            }
            PacketType::Retry => self.receive_retry(packet),
            PacketType::Initial => self.receive_protected(arrival, Level::Initial, packet),
            PacketType::ZeroRtt => self.receive_protected(arrival, Level::EarlyData, packet),
            PacketType::Handshake => self.receive_protected(arrival, Level::Handshake, packet),
            PacketType::OneRtt => self.receive_protected(arrival, Level::OneRtt, packet),
            PacketType::Unknown => Some(Unopened::Unexpected),
        };
        if let Some(why) = why {
            self.keep_unopened(arrival, Some(header), packet.bytes, why);
        }
    }

    fn keep_unopened(
        &mut self,
        arrival: Arrival,
        header: Option<&Header>,
        bytes: &[u8],
        why: Unopened,
    ) {
        if why == Unopened::StatelessReset && self.behaviour.heeds_stateless_reset {
            self.end(Ended::Reset);
        }
        self.record.unopened.push(UnopenedPacket {
            at: arrival.at,
            path: arrival.path,
            datagram: arrival.datagram,
            header: header.cloned(),
            bytes: bytes.to_vec(),
            why,
        });
    }

    /// Takes a packet that is protected; returns why it is not opened, if it is not, unless it
    /// waits for its keys.
    fn receive_protected(
        &mut self,
        arrival: Arrival,
        level: Level,
        packet: &Protected<'_>,
    ) -> Option<Unopened> {
        let header = &packet.header;
        if level == Level::Initial && self.awaits_client(arrival, header) {
            return Some(Unopened::Unexpected);
        }
        if !self.is_destination(level, &header.destination) {
            return Some(match self.ids.is_reset(packet.bytes) {
                true => Unopened::StatelessReset,
                false => Unopened::ForeignDestination,
            });
        }
        if !self.keys.can_open(level) {
            if self.undecryptable.len() < UNDECRYPTABLE_MAX && !self.is_complete {
                self.undecryptable.push(Undecryptable {
                    arrival,
                    level,
                    bytes: packet.bytes.to_vec(),
                });
                return None;
            }
            return Some(Unopened::NoKeys);
        }
        let numbers = self.spaces[space_of(level)].numbers;
        let Some(opened) = self.keys.open(level, packet, numbers) else {
            let is_reset = level == Level::OneRtt && self.ids.is_reset(packet.bytes);
            if level == Level::OneRtt && !is_reset && !self.behaviour.checks_key_updates {
                self.keys.update();
            }
            return Some(match is_reset {
                true => Unopened::StatelessReset,
                false => Unopened::NotAuthentic,
            });
        };
        self.process(ReceivedPacket {
            at: arrival.at,
            path: arrival.path,
            ecn: arrival.ecn,
            datagram: arrival.datagram,
            datagram_size: arrival.size,
            level,
            header: header.clone(),
            first_byte: opened.first_byte,
            number: opened.number,
            number_length: opened.number_length,
            key_phase: opened.key_phase,
            generation: opened.generation,
            payload: opened.payload,
            is_processed: false,
        });
        None
    }

    /// Takes the packets again that had no keys.
    pub(super) fn receive_undecryptable(&mut self, now: Instant) {
        for Undecryptable {
            arrival,
            level,
            bytes,
        } in std::mem::take(&mut self.undecryptable)
        {
            let Some(Ok(packet)) = packets_of(self.version, &bytes, self.source.len()).next()
            else {
                continue;
            };
            let arrival = Arrival { at: now, ..arrival };
            if let Some(why) = self.receive_protected(arrival, level, &packet) {
                self.keep_unopened(arrival, Some(&packet.header), &bytes, why);
            }
        }
    }

    /// Acts on a packet that was opened, unless it comes again, too late or against the rules.
    fn process(&mut self, mut packet: ReceivedPacket) {
        let level = packet.level;
        let space = space_of(level);
        let is_new = !self.behaviour.discards_duplicates
            || !self.spaces[space].received.contains(packet.number);
        if is_new && self.ended.is_none() && !self.is_discarded[level as usize] {
            // A close has to be told to somebody, too.
            self.learn_source(&packet);
            packet.is_processed =
                !self.refuses(|rules, endpoint| rules.judge_packet(endpoint, &packet));
        }
        self.spaces[space].numbers.saw(packet.number);
        if packet.is_processed {
            let is_largest = self.spaces[space].received.largest() < Some(packet.number);
            self.spaces[space].note_received(
                packet.number,
                packet.at,
                packet.ecn,
                packet.is_ack_eliciting(),
            );
            self.last_activity = packet.at;
            self.has_asked = false;
            self.learn_peer(&packet);
            packet.is_processed = self.act_on_frames(&packet);
            self.follow(&packet, is_largest);
        }
        self.record.packets.push(packet);
    }

    /// Learns the peer's connection ID by its first packet.
    fn learn_source(&mut self, packet: &ReceivedPacket) {
        if let (None, Some(source)) = (self.first_source, packet.header.source) {
            self.first_source = Some(source);
            let mut issued = IssuedId::new(0, source, None);
            issued.is_used = true;
            self.ids.take(issued, 0);
            self.ids.destination = source;
        }
    }

    /// Learns that the peer's address is right, and of a key update.
    fn learn_peer(&mut self, packet: &ReceivedPacket) {
        if packet.level == Level::Handshake && self.side == Side::Server {
            self.paths.validate(packet.path);
            self.discard(Level::Initial);
        }
        if self.behaviour.follows_key_updates && packet.generation > self.keys.generation() {
            self.keys.update();
        }
    }

    /// Tells whether a packet is to a connection ID of the endpoint.
    fn is_destination(&self, level: Level, destination: &ConnectionId) -> bool {
        let is_first = self.side == Side::Server
            && matches!(level, Level::Initial | Level::EarlyData)
            && (*destination == self.original_destination
                || self.retry_source == Some(*destination));
        is_first || self.ids.local_of(destination).is_some()
    }

    /// Begins as a server, if this Initial packet is one to begin with; tells whether it still
    /// waits for its client.
    fn awaits_client(&mut self, arrival: Arrival, header: &Header) -> bool {
        let Tls::Waiting(config) = &self.tls else {
            return false;
        };
        if let Some(token) = config.retry_token.clone() {
            if self.retry_source != Some(header.destination) {
                self.answer_by_retry(arrival, header, &token);
                return true;
            }
            let is_given = header.token == token && arrival.path == self.paths.current;
            if !is_given && self.behaviour.checks_tokens {
                return true;
            }
            self.paths.validate(arrival.path);
        } else if !header.token.is_empty() && !self.behaviour.checks_tokens {
            self.paths.validate(arrival.path);
        }
        self.paths.current = arrival.path;
        self.begin_server(header.destination);
        false
    }

    /// Answers the first Initial packet, and each that comes again, by a Retry.
    fn answer_by_retry(&mut self, arrival: Arrival, header: &Header, token: &[u8]) {
        self.original_destination = header.destination;
        self.paths.current = arrival.path;
        let source = self
            .retry_source
            .unwrap_or_else(|| random_id(&mut self.random));
        self.retry_source = Some(source);
        self.raw.push_back(OutDatagram {
            path: arrival.path,
            bytes: retry(header, source, token),
            ecn: Ecn::NotEct,
        });
    }

    /// RFC 9000 §6.2: one that lists the version in use, answers nobody or comes late says
    /// nothing.
    fn receive_version_negotiation(&mut self, header: &Header) -> Option<Unopened> {
        let is_answer = self.side == Side::Client
            && header.destination == self.source
            && header.source == Some(self.original_destination)
            && !header.versions.contains(&self.version)
            && self.first_source.is_none();
        if !is_answer {
            return Some(Unopened::Unexpected);
        }
        if self.behaviour.heeds_version_negotiation {
            self.end(Ended::VersionNegotiation(header.versions.clone()));
        }
        Some(Unopened::VersionNegotiation)
    }

    /// RFC 9000 §17.2.5.2: one Retry is followed, if it has a token and its tag is right.
    fn receive_retry(&mut self, packet: &Protected<'_>) -> Option<Unopened> {
        let header = &packet.header;
        let source = header.source.unwrap_or_default();
        let is_good = self.side == Side::Client
            && self.first_source.is_none()
            && self.retry_source.is_none()
            && !header.token.is_empty()
            && header.destination == self.source
            && source != self.original_destination
            && is_valid_retry(&self.original_destination, packet.bytes);
        if !is_good || !self.behaviour.follows_retry {
            return Some(Unopened::Unexpected);
        }
        self.retry_source = Some(source);
        self.token.clone_from(&header.token);
        self.ids.destination = source;
        self.keys.install_initial(&source, self.side);
        for level in [Level::Initial, Level::OneRtt] {
            let space = self.space(level);
            let lost: Vec<_> = space.in_flight.keys().copied().collect();
            space.resend(&lost);
        }
        Some(Unopened::Retry)
    }
}

/// Takes a datagram apart that comes to an endpoint of a version.
fn packets_of(version: u32, datagram: &[u8], id_length: usize) -> Packets<'_> {
    let packets = packets(datagram, id_length);
    match version {
        VERSION_2 => packets.knowing_version_2(),
        _ => packets,
    }
}

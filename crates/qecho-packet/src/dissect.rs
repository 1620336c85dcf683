//! Reads the packets of a capture, given the TLS secrets: tells of them what
//! a watched shard tells of its own.
//!
//! Nothing here trusts its input. Whatever a capture holds, it costs no more
//! time than its length and no more memory than the limits allow.

mod captured_datagram;
mod client_hello;
mod connection;
mod key_log;
mod late;
mod recognition;
mod rotation;
mod segment_sizes;
mod segments;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::{
    connection::{Connection, InitialKeys, Path},
    key_log::KeyLog,
    late::Strangers,
    table::{ConnectionMatch, Table},
};
use crate::{
    DecodedDatagram, DecodedPacket, DecryptedPacket, Direction, DropReason, Observation, Side,
    protection::Numbers,
    wire::{self, PacketType, Protected},
};

pub(crate) use self::key_log::LINES_MAX;
pub use self::{
    captured_datagram::CapturedDatagram,
    key_log::key_log_text,
    recognition::{Recognition, Recognized},
};

/// Connections that are followed at once, unless told otherwise.
pub const CONNECTIONS_MAX: usize = 10_000;

/// TLS sessions whose secrets are kept, unless told otherwise: each takes some
/// 300 bytes.
pub const SESSIONS_MAX: usize = 100_000;

/// Bytes that the first destination connection ID of a client has at least
/// (RFC 9000 §7.2).
const ORIGINAL_DESTINATION_LENGTH_MIN: usize = 8;

/// Bytes of a client's datagram with an Initial packet, at least (RFC 9000 §14.1).
const CLIENT_INITIAL_DATAGRAM_MIN: usize = 1_200;

/// Takes the datagrams of a capture apart and opens their packets.
///
/// A connection begins with an authentic Initial packet of a client to a
/// connection ID that is not known, or, where the capture begins later, with a packet that
/// known secrets open: its original destination has no bytes then. It is told from the point of view of the
/// host that made the capture if its first datagram says which way it passed,
/// and else from the client's.
///
/// Secrets open what comes after them: a packet whose secrets come later is
/// told as [`DropReason::NoSecrets`].
///
/// Observations that only an endpoint can make are missing: neither its estimates of the
/// path ([`Observation::Recovery`]) nor that it considers the connection
/// closed, nor whether it made use of a packet that is authentic.
pub struct Dissector {
    key_log: KeyLog,
    table: Table,
    strangers: Strangers,
}

impl Default for Dissector {
    fn default() -> Self {
        Self::new(CONNECTIONS_MAX, SESSIONS_MAX)
    }
}

impl Dissector {
    /// Begins with nothing known, to follow so many connections at once (the one
    /// that has been idle for longest makes room) and to keep the secrets of so
    /// many TLS sessions (the oldest makes room).
    pub fn new(connections_max: usize, sessions_max: usize) -> Self {
        Self {
            key_log: KeyLog::new(sessions_max, false),
            table: Table::new(connections_max),
            strangers: Strangers::default(),
        }
    }

    /// Adds the lines of an NSS key log that tell secrets of QUIC version 1;
    /// comments and other labels are passed over.
    pub fn add_secrets(&mut self, key_log: &str) {
        self.key_log.add(Duration::ZERO, key_log);
    }

    /// Returns how many lines had the right label and no secret that makes
    /// sense.
    pub fn malformed_secrets(&self) -> u64 {
        self.key_log.malformed
    }

    /// Takes the next datagram; tells what it means.
    ///
    /// A batch that left its sender at once, and was captured before it was cut
    /// apart, is told as its datagrams.
    pub fn datagram(&mut self, seen: &CapturedDatagram<'_>, tell: &mut dyn FnMut(Observation)) {
        let datagram = seen.whole();
        let matched = self
            .table
            .find(seen, &datagram)
            .or_else(|| self.begin(seen, &datagram, tell))
            .or_else(|| self.begin_late(seen, &datagram, tell));
        let whole = self.dissected(seen, &datagram, matched);
        let Some(size) = self.segment_size(seen, matched, &whole.packets) else {
            tell(Observation::Datagram(whole));
            return;
        };
        for payload in seen.payload.chunks(size) {
            let segment = CapturedDatagram { payload, ..*seen };
            let matched = self.table.find(&segment, payload);
            let dissected = self.dissected(&segment, payload, matched);
            tell(Observation::Datagram(dissected));
        }
    }

    fn dissected(
        &mut self,
        seen: &CapturedDatagram<'_>,
        datagram: &[u8],
        matched: Option<ConnectionMatch>,
    ) -> DecodedDatagram {
        let direction = self.direction(seen, matched);
        let packets = self.packets(seen, datagram, matched, direction);
        let (local, remote) = direction.ends(seen.source, seen.destination);
        DecodedDatagram {
            connection: matched.map(|matched| matched.connection),
            direction,
            local,
            remote,
            ecn: seen.ecn,
            size: seen.payload.len(),
            packets,
            unsent: None,
        }
    }

    /// Tells that there is no more.
    pub fn finish(&mut self, tell: &mut dyn FnMut(Observation)) {
        for connection in self.table.numbers() {
            self.table.forget(connection);
            tell(Observation::ConnectionRemoved { connection });
        }
    }

    /// Begins a connection, if this is the first datagram of one.
    fn begin(
        &mut self,
        seen: &CapturedDatagram<'_>,
        datagram: &[u8],
        tell: &mut dyn FnMut(Observation),
    ) -> Option<ConnectionMatch> {
        let packet = seen.first_packet(datagram)?;
        if packet.header.packet_type != PacketType::Initial {
            return None;
        }
        let original_destination = packet.header.destination;
        let mut keys = InitialKeys::new(&original_destination);
        let authentic = match packet.bytes.len() <= seen.payload.len() {
            true => keys
                .open(Side::Client, &packet, Numbers::default())
                .is_some(),
            false => original_destination.len() >= ORIGINAL_DESTINATION_LENGTH_MIN,
        };
        if !authentic {
            return None;
        }
        if let Some(connection) = self.table.superfluous() {
            self.table.forget(connection);
            tell(Observation::ConnectionRemoved { connection });
        }
        let (side, direction) = match seen.direction {
            Some(Direction::Received) => (Side::Server, Direction::Received),
            _ => (Side::Client, Direction::Sent),
        };
        let begun = Connection::new(side, original_destination, keys);
        let path = Path::of(Side::Client, seen.source, seen.destination);
        let connection = self.table.insert(begun, Some(original_destination), path);
        let (local, remote) = direction.ends(seen.source, seen.destination);
        tell(Observation::ConnectionStarted {
            connection,
            side,
            local,
            remote,
            original_destination,
        });
        Some(ConnectionMatch {
            connection,
            sender: Side::Client,
            destination_length: original_destination.len(),
        })
    }

    /// Returns which way a datagram went, as it is to be told.
    ///
    /// A capture of a loopback device may say that everything came, and one of
    /// both ends shows datagrams twice: within a connection, who sends counts.
    fn direction(
        &mut self,
        seen: &CapturedDatagram<'_>,
        matched: Option<ConnectionMatch>,
    ) -> Direction {
        let sent_from_here = match matched {
            Some(ConnectionMatch {
                connection, sender, ..
            }) => {
                let connection = self.table.get(connection);
                connection.is_some_and(|connection| connection.side == sender)
            }
            // Servers usually have the lower port.
            None => match seen.direction {
                Some(direction) => return direction,
                None => match self.strangers.is_from_client(seen) {
                    Some(is_from_client) => is_from_client,
                    None => seen.source.port() > seen.destination.port(),
                },
            },
        };
        match sent_from_here {
            true => Direction::Sent,
            false => Direction::Received,
        }
    }

    fn packets(
        &mut self,
        seen: &CapturedDatagram<'_>,
        datagram: &[u8],
        matched: Option<ConnectionMatch>,
        direction: Direction,
    ) -> Vec<DecodedPacket> {
        let mut packets = Vec::new();
        let mut rest = seen.payload.len();
        let length = matched.map_or(0, |matched| matched.destination_length);
        let mut reading = wire::packets(datagram, length);
        while rest > 0 {
            let Some(read) = reading.next() else {
                packets.push(DecodedPacket::padding(rest));
                break;
            };
            let packet = match read {
                Ok(read) if read.bytes.len() <= rest => {
                    let mut packet = self.packet(seen, &read, matched, direction);
                    packet.doubt(&read, &packets);
                    packet
                }
                Ok(read) => {
                    let packet = captured_datagram::cut(read, rest);
                    self.learn_of_cut(matched, &packet);
                    packet
                }
                Err(malformed) => DecodedPacket {
                    header: None,
                    size: rest,
                    decrypted: None,
                    dropped: Some(match seen.cut {
                        true => DropReason::Cut,
                        false => DropReason::Malformed(malformed),
                    }),
                    tail: captured_datagram::tail(seen.payload).filter(|_| !seen.cut),
                },
            };
            rest -= packet.size;
            packets.push(packet);
        }
        packets
    }

    fn packet(
        &mut self,
        seen: &CapturedDatagram<'_>,
        read: &Protected<'_>,
        matched: Option<ConnectionMatch>,
        direction: Direction,
    ) -> DecodedPacket {
        let mut opened = None;
        let dropped = match (read.header.packet_type, matched) {
            (PacketType::Unknown, _) => Some(DropReason::UnsupportedVersion),
            (PacketType::VersionNegotiation, None) => None,
            (_, None) => Some(DropReason::BeginningNotCaptured),
            (PacketType::VersionNegotiation, Some(matched)) => {
                self.negotiation(read, matched, direction)
            }
            (PacketType::Retry, Some(matched)) => self.retry(read, matched, direction),
            (_, Some(matched)) => match self.open(seen, read, matched) {
                Ok(content) => {
                    opened = Some(content);
                    None
                }
                Err(dropped) => Some(dropped),
            },
        };
        DecodedPacket {
            header: Some(read.header.clone()),
            size: read.bytes.len(),
            tail: match opened {
                None => captured_datagram::tail(read.bytes),
                Some(_) => None,
            },
            decrypted: opened,
            dropped,
        }
    }

    /// Learns who is who of a packet that nobody can open, since the capture has only its
    /// beginning.
    fn learn_of_cut(&mut self, matched: Option<ConnectionMatch>, packet: &DecodedPacket) {
        let header = packet.header.as_ref();
        let source = header.and_then(|header| header.source);
        if let (Some(matched), Some(source)) = (matched, source) {
            self.table
                .remember(matched.connection, matched.sender, source);
        }
    }

    fn open(
        &mut self,
        seen: &CapturedDatagram<'_>,
        read: &Protected<'_>,
        matched: ConnectionMatch,
    ) -> Result<DecryptedPacket, DropReason> {
        let connection = self.table.get(matched.connection);
        let connection = connection.ok_or(DropReason::UnknownConnection)?;
        let opened = connection.open(matched.sender, read, &self.key_log)?;
        self.table.learn(matched, seen, read, &opened);
        Ok(opened)
    }

    /// Says why a Retry packet changes nothing, if it does not (RFC 9000
    /// §17.2.5.2).
    fn retry(
        &mut self,
        read: &Protected<'_>,
        matched: ConnectionMatch,
        direction: Direction,
    ) -> Option<DropReason> {
        let connection = self.table.get(matched.connection)?;
        let is_late = connection.is_answered() && direction == Direction::Received;
        if matched.sender == Side::Client || !connection.retry(read) {
            return Some(DropReason::InvalidRetry);
        }
        if let Some(source) = read.header.source {
            let number = matched.connection;
            self.table.remember(number, Side::Server, source);
        }
        is_late.then_some(DropReason::InvalidRetry)
    }

    /// Says why a Version Negotiation packet changes nothing, if it does not
    /// (RFC 9000 §6.2).
    fn negotiation(
        &mut self,
        read: &Protected<'_>,
        matched: ConnectionMatch,
        direction: Direction,
    ) -> Option<DropReason> {
        let connection = self.table.get(matched.connection)?;
        let idle = connection.is_answered() || read.header.versions.contains(&1);
        let idle = idle && direction == Direction::Received;
        idle.then_some(DropReason::IdleNegotiation)
    }
}

impl std::fmt::Debug for Dissector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dissector(…)")
    }
}

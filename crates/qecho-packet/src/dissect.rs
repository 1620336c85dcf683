//! Reads the packets of a capture, given the TLS secrets: tells of them what
//! a watched shard tells of its own.
//!
//! Nothing here trusts its input. Whatever a capture holds, it costs no more
//! time than its length and no more memory than the limits allow.

mod client_hello;
mod connection;
mod key_log;
mod rotation;
mod seen;
mod segments;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::{
    connection::{Connection, InitialKeys, Path},
    key_log::KeyLog,
    table::{ConnectionMatch, Table},
};
use crate::{
    DecodedDatagram, DecryptedPacket, Direction, DropReason, Observation, Packet, Side,
    protection::Numbers,
    wire::{self, PacketType, Protected},
};

pub(crate) use self::key_log::LINES_MAX;
pub use self::seen::CapturedDatagram;

/// Connections that are followed at once, unless [`Limits`] say otherwise.
pub const CONNECTIONS_MAX: usize = 10_000;

/// TLS sessions whose secrets are kept, unless [`Limits`] say otherwise: each
/// takes some 300 bytes.
pub const SESSIONS_MAX: usize = 100_000;

/// Bytes that the first destination connection ID of a client has at least
/// (RFC 9000 §7.2).
const ORIGINAL_DESTINATION_LENGTH_MIN: usize = 8;

/// How much a [`Dissector`] remembers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; the one that has been idle for longest makes room.
    pub connections: usize,
    /// TLS sessions whose secrets are kept; the oldest makes room.
    pub sessions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            sessions: SESSIONS_MAX,
        }
    }
}

/// Takes the datagrams of a capture apart and opens their packets.
///
/// A connection begins with an authentic Initial packet of a client to a
/// connection ID that is not known. It is told from the point of view of the
/// host that made the capture if its first datagram says which way it passed,
/// and else from the client's.
///
/// Secrets open what comes after them: a packet whose secrets come later is
/// told as [`DropReason::NoSecrets`].
///
/// What only an endpoint knows is not told: neither what it believes of the
/// path ([`Observation::Recovery`]) nor that it considers the connection
/// closed, nor whether it made use of a packet that is authentic.
pub struct Dissector {
    key_log: KeyLog,
    table: Table,
}

impl Default for Dissector {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Dissector {
    /// Begins with nothing known.
    pub fn new(limits: Limits) -> Self {
        Self {
            key_log: KeyLog::new(limits.sessions, false),
            table: Table::new(limits.connections),
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
    /// What left its sender as many datagrams at once, and was captured before
    /// they were cut apart, is told as these.
    pub fn datagram(&mut self, seen: &CapturedDatagram<'_>, tell: &mut dyn FnMut(Observation)) {
        let datagram = seen.whole();
        let belonging = self
            .table
            .find(seen, &datagram)
            .or_else(|| self.begin(seen, &datagram, tell));
        let whole = self.dissected(seen, &datagram, belonging);
        let Some(size) = self.segment_size(seen, belonging, &whole.packets) else {
            tell(Observation::Datagram(whole));
            return;
        };
        for payload in seen.payload.chunks(size) {
            let segment = CapturedDatagram { payload, ..*seen };
            let belonging = self.table.find(&segment, payload);
            let dissected = self.dissected(&segment, payload, belonging);
            tell(Observation::Datagram(dissected));
        }
    }

    fn dissected(
        &mut self,
        seen: &CapturedDatagram<'_>,
        datagram: &[u8],
        belonging: Option<ConnectionMatch>,
    ) -> DecodedDatagram {
        let direction = self.direction(seen, belonging);
        let packets = self.packets(seen, datagram, belonging, direction);
        let (local, remote) = direction.ends(seen.source, seen.destination);
        DecodedDatagram {
            connection: belonging.map(|belonging| belonging.connection),
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
        let connection = self.table.insert(begun, original_destination, path);
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
        belonging: Option<ConnectionMatch>,
    ) -> Direction {
        let sent_from_here = match belonging {
            Some(ConnectionMatch {
                connection, sender, ..
            }) => {
                let connection = self.table.get(connection);
                connection.is_some_and(|connection| connection.side == sender)
            }
            // Servers usually have the lower port.
            None => match seen.direction {
                Some(direction) => return direction,
                None => seen.source.port() > seen.destination.port(),
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
        belonging: Option<ConnectionMatch>,
        direction: Direction,
    ) -> Vec<Packet> {
        let mut packets = Vec::new();
        let mut rest = seen.payload.len();
        let length = belonging.map_or(0, |belonging| belonging.destination_length);
        for read in wire::packets(datagram, length) {
            if rest == 0 {
                break;
            }
            let offset = seen.payload.len() - rest;
            let packet = match read {
                Ok(read) if read.bytes.len() <= rest => {
                    let mut packet = self.packet(seen, &read, belonging, direction);
                    if offset > 0 && packet.opened.is_none() {
                        seen::doubt(&mut packet, &packets, read.bytes, offset);
                    }
                    packet
                }
                Ok(read) => seen::cut(read, rest),
                Err(malformed) => Packet {
                    header: None,
                    size: rest,
                    opened: None,
                    unprocessed: Some(match seen.cut {
                        true => DropReason::Cut,
                        false => DropReason::Malformed(malformed),
                    }),
                    tail: seen::tail(seen.payload).filter(|_| !seen.cut),
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
        belonging: Option<ConnectionMatch>,
        direction: Direction,
    ) -> Packet {
        let mut opened = None;
        let unprocessed = match (read.header.packet_type, belonging) {
            (PacketType::Unknown, _) => Some(DropReason::UnsupportedVersion),
            (PacketType::VersionNegotiation, None) => None,
            (_, None) => Some(DropReason::UnknownConnection),
            (PacketType::VersionNegotiation, Some(belonging)) => {
                self.negotiation(read, belonging, direction)
            }
            (PacketType::Retry, Some(belonging)) => self.retry(read, belonging, direction),
            (_, Some(belonging)) => match self.open(seen, read, belonging) {
                Ok(content) => {
                    opened = Some(content);
                    None
                }
                Err(unprocessed) => Some(unprocessed),
            },
        };
        Packet {
            header: Some(read.header.clone()),
            size: read.bytes.len(),
            tail: match opened {
                None => seen::tail(read.bytes),
                Some(_) => None,
            },
            opened,
            unprocessed,
        }
    }

    fn open(
        &mut self,
        seen: &CapturedDatagram<'_>,
        read: &Protected<'_>,
        belonging: ConnectionMatch,
    ) -> Result<DecryptedPacket, DropReason> {
        let connection = self.table.get(belonging.connection);
        let connection = connection.ok_or(DropReason::UnknownConnection)?;
        let opened = connection.open(belonging.sender, read, &self.key_log)?;
        self.table.learn(belonging, seen, read, &opened);
        Ok(opened)
    }

    /// Says why a Retry packet changes nothing, if it does not (RFC 9000
    /// §17.2.5.2).
    fn retry(
        &mut self,
        read: &Protected<'_>,
        belonging: ConnectionMatch,
        direction: Direction,
    ) -> Option<DropReason> {
        let connection = self.table.get(belonging.connection)?;
        let is_late = connection.is_answered() && direction == Direction::Received;
        if belonging.sender == Side::Client || !connection.retry(read) {
            return Some(DropReason::InvalidRetry);
        }
        if let Some(source) = read.header.source {
            let number = belonging.connection;
            self.table.remember(number, Side::Server, source);
        }
        is_late.then_some(DropReason::InvalidRetry)
    }

    /// Says why a Version Negotiation packet changes nothing, if it does not
    /// (RFC 9000 §6.2).
    fn negotiation(
        &mut self,
        read: &Protected<'_>,
        belonging: ConnectionMatch,
        direction: Direction,
    ) -> Option<DropReason> {
        let connection = self.table.get(belonging.connection)?;
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

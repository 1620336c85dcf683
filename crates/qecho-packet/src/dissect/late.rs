//! Connections that began before their capture: nothing names their secrets, but one may try
//! which fit.

use std::{collections::HashMap, net::SocketAddr};

use super::{
    CLIENT_INITIAL_DATAGRAM_MIN, CapturedDatagram, Dissector,
    connection::{Connection, Path, fitting},
    key_log::ClientRandom,
    table::ConnectionMatch,
};
use crate::{
    Direction, Observation, Side,
    wire::{self, ConnectionId, PacketType, Protected},
};

/// Datagrams from one address to another that are tried.
const DATAGRAMS_MAX: u8 = 8;

/// Pairs of addresses of which anything is remembered.
const PATHS_MAX: usize = 10_000;

const LONG_HEADER: u8 = 0x80;

/// What is remembered of addresses without a connection.
#[derive(Default)]
pub(super) struct Strangers {
    /// Datagrams that were tried, by sender and receiver.
    attempts: HashMap<(SocketAddr, SocketAddr), u8>,
    /// The client of two addresses, in the order of their numbers.
    clients: HashMap<(SocketAddr, SocketAddr), SocketAddr>,
}

impl Strangers {
    /// Tells whether the client has sent a datagram, if that can be known.
    pub(super) fn is_from_client(&mut self, seen: &CapturedDatagram<'_>) -> Option<bool> {
        let (source, destination) = (seen.source, seen.destination);
        let ends = (source.min(destination), source.max(destination));
        if let Some(sender) = sender(seen)
            && (self.clients.contains_key(&ends) || self.clients.len() < PATHS_MAX)
        {
            let client = match sender {
                Side::Client => source,
                Side::Server => destination,
            };
            self.clients.insert(ends, client);
        }
        self.clients.get(&ends).map(|client| *client == source)
    }

    /// Counts an attempt to open a datagram; tells whether there were not too many.
    fn may_try(&mut self, seen: &CapturedDatagram<'_>) -> bool {
        let ends = (seen.source, seen.destination);
        if !self.attempts.contains_key(&ends) && self.attempts.len() >= PATHS_MAX {
            return false;
        }
        let attempts = self.attempts.entry(ends).or_default();
        *attempts = attempts.saturating_add(1);
        *attempts <= DATAGRAMS_MAX
    }
}

/// Tells who has sent a datagram, if its first packet is one that only one side sends.
fn sender(seen: &CapturedDatagram<'_>) -> Option<Side> {
    let datagram = seen.whole();
    let header = seen.first_packet(&datagram)?.header;
    match header.packet_type {
        PacketType::Retry | PacketType::VersionNegotiation => Some(Side::Server),
        PacketType::ZeroRtt => Some(Side::Client),
        PacketType::Initial if !header.token.is_empty() => Some(Side::Client),
        // RFC 9000 §14.1: a client fills all datagrams with Initial packets.
        PacketType::Initial if !seen.cut && seen.payload.len() < CLIENT_INITIAL_DATAGRAM_MIN => {
            Some(Side::Server)
        }
        _ => None,
    }
}

impl Dissector {
    /// Begins a connection with a datagram of its middle, if known secrets open it; finds the
    /// one that has these secrets already.
    pub(super) fn begin_late(
        &mut self,
        seen: &CapturedDatagram<'_>,
        datagram: &[u8],
        tell: &mut dyn FnMut(Observation),
    ) -> Option<ConnectionMatch> {
        let first = *datagram.first()?;
        // The fixed bit may be greased (RFC 9287).
        if !self.key_log.is_searchable() || !self.strangers.may_try(seen) {
            return None;
        }
        let (random, sender, destination_length) = match first & LONG_HEADER {
            0 if seen.cut => None,
            0 => (0..=ConnectionId::LENGTH_MAX)
                .find_map(|length| self.fits(&wire::packets(datagram, length).next()?.ok()?)),
            _ => {
                let mut end = 0;
                wire::packets(datagram, 0)
                    .map_while(Result::ok)
                    .take_while(|packet| {
                        end += packet.bytes.len();
                        end <= seen.payload.len()
                    })
                    .find_map(|packet| self.fits(&packet))
            }
        }?;
        // A client that has moved meanwhile, under a connection ID that was told unseen.
        if let Some(connection) = self.table.of_session(&random) {
            return Some(ConnectionMatch {
                connection,
                sender,
                destination_length,
            });
        }
        if let Some(connection) = self.table.superfluous() {
            self.table.forget(connection);
            tell(Observation::ConnectionRemoved { connection });
        }
        let (side, direction) = match (sender, seen.direction) {
            (Side::Client, Some(Direction::Received)) => (Side::Server, Direction::Received),
            (Side::Client, _) => (Side::Client, Direction::Sent),
            (Side::Server, Some(Direction::Sent)) => (Side::Server, Direction::Sent),
            (Side::Server, _) => (Side::Client, Direction::Received),
        };
        let path = Path::of(sender, seen.source, seen.destination);
        let late = Connection::late(side, random);
        let connection = self.table.insert(late, None, path);
        let (local, remote) = direction.ends(seen.source, seen.destination);
        tell(Observation::ConnectionStarted {
            connection,
            side,
            local,
            remote,
            original_destination: ConnectionId::default(),
        });
        Some(ConnectionMatch {
            connection,
            sender,
            destination_length,
        })
    }

    /// Returns the session that a packet is of, who has sent it, and the length of the connection
    /// ID that it is addressed to.
    fn fits(&self, packet: &Protected<'_>) -> Option<(ClientRandom, Side, usize)> {
        let senders: &[Side] = match packet.header.packet_type {
            PacketType::Handshake | PacketType::OneRtt => &[Side::Client, Side::Server],
            PacketType::ZeroRtt => &[Side::Client],
            _ => return None,
        };
        senders.iter().find_map(|sender| {
            let random = fitting(*sender, packet, &self.key_log)?;
            Some((random, *sender, packet.header.destination.len()))
        })
    }
}

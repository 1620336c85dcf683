//! Connections that began before their capture: nothing names their secrets, but one may try
//! which fit.

use std::{collections::HashMap, net::SocketAddr};

use super::{
    CapturedDatagram, Dissector,
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

/// Pairs of addresses whose datagrams are tried.
const PATHS_MAX: usize = 10_000;

const LONG_HEADER: u8 = 0x80;

/// Datagrams that were tried, by sender and receiver.
pub(super) type Attempts = HashMap<(SocketAddr, SocketAddr), u8>;

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
        if !self.key_log.is_searchable() || !self.may_try(seen) {
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

    /// Counts an attempt; tells whether there were not too many.
    fn may_try(&mut self, seen: &CapturedDatagram<'_>) -> bool {
        let ends = (seen.source, seen.destination);
        if !self.attempts.contains_key(&ends) && self.attempts.len() >= PATHS_MAX {
            return false;
        }
        let attempts = self.attempts.entry(ends).or_default();
        *attempts = attempts.saturating_add(1);
        *attempts <= DATAGRAMS_MAX
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

//! Finds the connection that a datagram belongs to.

use std::collections::{BTreeMap, HashMap};

use crate::{
    DecryptedPacket, Side,
    wire::{ConnectionId, PacketType, Protected},
};

use super::{
    captured_datagram::{CapturedDatagram, TELLING_LENGTH},
    connection::{Connection, PATHS_MAX, Path},
    key_log::ClientRandom,
};

/// Connections that are found by one connection ID; those with short ones may
/// share it, from different addresses.
const HOLDERS_MAX: usize = 8;

/// All connections that are under way.
pub(super) struct Table {
    connections_max: usize,
    begun: u64,
    connections: HashMap<u64, Box<Connection>>,
    /// Connections by when they were last seen.
    idle: BTreeMap<u64, u64>,
    /// Datagrams that were found to belong to a connection.
    found: u64,
    holders: HashMap<ConnectionId, Vec<CidOwner>>,
    /// Number of these connection IDs, by length.
    lengths: [usize; ConnectionId::LENGTH_MAX + 1],
    /// The latest connection on each path.
    paths: HashMap<Path, u64>,
}

/// The side that a connection ID addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CidOwner {
    connection: u64,
    side: Side,
}

/// To what a datagram belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionMatch {
    pub(super) connection: u64,
    pub(super) sender: Side,
    /// Bytes of the connection ID of its short header.
    pub(super) destination_length: usize,
}

impl Table {
    pub(super) fn new(connections_max: usize) -> Self {
        Self {
            connections_max: connections_max.max(1),
            begun: 0,
            connections: HashMap::new(),
            idle: BTreeMap::new(),
            found: 0,
            holders: HashMap::new(),
            lengths: [0; ConnectionId::LENGTH_MAX + 1],
            paths: HashMap::new(),
        }
    }

    pub(super) fn connection(&self, connection: u64) -> Option<&Connection> {
        self.connections.get(&connection).map(|one| &**one)
    }

    pub(super) fn get(&mut self, connection: u64) -> Option<&mut Connection> {
        self.connections.get_mut(&connection).map(|one| &mut **one)
    }

    /// Finds out to what a datagram of these bytes belongs.
    pub(super) fn find(
        &mut self,
        seen: &CapturedDatagram<'_>,
        datagram: &[u8],
    ) -> Option<ConnectionMatch> {
        let long = datagram.first()? & 0x80 != 0;
        let found = match long {
            true => self.find_long(seen, &seen.first_packet(datagram)?)?,
            false => self.find_short(seen)?,
        };
        self.touch(found.connection);
        Some(found)
    }

    fn find_long(
        &mut self,
        seen: &CapturedDatagram<'_>,
        packet: &Protected<'_>,
    ) -> Option<ConnectionMatch> {
        let header = &packet.header;
        let destination_length = header.destination.len();
        if let Some(holder) = self.holder(&header.destination, seen) {
            return Some(ConnectionMatch {
                connection: holder.connection,
                sender: holder.side.other(),
                destination_length,
            });
        }
        let (connection, sender) = self.on_path(seen)?;
        let known = self.connections.get_mut(&connection)?;
        let from_it = header
            .source
            .is_some_and(|source| known.ids(sender).contains(&source));
        let is_its_own = match header.packet_type {
            _ if known.ids(sender.other()).contains(&header.destination) => true,
            // It may as well be the first of another connection.
            PacketType::Initial => from_it && known.open_initial(sender, packet).is_some(),
            _ => from_it,
        };
        is_its_own.then_some(ConnectionMatch {
            connection,
            sender,
            destination_length,
        })
    }

    fn find_short(&self, seen: &CapturedDatagram<'_>) -> Option<ConnectionMatch> {
        for destination_length in (1..self.lengths.len()).rev() {
            if self.lengths[destination_length] == 0 {
                continue;
            }
            let id = seen.payload.get(1..=destination_length);
            let id = id.and_then(ConnectionId::new);
            if let Some(holder) = id.and_then(|id| self.holder(&id, seen)) {
                return Some(ConnectionMatch {
                    connection: holder.connection,
                    sender: holder.side.other(),
                    destination_length,
                });
            }
        }
        // Its connection ID has no bytes, or was told where nobody could read
        // it. An endpoint's usually have the same length; one without bytes
        // stays in use, whatever else was issued (RFC 9000 §5.1.1).
        let (connection, sender) = self.on_path(seen)?;
        let ids = self.connections.get(&connection)?.ids(sender.other());
        let latest = ids.back().filter(|_| !ids.iter().any(|id| id.is_empty()));
        Some(ConnectionMatch {
            connection,
            sender,
            destination_length: latest.map_or(0, |id| id.len()),
        })
    }

    /// Returns whom a connection ID addresses, preferably on the datagram's
    /// path.
    fn holder(&self, id: &ConnectionId, seen: &CapturedDatagram<'_>) -> Option<CidOwner> {
        let holders = self.holders.get(id)?;
        let is_here = |holder: &&CidOwner| {
            let path = Path::of(holder.side.other(), seen.source, seen.destination);
            let connection = self.connections.get(&holder.connection);
            connection.is_some_and(|connection| connection.paths.contains(&path))
        };
        let here = holders.iter().find(is_here);
        let elsewhere = holders.last().filter(|_| id.len() >= TELLING_LENGTH);
        here.or(elsewhere).copied()
    }

    /// Returns the latest connection between the addresses of a datagram, and
    /// which side has sent it.
    fn on_path(&self, seen: &CapturedDatagram<'_>) -> Option<(u64, Side)> {
        [Side::Client, Side::Server].into_iter().find_map(|sender| {
            let path = Path::of(sender, seen.source, seen.destination);
            self.paths.get(&path).map(|number| (*number, sender))
        })
    }

    fn touch(&mut self, number: u64) {
        if let Some(connection) = self.connections.get_mut(&number) {
            self.idle.remove(&connection.seen);
            self.found += 1;
            connection.seen = self.found;
            self.idle.insert(self.found, number);
        }
    }

    /// Returns the connection that has been idle for longest, if there is no
    /// room for another.
    pub(super) fn superfluous(&self) -> Option<u64> {
        match self.connections.len() < self.connections_max {
            true => None,
            false => self.idle.values().next().copied(),
        }
    }

    /// Takes a connection in; `original_destination` is what its client's first datagram, if
    /// that was seen, is addressed to.
    pub(super) fn insert(
        &mut self,
        connection: Connection,
        original_destination: Option<ConnectionId>,
        path: Path,
    ) -> u64 {
        self.begun += 1;
        let number = self.begun;
        self.connections.insert(number, Box::new(connection));
        self.touch(number);
        if let Some(id) = original_destination {
            self.remember(number, Side::Server, id);
        }
        self.note_path(number, path);
        number
    }

    /// Finds the connection of a TLS session.
    pub(super) fn of_session(&self, random: &ClientRandom) -> Option<u64> {
        let mut connections = self.connections.iter();
        let found = connections.find(|(_, one)| one.client_random().as_ref() == Some(random))?;
        Some(*found.0)
    }

    /// Notes what an authentic packet tells.
    pub(super) fn learn(
        &mut self,
        matched: ConnectionMatch,
        seen: &CapturedDatagram<'_>,
        packet: &Protected<'_>,
        opened: &DecryptedPacket,
    ) {
        let ConnectionMatch {
            connection: number,
            sender,
            ..
        } = matched;
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        for (side, id) in connection.learn(sender, packet, opened) {
            self.remember(number, side, id);
        }
        self.note_path(number, Path::of(sender, seen.source, seen.destination));
    }

    /// Remembers a connection ID that addresses a side of a connection.
    pub(super) fn remember(&mut self, number: u64, side: Side, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        if connection.ids(side).contains(&id) {
            return;
        }
        let holder = CidOwner {
            connection: number,
            side,
        };
        if let Some(oldest) = connection.remember(side, id) {
            self.drop_holder(&oldest, holder);
        }
        // One without bytes tells nothing.
        if id.is_empty() {
            return;
        }
        let length = id.len();
        let holders = self.holders.entry(id).or_insert_with(|| {
            self.lengths[length] += 1;
            Vec::new()
        });
        if holders.len() >= HOLDERS_MAX {
            holders.remove(0);
        }
        holders.push(holder);
    }

    fn drop_holder(&mut self, id: &ConnectionId, holder: CidOwner) {
        if let Some(holders) = self.holders.get_mut(id) {
            holders.retain(|one| *one != holder);
            if holders.is_empty() {
                self.holders.remove(id);
                self.lengths[id.len()] -= 1;
            }
        }
    }

    fn note_path(&mut self, number: u64, path: Path) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let known = connection.paths.back() == Some(&path);
        if known && self.paths.get(&path) == Some(&number) {
            return;
        }
        // The path of now stands last.
        connection.paths.retain(|one| *one != path);
        connection.paths.push_back(path);
        let left = match connection.paths.len() > PATHS_MAX {
            true => connection.paths.pop_front(),
            false => None,
        };
        self.paths.insert(path, number);
        if let Some(left) = left {
            self.drop_path(&left, number);
        }
    }

    fn drop_path(&mut self, path: &Path, number: u64) {
        if self.paths.get(path) == Some(&number) {
            self.paths.remove(path);
        }
    }

    /// Forgets a connection.
    pub(super) fn forget(&mut self, number: u64) {
        let Some(connection) = self.connections.remove(&number) else {
            return;
        };
        self.idle.remove(&connection.seen);
        for side in [Side::Client, Side::Server] {
            let holder = CidOwner {
                connection: number,
                side,
            };
            for id in connection.ids(side) {
                self.drop_holder(id, holder);
            }
        }
        for path in &connection.paths {
            self.drop_path(path, number);
        }
    }

    /// Returns how many connections, connection IDs and paths there are.
    #[cfg(test)]
    pub(super) fn known(&self) -> [usize; 3] {
        let (holders, paths) = (self.holders.len(), self.paths.len());
        [self.connections.len(), holders, paths]
    }

    /// Returns all connections, in the order in which they began.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.connections.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }
}

//! One connection, followed from its first packet as a reader will have to.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use super::{
    block::Captured,
    direction::{DirectionKeys, KEY_UPDATES_MAX},
    header, packet, pcapng,
    secret_store::{Entry, LINES_MAX},
};
use crate::{Direction, ObservedDatagram, protection::Secret};

/// Length of the connection IDs that we issue.
pub(super) const OUR_CID_LENGTH: usize = 8;

/// Datagrams and bytes that are kept of how a connection begins.
const BEGINNING_DATAGRAMS_MAX: usize = 24;
const BEGINNING_BYTES_MAX: usize = 24 << 10;

/// Datagrams of each direction that belong to the beginning after its long
/// headers: they bring the connection IDs that are used later.
const BEGINNING_SHORT_MAX: usize = 2;

/// Connection IDs by which a connection is found.
const CIDS_MAX: usize = 16;

/// Packets with which it is tried to find a connection's secrets.
const ATTEMPTS_MAX: usize = 16;

/// Bytes that a connection costs beside its beginning: its keys, its secrets,
/// and a bookmark in each direction.
const COST: usize = LINES_MAX + (4 << 10);
const COST_OF_KEY_UPDATE: usize = 192;

/// The comments of packets that did not pass now. Our own reader knows them by
/// these words: whoever changes them keeps the old ones for it too.
const REPEATED: &str = "repeated: so its connection began; it opens what follows";
const BOOKMARK: &str = "never sent: written here to tell a reader the packet numbers and keys \
                        of what follows";
pub(super) const COMMENTS_OF_REPEATED: [&str; 2] = [REPEATED, BOOKMARK];

/// What the writer of a capture knows of one connection.
pub(super) struct TrackedConnection {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) cids: VecDeque<Vec<u8>>,
    /// When it was heard of last.
    pub(super) last: Duration,
    /// Whether one end has closed it.
    pub(super) closed: bool,
    /// The batch of secrets before which there are none of it.
    pub(super) batch: u64,
    /// The client random of its secrets, once they are known.
    pub(super) random: Option<String>,
    /// Which way the client's packets pass.
    client: Direction,
    remote_cid_length: usize,
    beginning: Vec<(Duration, Vec<u8>)>,
    beginning_bytes: usize,
    lanes: Option<[Lane; 2]>,
    short_headers: [usize; 2],
    attempts: usize,
}

/// The 1-RTT packets that pass in one direction.
struct Lane {
    direction: Direction,
    packets: DirectionKeys,
    last: Duration,
    cid: Vec<u8>,
    /// Whether there were packets that are not of the beginning.
    went_on: bool,
    /// Key updates that the packets of the beginning show.
    updates_shown: u64,
}

impl TrackedConnection {
    /// Begins with a connection's first packet.
    pub(super) fn new(first: &Captured<'_>, batch: u64) -> Self {
        Self {
            local: first.local,
            remote: first.remote,
            cids: VecDeque::new(),
            last: first.at,
            closed: false,
            batch,
            random: None,
            client: first.direction,
            remote_cid_length: 0,
            beginning: Vec::new(),
            beginning_bytes: 0,
            lanes: None,
            short_headers: [0; 2],
            attempts: 0,
        }
    }

    /// Returns about how many bytes it costs, here and in the next file.
    pub(super) fn cost(&self) -> usize {
        let updates = self
            .lanes
            .iter()
            .flatten()
            .map(|lane| lane.packets.updates());
        COST + self.beginning_bytes + updates.sum::<u64>() as usize * COST_OF_KEY_UPDATE
    }

    /// Tells whether it has become too much to follow.
    pub(super) fn is_beyond_limits(&self) -> bool {
        let mut lanes = self.lanes.iter().flatten();
        lanes.any(|lane| lane.packets.updates() > KEY_UPDATES_MAX)
    }

    /// Adds a connection ID; returns one that was given up for it, if any.
    pub(super) fn add_cid(&mut self, cid: &[u8]) -> Option<Vec<u8>> {
        self.cids.push_back(cid.to_vec());
        let too_many = self.cids.len() > CIDS_MAX;
        too_many.then(|| self.cids.pop_front()).flatten()
    }

    /// Learns of a datagram that begins with a long header.
    pub(super) fn see_long(&mut self, captured: &Captured<'_>, source: &[u8], block: &[u8]) {
        self.last = captured.at;
        if captured.direction == Direction::Received {
            self.remote_cid_length = source.len();
        }
        self.keep(captured, block);
    }

    /// Learns of a datagram that has a short header; tells whether it has
    /// proved to be of this connection.
    pub(super) fn see_short(&mut self, captured: &Captured<'_>, block: &[u8]) -> bool {
        let length = self.cid_length(captured.direction);
        let seen = &mut self.short_headers[captured.direction as usize];
        *seen += 1;
        let mut went_on = *seen > BEGINNING_SHORT_MAX;
        if !went_on {
            went_on = !self.keep(captured, block);
        }
        let Some(lanes) = &mut self.lanes else {
            self.last = captured.at;
            return false;
        };
        let lane = &mut lanes[captured.direction as usize];
        let Some(frames) = lane.packets.open(captured.payload, length) else {
            return false;
        };
        lane.last = captured.at;
        lane.cid = captured.payload[1..=length].to_vec();
        lane.went_on |= went_on;
        if !went_on {
            lane.updates_shown = lane.packets.updates();
        }
        self.last = captured.at;
        self.closed |= header::closes(&frames);
        true
    }

    /// Tells whether its secrets are still to be found.
    pub(super) fn wants_secrets(&mut self) -> bool {
        self.attempts += usize::from(self.lanes.is_none());
        self.lanes.is_none() && self.attempts <= ATTEMPTS_MAX
    }

    /// Takes secrets as its own, if they open one of its packets.
    pub(super) fn try_secrets(
        &mut self,
        captured: &Captured<'_>,
        random: &str,
        secrets: &Entry,
    ) -> bool {
        let (Some(client), Some(server)) = (&secrets.client, &secrets.server) else {
            return false;
        };
        let (came, went) = match self.client {
            Direction::Received => (client, server),
            Direction::Sent => (server, client),
        };
        let length = self.cid_length(captured.direction);
        let secret = match captured.direction {
            Direction::Received => came,
            Direction::Sent => went,
        };
        for suite in secret.suites() {
            let opened = DirectionKeys::new(*suite, secret).open(captured.payload, length);
            if opened.is_some() {
                let lane = |direction, secret: &Secret| Lane {
                    direction,
                    packets: DirectionKeys::new(*suite, secret),
                    last: captured.at,
                    cid: Vec::new(),
                    went_on: false,
                    updates_shown: 0,
                };
                self.lanes = Some([lane(Direction::Received, came), lane(Direction::Sent, went)]);
                self.random = Some(random.to_owned());
                return true;
            }
        }
        false
    }

    /// Appends, with their stamps, the blocks that bring a reader to now.
    pub(super) fn repeat(&self, out: &mut Vec<(Duration, Vec<u8>)>) {
        out.extend(self.beginning.iter().cloned());
        for lane in self.lanes.iter().flatten().filter(|lane| lane.went_on) {
            for payload in lane.packets.bookmarks(&lane.cid, lane.updates_shown) {
                let passing = ObservedDatagram {
                    at: lane.last,
                    direction: lane.direction,
                    local: self.local,
                    remote: self.remote,
                    ecn: 0,
                    contents: &payload,
                    segment_size: None,
                };
                let mut block = Vec::new();
                pcapng::packet(
                    &mut block,
                    lane.last,
                    lane.direction,
                    Some(BOOKMARK),
                    |out| packet::write(out, &passing, &payload),
                );
                out.push((lane.last, block));
            }
        }
    }

    fn cid_length(&self, direction: Direction) -> usize {
        match direction {
            Direction::Received => OUR_CID_LENGTH,
            Direction::Sent => self.remote_cid_length,
        }
    }

    /// Keeps a datagram of the beginning, if there is room.
    fn keep(&mut self, captured: &Captured<'_>, block: &[u8]) -> bool {
        if self.beginning.len() == BEGINNING_DATAGRAMS_MAX
            || self.beginning_bytes + block.len() > BEGINNING_BYTES_MAX
        {
            return false;
        }
        let block = pcapng::with_comment(block, REPEATED);
        self.beginning_bytes += block.len();
        self.beginning.push((captured.at, block));
        true
    }
}

//! One connection as the next file of a capture has to repeat it.

use std::{net::SocketAddr, time::Duration};

use super::{packet, pcapng, reader::Captured};
use crate::{
    DecodedPacket, Direction, ObservedDatagram,
    dissect::LINES_MAX,
    wire::{self, ConnectionId, Frame, PacketType},
};

/// RFC 8999 §5.1
const LONG_HEADER: u8 = 0x80;

/// Key updates of one direction that are followed; a reader has to be shown
/// each of them.
const KEY_UPDATES_MAX: u64 = 64;

/// Datagrams and bytes that are kept of how a connection begins.
const BEGINNING_DATAGRAMS_MAX: usize = 24;
const BEGINNING_BYTES_MAX: usize = 24 << 10;

/// Datagrams of each direction that belong to the beginning after its long
/// headers: they bring the connection IDs that are used later.
const BEGINNING_SHORT_MAX: usize = 2;

/// Bytes that a connection costs beside its beginning: its keys, its secrets,
/// and a synthetic packet in each direction.
const COST: usize = LINES_MAX + (5 << 10);
const COST_OF_KEY_UPDATE: usize = 192;

/// The beginning of a connection, and where each direction stands now.
pub(super) struct TrackedConnection {
    local: SocketAddr,
    remote: SocketAddr,
    /// Time of its last packet.
    pub(super) last: Duration,
    /// Whether one end has closed it.
    pub(super) closed: bool,
    /// Whether a datagram of 1-RTT packets has been opened.
    pub(super) established: bool,
    beginning: Vec<(Duration, Vec<u8>)>,
    beginning_bytes: usize,
    directions: [OneRtt; 2],
}

/// The datagrams with short headers and the 1-RTT packets of one direction.
#[derive(Default)]
struct OneRtt {
    short_headers: usize,
    /// Time and destination of the last packet.
    last: Duration,
    destination: ConnectionId,
    /// Whether there were packets that are not of the beginning.
    went_on: bool,
    updates: u64,
    /// Key updates that the packets of the beginning show.
    updates_shown: u64,
}

impl TrackedConnection {
    /// Begins with a connection's first datagram.
    pub(super) fn new(first: &Captured, direction: Direction) -> Self {
        let (local, remote) = direction.ends(first.source, first.destination);
        Self {
            local,
            remote,
            last: first.at,
            closed: false,
            established: false,
            beginning: Vec::new(),
            beginning_bytes: 0,
            directions: Default::default(),
        }
    }

    /// Returns about how many bytes it costs, here and in the next file.
    pub(super) fn cost(&self) -> usize {
        let updates: u64 = self.directions.iter().map(|one| one.updates).sum();
        COST + self.beginning_bytes + updates as usize * COST_OF_KEY_UPDATE
    }

    /// Tells whether it has become too much to follow.
    pub(super) fn is_beyond_limits(&self) -> bool {
        let mut directions = self.directions.iter();
        directions.any(|direction| direction.updates > KEY_UPDATES_MAX)
    }

    /// Learns of a datagram with these packets.
    pub(super) fn see(
        &mut self,
        captured: &Captured,
        way: Direction,
        block: &[u8],
        packets: &[DecodedPacket],
    ) {
        let direction = &mut self.directions[way as usize];
        let is_short = captured
            .payload
            .first()
            .is_some_and(|first| first & LONG_HEADER == 0);
        direction.short_headers += usize::from(is_short);
        let begins = !is_short || direction.short_headers <= BEGINNING_SHORT_MAX;
        let kept = begins && self.keep(captured, block);
        let direction = &mut self.directions[way as usize];
        let mut proved = false;
        for packet in packets {
            let (Some(header), Some(opened)) = (&packet.header, &packet.decrypted) else {
                continue;
            };
            proved = true;
            if header.packet_type != PacketType::OneRtt {
                continue;
            }
            // A server's first flight may end in one, beside packets with long headers.
            self.established |= is_short;
            self.closed |= closes(&opened.payload);
            direction.last = captured.at;
            direction.destination = header.destination;
            direction.went_on |= !kept;
            direction.updates = direction.updates.max(opened.generation);
            if kept {
                direction.updates_shown = direction.updates;
            }
        }
        if proved {
            (self.local, self.remote) = way.ends(captured.source, captured.destination);
        }
        if proved || !is_short || !self.established {
            self.last = captured.at;
        }
    }

    /// Appends, with their stamps, the blocks that bring a reader to now.
    /// `synthetic_packets` makes packets of a direction, to a destination,
    /// for a reader that knows so many key updates.
    pub(super) fn repeat(
        &self,
        synthetic_packets: impl Fn(Direction, &ConnectionId, u64) -> Vec<Vec<u8>>,
        out: &mut Vec<(Duration, Vec<u8>)>,
    ) {
        out.extend(self.beginning.iter().cloned());
        for way in [Direction::Received, Direction::Sent] {
            let direction = &self.directions[way as usize];
            if !direction.went_on {
                continue;
            }
            for payload in synthetic_packets(way, &direction.destination, direction.updates_shown) {
                let passing = ObservedDatagram {
                    at: direction.last,
                    direction: way,
                    local: self.local,
                    remote: self.remote,
                    ecn: 0,
                    contents: &payload,
                    segment_size: None,
                };
                let mut block = Vec::new();
                pcapng::packet(
                    &mut block,
                    passing.at,
                    way,
                    Some(pcapng::SYNTHETIC),
                    |out| packet::write(out, &passing, &payload),
                );
                out.push((passing.at, block));
            }
        }
    }

    /// Keeps a datagram of the beginning, if there is room.
    fn keep(&mut self, captured: &Captured, block: &[u8]) -> bool {
        if self.beginning.len() == BEGINNING_DATAGRAMS_MAX
            || self.beginning_bytes + block.len() > BEGINNING_BYTES_MAX
        {
            return false;
        }
        let block = pcapng::with_comment(block, pcapng::REPEATED);
        self.beginning_bytes += block.len();
        self.beginning.push((captured.at, block));
        true
    }

    #[cfg(test)]
    pub(super) fn remote(&self) -> SocketAddr {
        self.remote
    }
}

/// Tells whether a packet closes its connection.
pub(super) fn closes(frames: &[u8]) -> bool {
    let mut frames = wire::frames(frames).map_while(Result::ok);
    frames.any(|frame| matches!(frame, Frame::ConnectionClose { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_is_seen_alone_and_after_acknowledgements() {
        let acknowledgement = [2, 0x40, 9, 0, 1, 0, 0, 0];
        let with_ecn = [3, 9, 0, 0, 0, 1, 2, 3];
        let close = [0x1d, 0, 0];
        for before in [&[][..], &acknowledgement, &with_ecn, &[0, 1, 0]] {
            assert!(closes(&[before, &close].concat()));
            assert!(!closes(before));
            assert!(
                !closes(&[before, &[0x08, 0x1d]].concat()),
                "a stream's data"
            );
        }
        assert!(!closes(&[
            2, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
        ]));
    }
}

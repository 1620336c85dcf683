//! The workloads that are measured.

use crate::callers::Way;

/// Messages that come back over connections.
#[derive(Debug)]
pub(crate) struct Workload {
    /// Its name on the command line and in the table.
    pub(crate) name: &'static str,
    pub(crate) way: Way,
    /// Bytes of a message.
    pub(crate) length: usize,
    /// Connections that are open.
    pub(crate) open: usize,
    /// Those of them that send a message in each round.
    pub(crate) active: usize,
    /// Rounds before what is measured: all streams are open by then, windows and
    /// buffers have grown.
    pub(crate) warm_up: usize,
    /// Rounds of one measurement.
    pub(crate) rounds: usize,
}

/// All of them. What is told apart by one property differs in nothing else.
pub(crate) const WORKLOADS: &[Workload] = &[
    Workload::small("stream", Way::Streams(1)),
    Workload::small("datagram", Way::Datagram),
    Workload::small("stream-per-message", Way::StreamPerMessage),
    Workload {
        warm_up: 3_000,
        ..Workload::small("1000-streams", Way::Streams(1_000))
    },
    Workload::batch("64-connections", 64),
    Workload::batch("64-of-1000-connections", 1_000),
    Workload::batch("64-of-10000-connections", 10_000),
    Workload {
        length: 64 * 1_024,
        rounds: 100,
        ..Workload::small("64-kib", Way::Streams(1))
    },
    Workload {
        open: 0,
        rounds: 200,
        ..Workload::small("handshake", Way::Handshake)
    },
];

impl Workload {
    /// Messages of 64 bytes on one connection.
    const fn small(name: &'static str, way: Way) -> Self {
        Self {
            name,
            way,
            length: 64,
            open: 1,
            active: 1,
            warm_up: 200,
            rounds: 2_000,
        }
    }

    /// A message on each of 64 connections, of so many.
    const fn batch(name: &'static str, open: usize) -> Self {
        Self {
            open,
            active: 64,
            warm_up: 20,
            rounds: 100,
            ..Self::small(name, Way::Streams(1))
        }
    }

    /// Returns the messages of one measurement.
    pub(crate) fn messages(&self) -> usize {
        self.rounds * self.active
    }
}

//! Counts of a relay.

use crate::link::Counts;

/// Counts of a relay, from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Datagrams of the clients.
    pub up: DirectionReport,
    /// Datagrams of the server.
    pub down: DirectionReport,
    /// Clients that were served.
    pub flows: u64,
    /// Clients that made room for others, since there were
    /// [`FLOWS_MAX`](super::FLOWS_MAX).
    pub replaced: u64,
    /// Datagrams that were refused, for there were
    /// [`FLOWS_MAX`](super::FLOWS_MAX) other clients that had just been heard.
    pub refused: u64,
    /// Sockets towards the server that the system did not give; those clients
    /// begin anew.
    pub sockets_failed: u64,
    /// Times that a client got a new port towards the server.
    pub rebinds: u64,
    /// Datagrams towards the server's side that were not the server's, and
    /// were dropped.
    pub strays: u64,
}

/// Counts of the datagrams of one direction.
///
/// `counts.arriving()` of them come out of the modelled path:
/// `delivered + overflowed + unsent + under_way`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectionReport {
    /// Counts of the modelled path.
    pub counts: Counts,
    /// Bytes of UDP payload that came.
    pub bytes_received: u64,
    /// Datagrams sent on, copies included.
    pub delivered: u64,
    /// Bytes of UDP payload sent on, copies included.
    pub bytes_delivered: u64,
    /// Dropped because [`QUEUE_BYTES_MAX`](super::QUEUE_BYTES_MAX) were on
    /// their way.
    pub overflowed: u64,
    /// Dropped because the system did not take them.
    pub unsent: u64,
    /// Still on their way at the end.
    pub under_way: u64,
}

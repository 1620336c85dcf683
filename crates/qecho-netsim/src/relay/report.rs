//! What a relay has done.

use crate::link::Counts;

/// Counts of a relay's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What became of the clients' datagrams.
    pub up: DirectionReport,
    /// What became of the server's datagrams.
    pub down: DirectionReport,
    /// Clients that were served.
    pub flows: u64,
    /// Datagrams that were refused, for there were
    /// [`FLOWS_MAX`](super::FLOWS_MAX) other clients.
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

/// What became of the datagrams of one direction.
///
/// `counts.arriving()` of them come out of the modelled path:
/// `delivered + overflowed + unsent + under_way`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionReport {
    /// What the modelled path did.
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

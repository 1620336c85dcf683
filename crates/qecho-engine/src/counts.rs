//! Counts of a shard that no connection keeps.

/// Counts of a shard since its start, of what happens beside its connections. Nothing that is done
/// for every packet is counted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardCounts {
    /// Clients that were let in, so that their handshake began.
    pub accepted: u64,
    /// Clients that were sent a Retry packet (RFC 9000 §8.1.2).
    pub retries: u64,
    /// Received datagrams that were dropped unread: no peer has a reason to send so much at once.
    pub oversized: u64,
    /// Received datagrams that belong to no connection and begin none: late ones, those of other
    /// versions, and what is no QUIC; answered or not.
    pub unclaimed: u64,
}

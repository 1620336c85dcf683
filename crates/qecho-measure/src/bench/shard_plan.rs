//! One shard's part of a load.

use std::{net::SocketAddr, time::Duration};

use qecho_engine::Connector;

/// One shard's part of a load.
#[derive(Clone, Debug)]
pub struct ShardPlan {
    /// The server's address.
    pub remote: SocketAddr,
    /// TLS as a client.
    pub connector: Connector,
    /// Sockets of the shard, all of the address's family.
    pub sockets: usize,
    /// Number of the shard, from 0.
    pub number: usize,
    /// Length of the intervals that are reported.
    pub interval: Duration,
}

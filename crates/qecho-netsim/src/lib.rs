//! A bad network, by a seed.
//!
//! [`link`] says what becomes of each datagram on a path: loss, delay, rate and queue,
//! reordering, duplication, corruption. [`simulation`] puts such a path between two shards on
//! virtual time; [`relay`] puts it between real programs on real sockets.

pub mod link;
pub mod relay;
pub mod simulation;

//! Ping and bench on virtual time, over bad networks.

mod bench;
mod bench_server;
mod disappointing;
mod pinging;
mod probing;
mod responses;

//! The echo server and clients on virtual time, over bad networks.

mod admission;
mod bench;
mod bench_server;
mod datagrams;
mod determinism;
mod dialing;
mod disappointing;
mod dissecting;
mod draining;
mod early;
mod echo;
mod flow_control;
mod hanging_up;
mod messages;
mod pinging;
mod protocol;
mod responses;
mod talk;
mod tracing;
mod watching;

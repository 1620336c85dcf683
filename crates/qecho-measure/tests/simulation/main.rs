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
#[path = "../../../qecho-engine/tests/hostile/failing_seed.rs"]
mod failing_seed;
mod flow_control;
mod hanging_up;
#[path = "../../../qecho-engine/tests/hostile/identity.rs"]
mod identity;
mod load;
mod messages;
mod pinging;
mod protocol;
mod responses;
mod scenario;
mod stream;
mod talk;
mod tracing;
mod watching;

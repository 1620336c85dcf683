//! The echo server and clients on virtual time, over bad networks.

mod admission;
mod datagrams;
mod determinism;
mod dialing;
mod draining;
mod echo;
mod flow_control;
#[path = "../../../qecho-engine/tests/hostile/identity.rs"]
mod identity;
mod load;
mod messages;
mod protocol;
mod scenario;
mod stream;
mod talk;

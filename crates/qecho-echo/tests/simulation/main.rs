//! The echo server and clients on virtual time, over bad networks.

mod admission;
mod blocked;
mod datagrams;
mod determinism;
mod dialing;
mod dissecting;
mod draining;
mod early;
mod echo;
mod flow_control;
mod hanging_up;
mod messages;
mod protocol;
mod silent;
mod stopping;
mod talk;
mod tracing;
mod waiting;
mod watching;

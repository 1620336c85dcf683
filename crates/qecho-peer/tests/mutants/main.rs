//! The well-behaved peer refuses each wrong thing, and a mutant takes one of them or does one
//! wrong thing itself.

#![expect(clippy::unwrap_used, reason = "tests")]

mod client_faults;
mod client_rules;
mod ends;
mod engine;
mod faults;
mod parameters;
mod server_frames;
mod server_packets;
mod stateless;
mod steadiness;

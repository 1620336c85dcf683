//! Probes of other QUIC endpoints: what to ask a peer, and what to think of its answer.
//!
//! [`conform`] judges whether a server or client keeps what the RFCs demand, requirement by
//! requirement. It has no clock and no socket: whoever runs it brings them, as [`remote`] does for
//! servers on the network, and [`visiting`] for clients that come to a port.

pub mod captured;
pub mod conform;
pub mod doctor;
pub mod page;
pub mod remote;
pub mod visiting;

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

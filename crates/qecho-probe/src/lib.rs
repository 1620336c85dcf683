//! Probes of other QUIC endpoints: what to ask a peer, and what to think of its answer.
//!
//! [`conform`] judges whether a server or client keeps what the RFCs demand, requirement by
//! requirement. Nothing here has a clock or a socket: whoever runs it brings them.

pub mod conform;

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! How long answers take, and how much there can be: ping, bench and their reports.
//!
//! Each has the same three rooms: `config` says what is wanted, its application does it on a
//! [`qecho_engine::Shard`], and `report` says what came of it. [`beside`] is the server's
//! half of the baselines against which QUIC is measured. Nothing here prints; a program
//! decides what to show.

pub mod bench;
pub mod beside;
pub mod ping;
mod tcp;

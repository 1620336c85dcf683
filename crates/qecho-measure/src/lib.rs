//! How long answers take, and how much there can be: ping, bench and their reports.
//!
//! Each has the same three rooms: `config` says what is wanted, its application does it on a
//! [`qecho_engine::Shard`], and `report` says what came of it. [`baseline_servers`] is the server's
//! half of the baselines against which QUIC is measured. Nothing here prints; a program
//! decides what to show.
//!
//! A load on a server:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use qecho_echo::dial::Target;
//! use qecho_measure::bench::{Bench, Config};
//! use rustls::client::danger::ServerCertVerifier;
//!
//! /// Puts load on `target`, whose certificate `verifier` knows, for ten seconds.
//! fn load(
//!     target: Target,
//!     verifier: Arc<dyn ServerCertVerifier>,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let report = Bench::new(Config::new(target, verifier)).run(&mut |_| {})?;
//!     println!("{} messages came back, the slowest: {:?}", report.messages, report.latency);
//!     Ok(())
//! }
//! ```

pub mod baseline_servers;
pub mod bench;
mod latency;
pub mod ping;
mod tcp;

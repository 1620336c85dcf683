//! Measures how long answers take over QUIC, and how much there can be.
//!
//! - [`ping`] sends small messages again and again, and reports the time of each answer.
//! - [`bench`](mod@bench) puts load on a server, as fast as it answers or at a rate, and
//!   reports its throughput and the percentiles of its echo times.
//! - [`baseline_servers`] echo over TCP and bare UDP, so that a load can compare QUIC with them.
//!
//! Each is configured by a `Config`, runs as the application of a
//! [`Shard`](qecho_engine::Shard), and ends with a `Report`. Nothing here prints. Times count
//! from the instant at which a message was to be sent, so that a sender that was held up does
//! not look fast.
//!
//! A load on a server, for ten seconds:
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//!
//! use qecho_echo::dial::Target;
//! use qecho_measure::bench::{Arrival, Bench, Config, Goal};
//! use rustls::client::danger::ServerCertVerifier;
//!
//! fn load(
//!     target: Target,
//!     verifier: Arc<dyn ServerCertVerifier>,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut config = Config::new(target, verifier);
//!     config.goal = Goal::Duration(Duration::from_secs(10));
//!     // An open loop: answers that are late do not delay the next message.
//!     config.arrival = Arrival::Constant(1_000.0);
//!     let report = Bench::new(config).run(&mut |_| {})?;
//!     let p99_us = report.latency.p99_us.unwrap_or_default();
//!     println!("{} messages came back, 99 % within {p99_us} µs", report.messages);
//!     Ok(())
//! }
//! ```
//!
//! Five pings of a host, each shown as it is answered:
//!
//! ```no_run
//! use qecho_measure::ping::{Config, Destination, Ping, PingEvent};
//!
//! fn ping(host: Destination) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut config = Config::new(vec![host]);
//!     config.count = Some(5);
//!     let ping = Ping::start(
//!         &config,
//!         Box::new(|_host, event| match event {
//!             PingEvent::Reply(reply) => println!("{}: {:?}", reply.sequence, reply.time),
//!             PingEvent::Ended(report) => println!("{:?}", report.times.summary()),
//!             _ => {}
//!         }),
//!     )?;
//!     Ok(ping.wait()?)
//! }
//! ```

pub mod baseline_servers;
pub mod bench;
mod latency;
pub mod ping;
mod tcp;

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

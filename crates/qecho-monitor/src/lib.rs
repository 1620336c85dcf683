//! Metrics and health of a running echo server, for those who operate it.
//!
//! A [`Monitor`] asks the server's shards what they have counted, when somebody wants to know, and
//! never otherwise, ten times a second at most: who watches costs nothing while nobody looks. [`Monitor::serve`] answers over
//! plain HTTP/1.1: `/metrics` in the text formats of OpenMetrics and Prometheus, `/healthz` and
//! `/readyz`. [`service_manager`] tells systemd, or what speaks its protocol, that the server
//! listens, reloads, stops and lives.
//!
//! A program with an echo server of its own, and metrics on port 9433 of localhost:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use qecho_echo::server::{self, Echo};
//! use qecho_engine::rustls::server::ResolvesServerCert;
//! use qecho_io::Listen;
//! use qecho_monitor::{Limits, Monitor, MonitorSockets, PORT};
//!
//! /// Echoes with the certificate of `identity`, which is good until `expires`.
//! fn serve(
//!     identity: Arc<dyn ResolvesServerCert>,
//!     expires: i64,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let sockets = MonitorSockets::bind(Listen::Loopback { port: PORT })?;
//!     let echo = Echo::default();
//!     let server = server::config(identity).start(|_shard| echo.clone())?;
//!     let monitor = Monitor::new(&server, Limits::default(), move || expires);
//!     monitor.serve(sockets)?;
//!     server.wait()?;
//!     Ok(())
//! }
//! ```

mod bind;
mod clock;
mod http;
mod metrics;
mod monitor;
mod process;
mod rounds;
pub mod service_manager;
#[cfg(test)]
mod testing;

pub use self::{
    bind::MonitorSockets,
    http::{HEAD_MAX, HEADERS_MAX, HTTP_CONNECTIONS_MAX, HTTP_PATIENCE},
    monitor::{Limits, Monitor, Reload, SHARD_PATIENCE},
};

/// The TCP port of metrics and health, unless another is named.
pub const PORT: u16 = 9433;

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! How a running echo server is watched by those who operate it.
//!
//! A [`Monitor`] asks the server's shards what they have counted, when somebody wants to know, and
//! never otherwise: what watches costs nothing while nobody looks. [`Monitor::serve`] answers over
//! plain HTTP/1.1: `/metrics` in the text formats of OpenMetrics and Prometheus, `/healthz` and
//! `/readyz`. [`service_manager`] tells systemd, or what speaks its protocol, that the server
//! listens, reloads, stops and lives.

mod bind;
mod http;
mod metrics;
mod monitor;
mod process;
pub mod service_manager;

pub use self::{
    bind::{BindError, MonitorSockets},
    http::{HEAD_MAX, HEADERS_MAX, HTTP_CONNECTIONS_MAX, HTTP_PATIENCE},
    monitor::{Limits, Monitor, Reload, SHARD_PATIENCE},
};

/// The TCP port of metrics and health, unless another is named.
pub const PORT: u16 = 9433;

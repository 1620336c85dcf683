//! How QUIC packets move.
//!
//! The [`Shard`] is the heart: a sans-IO value that takes the time, datagrams
//! and randomness as arguments and gives back datagrams, a deadline and events.
//! An [`Application`] says what to do with the events: `qecho`'s echo server,
//! client and every other tool are applications. The event loop of `qecho-io`
//! drives a shard on real sockets and is the only place that reads the clock;
//! `qecho-netsim` drives the same shard on virtual time. A [`Forwarder`] moves datagrams
//! without looking into them.
//!
//! This crate is the only one that names the QUIC state machine beneath
//! (quinn-proto), which its public API does not show, and it knows nothing of echo. TLS is
//! [`rustls`], whose types are in the public API ([`ServerTls`], [`ClientTls`],
//! [`Handshake`]): it is re-exported, for the version that fits.
//!
//! An [`Application`] is what a program does with streams; this one answers each by its length:
//!
//! ```
//! use qecho_engine::{Application, Connection, ShardContext, Event, ReadEnd};
//!
//! struct Lengths;
//!
//! impl Application for Lengths {
//!     type State = u64;
//!     type Command = ();
//!
//!     fn accept(&mut self, _: &mut Connection<'_>) -> u64 {
//!         0
//!     }
//!
//!     fn handle_event(&mut self, connection: &mut Connection<'_>, length: &mut u64, event: Event) {
//!         let (Event::Opened(id) | Event::Readable(id)) = event else {
//!             return;
//!         };
//!         loop {
//!             let read = connection.read(id, 64 * 1024);
//!             *length += read.data.len() as u64;
//!             match read.end {
//!                 ReadEnd::More => continue,
//!                 ReadEnd::Fin => {
//!                     connection.write(id, length.to_string().into());
//!                     return connection.finish(id);
//!                 }
//!                 _ => return,
//!             }
//!         }
//!     }
//!
//!     fn handle_command(&mut self, _: &mut ShardContext<'_, u64>, (): ()) {}
//! }
//! ```

mod application;
pub mod config;
mod congestion;
mod connection;
mod connection_id;
mod connection_limits;
mod context;
mod counts;
mod crypto;
mod datagram;
mod event;
mod forwarder;
mod handshake;
pub mod limits;
mod proto;
mod secrets;
mod server_shared;
mod shard;
mod state;
mod steering;
mod used_tokens;
mod write_size;

pub use application::{Application, RejectReason};
pub use connection::{
    Connection, ConnectionKey, Read, ReadEnd, SendDatagramError, Traffic, Written,
};
pub use connection_limits::Refusal;
pub use context::{ConnectError, ConnectTo, ShardContext};
pub use counts::ShardCounts;
pub use crypto::{AlpnPolicy, ClientTls, Connector, ServerTls, TlsError};
pub use datagram::{Datagram, Received};
pub use event::Event;
pub use forwarder::{Forwarder, ForwarderOutput};
pub use handshake::{EarlyData, Handshake};
// What the engine's own speak of, so that who embeds it needs no other crate.
pub use qecho_packet::{
    CloseReason, DatagramObserver, Dir, Direction, Observation, ObservedDatagram, Side, StreamId,
    TransportParameters,
};
pub use rustls;
pub use secrets::Secrets;
pub use server_shared::ServerShared;
pub use shard::{Output, Shard};
pub use state::{RouteMtu, StrayDatagram};
pub use steering::{Multipliers, Steering};

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

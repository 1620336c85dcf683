//! The echo protocol over bare QUIC, and both its ends.
//!
//! Every byte of a bidirectional stream comes back on the same stream, in order; FIN is
//! answered by FIN after the last byte, RESET_STREAM and STOP_SENDING by the same code. The
//! echo of the client's unidirectional stream 4n+2 is the server's 4n+3. A DATAGRAM frame
//! (RFC 9221) comes back whole or not at all. The application protocol is `echo`
//! ([`ALPN_ECHO`]), or none.
//!
//! [`server`] echoes: [`server::Echo`] is the application that a [`qecho_io::Server`] runs on its
//! shards, and its file, `server/echo.rs`, is where the bytes are written back. [`client`] sends
//! and compares, [`dial`] connects to a name that has several addresses.
//! Nothing here prints; a program decides what to show.
//!
//! A server with a thread for each of its shards:
//!
//! ```no_run
//! use std::{num::NonZeroUsize, sync::Arc};
//!
//! use qecho_echo::server::{self, Echo, Report};
//! use rustls::server::ResolvesServerCert;
//!
//! /// Echoes until somebody ends it, with the certificate of `identity`.
//! fn serve(identity: Arc<dyn ResolvesServerCert>) -> Result<(), Box<dyn std::error::Error>> {
//!     let shards = NonZeroUsize::new(2).expect("not zero");
//!     let echo = Echo::default();
//!     let server = server::config(identity)
//!         .with_shards(shards)
//!         .start(|_shard| echo.clone())?;
//!     println!("echoing on {:?}", server.addresses());
//!     let report: Report = server.wait()?.into_iter().map(Echo::into_report).sum();
//!     println!("{} bytes came back", report.bytes_echoed);
//!     Ok(())
//! }
//! ```

pub mod client;
pub mod dial;
pub mod server;

use qecho_engine::{Dir, Side, StreamId};

/// The application protocol name of echo (RFC 7301).
pub const ALPN_ECHO: &[u8] = b"echo";

/// The UDP port of echo, unless another is named.
pub const PORT: u16 = 4433;

/// Bytes of UDP payload that every Ethernet carries, with IPv6 too. A search for
/// paths that carry more costs time that short connections do not get back.
pub const UDP_PAYLOAD_USUAL: u16 = 1_452;

/// Bytes of a stream that are handled as one piece.
pub const COALESCE_MAX: usize = 64 * 1024;

/// Returns the stream that carries the echo of `id`.
pub fn reply(id: StreamId) -> StreamId {
    match id.direction() {
        Dir::Bidirectional => id,
        Dir::Unidirectional => StreamId::new(Side::Server, Dir::Unidirectional, id.index()),
    }
}

/// Returns the stream whose echo `reply` carries.
pub fn answered(reply: StreamId) -> StreamId {
    match reply.direction() {
        Dir::Bidirectional => reply,
        Dir::Unidirectional => StreamId::new(Side::Client, Dir::Unidirectional, reply.index()),
    }
}

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

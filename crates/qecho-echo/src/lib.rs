//! The echo protocol over bare QUIC, and both its ends.
//!
//! Every byte of a bidirectional stream comes back on the same stream, in order; FIN is
//! answered by FIN after the last byte, RESET_STREAM and STOP_SENDING by the same code. The
//! echo of the client's unidirectional stream 4n+2 is the server's 4n+3. A DATAGRAM frame
//! (RFC 9221) comes back whole or not at all. The application protocol is `echo`
//! ([`ALPN_ECHO`]), or none.
//!
//! [`server`] echoes: [`server::Echo`] is what it does on a shard, and its file,
//! `server/echo.rs`, is where the bytes are written back. [`client`] sends and compares,
//! [`dial`] finds a connection to a name that has several addresses.
//! Nothing here prints; a program decides what to show.
//!
//! A server of its own port, on a thread for each of its shards:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use qecho_echo::server::{Config, Server};
//! use rustls::server::ResolvesServerCert;
//!
//! /// Echoes until somebody ends it, as who `identity` says.
//! fn serve(identity: Arc<dyn ResolvesServerCert>) -> Result<(), Box<dyn std::error::Error>> {
//!     let server = Server::start(&Config::new(identity), None)?;
//!     println!("echoing on {:?}", server.addresses());
//!     println!("{} bytes came back", server.wait()?.bytes_echoed);
//!     Ok(())
//! }
//! ```

pub mod client;
pub mod dial;
pub mod server;

/// The application protocol name of echo (RFC 7301).
pub const ALPN_ECHO: &[u8] = b"echo";

/// The UDP port of echo, unless another is named.
pub const PORT: u16 = 4433;

/// Bytes of UDP payload that every Ethernet carries, with IPv6 too. A search for
/// paths that carry more costs time that short connections do not get back.
pub const UDP_PAYLOAD_USUAL: u16 = 1_452;

/// Bytes of a stream that are handled as one piece.
pub const COALESCE_MAX: usize = 64 * 1024;

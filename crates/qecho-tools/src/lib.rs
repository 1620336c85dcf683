//! What each qecho tool does.
//!
//! Every tool has the same three rooms: `config` says what is wanted, its
//! application does it on a [`qecho_engine::Shard`], and `report` says what came
//! of it. Nothing here prints; a program decides what to show.

pub mod bench;
pub mod client;
pub mod dial;
pub mod ping;
pub mod server;
mod tcp;

/// The application protocol name of echo (RFC 7301).
pub const ALPN_ECHO: &[u8] = b"echo";

/// The UDP port of echo, unless another is named.
pub const PORT: u16 = 4433;

/// Bytes of UDP payload that every Ethernet carries, with IPv6 too. A search for
/// paths that carry more costs time that short connections do not get back.
pub const UDP_PAYLOAD_USUAL: u16 = 1_452;

/// Bytes of a stream that are handled as one piece.
pub const COALESCE_MAX: usize = 64 * 1024;

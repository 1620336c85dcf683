//! A small TLS 1.3 for QUIC (RFC 8446, RFC 9001) that says what a script wants it to say: both
//! sides, without sockets and clocks.
//!
//! A test instrument, never offered for real use: it defends nobody, its server's tickets can be
//! replayed, and its random values come of one seed. By default it behaves well and is strict
//! with its peer: each check has a name in [`TlsRule`], and `ignore` in a configuration switches
//! it off. It lies by `edit`, which changes messages before they are encoded and enter the
//! transcript; keys derive of what was sent. [`Message`]s that belong to no handshake are sent
//! by `send_message`.
//!
//! CRYPTO data go in by `read`, and what is to be done comes out as [`Output`]s.

mod client;
mod exchange;
mod groups;
mod key_schedule;
mod rules;
mod server;
mod tickets;

use qecho_packet::{
    protection::{Secret, Suite},
    wire::tls::message,
};

pub use self::{
    client::{ClientConfig, ClientTls, Verification},
    exchange::Edit,
    groups::Group,
    message::{
        Certificate, CertificateRequest, CertificateVerify, ClientHello, Extension, Message,
        NewSessionTicket, ServerHello, extension_type,
    },
    rules::{TlsError, TlsRule},
    server::{InvalidKey, ServerConfig, ServerTls},
    tickets::{Resumption, Session, Tickets},
};

/// Encryption levels (RFC 9001 §4.1.4), in the order in which a connection goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Initial packets.
    Initial,
    /// 0-RTT packets, which have no CRYPTO frames.
    EarlyData,
    /// Handshake packets.
    Handshake,
    /// 1-RTT packets.
    OneRtt,
}

/// Levels whose packets are acknowledged, each in its packet number space.
pub(crate) const LEVELS: [Level; 3] = [Level::Initial, Level::Handshake, Level::OneRtt];

/// An action that TLS asks for, in the order in which it comes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Send these bytes in CRYPTO frames of that level.
    Message {
        /// Level of the packets.
        level: Level,
        /// Bytes of one message.
        bytes: Vec<u8>,
    },
    /// Use these keys. A direction without a secret stays as it is.
    Keys {
        /// Level of the packets.
        level: Level,
        /// Suite that protects them.
        suite: Suite,
        /// Secret of what is sent.
        local: Option<Secret>,
        /// Secret of what is received.
        remote: Option<Secret>,
    },
    /// Take these transport parameters of the peer, as they stand in its extension.
    PeerParameters(Vec<u8>),
    /// Write a line into the key log.
    KeyLog {
        /// Label of the NSS key log format.
        label: &'static str,
        /// The client's random.
        client_random: [u8; 32],
        /// The secret.
        secret: Vec<u8>,
    },
    /// The handshake is complete (RFC 9001 §4.1.1).
    Complete,
    /// Keep this for another connection.
    Ticket(Session),
}

/// Parameters on which both sides have agreed so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// The cipher suite.
    pub suite: Option<Suite>,
    /// The group in which keys were exchanged.
    pub group: Option<Group>,
    /// The application protocol.
    pub alpn: Option<Vec<u8>>,
    /// Whether there was a HelloRetryRequest.
    pub retried: bool,
    /// Whether an earlier session goes on.
    pub resumed: bool,
    /// State of 0-RTT data.
    pub early_data: EarlyData,
}

/// State of 0-RTT data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyData {
    /// The client does not offer any.
    #[default]
    NotOffered,
    /// The server has not answered yet.
    Offered,
    /// The server takes them.
    Accepted,
    /// The server does not take them.
    Rejected,
}

/// Returns what a server signs (RFC 8446 §4.4.3).
fn signed_content(transcript: &[u8]) -> Vec<u8> {
    const CONTEXT: &[u8] = b"TLS 1.3, server CertificateVerify\0";
    [&[b' '; 64], CONTEXT, transcript].concat()
}

//! Settings of a client.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use qecho_engine::config::Transport;
use qecho_packet::Observers;
use rustls::{
    KeyLog,
    client::{ResolvesClientCert, danger::ServerCertVerifier},
};

use crate::{
    UDP_PAYLOAD_USUAL,
    dial::{Alpn, KEEP_ALIVE, Target},
};

/// Settings of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Server to connect to.
    pub target: Target,
    /// Application protocols to offer.
    pub alpn: Alpn,
    /// Judge of the server's certificate.
    pub verifier: Arc<dyn ServerCertVerifier>,
    /// Certificate for a server that asks for one, if there is any.
    pub identity: Option<Arc<dyn ResolvesClientCert>>,
    /// Log of TLS secrets, if there is one.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// Windows and timers.
    pub transport: Transport,
    /// Time for the handshake.
    pub timeout: Duration,
    /// Time for the answer to each message and FIN, and for a transfer without
    /// progress; `None` waits for ever.
    pub patience: Option<Duration>,
    /// Whether to update the keys as soon as that is allowed (RFC 9001 §6.1).
    pub update_keys: bool,
    /// Capture and trace of what passes.
    pub observers: Observers,
}

/// Time for the handshake and for each answer, unless another is named.
pub const TIMEOUT: Duration = Duration::from_secs(5);

impl Config {
    /// Returns the settings of a client that connects to `target` if
    /// `verifier` trusts it.
    pub fn new(target: Target, verifier: Arc<dyn ServerCertVerifier>) -> Self {
        Self {
            target,
            alpn: Alpn::Auto,
            verifier,
            identity: None,
            key_log: None,
            transport: transport(),
            timeout: TIMEOUT,
            patience: Some(TIMEOUT),
            update_keys: false,
            observers: Observers::default(),
        }
    }

    /// Offers these application protocols.
    #[must_use]
    pub fn with_alpn(self, alpn: Alpn) -> Self {
        Self { alpn, ..self }
    }

    /// Gives the handshake and each answer so much time.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self {
            timeout,
            patience: Some(timeout),
            ..self
        }
    }

    /// Uses these windows and timers.
    #[must_use]
    pub fn with_transport(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }
}

/// Kind of stream or frame that carries a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// One bidirectional stream for all messages.
    #[default]
    Stream,
    /// A bidirectional stream for each message.
    StreamPerMessage,
    /// One unidirectional stream for all messages; the echo comes back on the
    /// server's stream of the same number.
    Uni,
    /// A DATAGRAM frame for each message.
    Datagram,
}

/// Bytes to be echoed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The bytes.
    pub data: Bytes,
    /// Kind of stream or frame that carries them.
    pub over: Mode,
}

/// Transport settings that suit a client in conversation: it keeps its
/// connection alive while a person thinks, and looks for no path that carries
/// much.
fn transport() -> Transport {
    Transport::default()
        .with_keep_alive(KEEP_ALIVE)
        .with_udp_payload_max(UDP_PAYLOAD_USUAL)
}

//! What an echo server is asked to do.

use std::{num::NonZeroUsize, sync::Arc};

use qecho_engine::{
    AlpnPolicy, Secrets, ServerTls,
    config::{AdmissionSettings, Transport},
};
use qecho_io::{event_loop::Spin, listen::Listen};
use qecho_packet::Observers;
use rustls::server::ResolvesServerCert;

use crate::{ALPN_ECHO, PORT};

/// Everything that an echo server is configured with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// How many shards share the work, each on a thread of its own: one is what
    /// a program needs that has other things to do.
    pub shards: NonZeroUsize,
    /// How long each of them looks for the next datagram before it sleeps.
    pub spin: Spin,
    /// Who it is and what it agrees to.
    pub tls: ServerTls,
    /// Whom it lets in.
    pub admission: AdmissionSettings,
    /// Windows and timers.
    pub transport: Transport,
    /// When it ends its side of a stream.
    pub end: End,
    /// Keys that outlive the process: with the same secrets, a server that was
    /// started again can tell old peers that it has lost their connections.
    pub secrets: Secrets,
    /// Who sees what passes.
    pub observers: Observers,
}

impl Config {
    /// Returns the configuration of a server that shows `identity` and listens
    /// on localhost.
    pub fn new(identity: Arc<dyn ResolvesServerCert>) -> Self {
        Self {
            listen: vec![Listen::Loopback { port: PORT }],
            shards: NonZeroUsize::MIN,
            spin: Spin::Auto,
            tls: ServerTls::new(identity, AlpnPolicy::Names(vec![ALPN_ECHO.to_vec()])),
            admission: AdmissionSettings::default(),
            transport: Transport::default(),
            end: End::default(),
            secrets: Secrets::random(),
            observers: Observers::default(),
        }
    }
}

/// When the server ends its side of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// FIN answers FIN, after the last byte.
    #[default]
    WithPeer,
    /// FIN follows what the first read delivered: one message per stream, for
    /// clients that wait for the end of the stream.
    AfterMessage,
}

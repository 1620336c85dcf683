//! What an echo server is asked to do.

use qecho_engine::{
    ServerTls,
    config::{AdmissionSettings, Transport},
};

use super::listen::Listen;

/// Everything that an echo server is configured with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// Who it is and what it agrees to.
    pub tls: ServerTls,
    /// Whom it lets in.
    pub admission: AdmissionSettings,
    /// Windows and timers.
    pub transport: Transport,
    /// When it ends its side of a stream.
    pub end: End,
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

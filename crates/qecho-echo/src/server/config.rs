//! Settings of an echo server.

use std::sync::Arc;

use qecho_engine::AlpnPolicy;
use qecho_io::{Listen, ServerConfig};
use rustls::server::ResolvesServerCert;

use crate::{ALPN_ECHO, PORT};

/// Returns the settings of an echo server that shows the certificate of `identity` and listens
/// on echo's port of localhost.
pub fn config(identity: Arc<dyn ResolvesServerCert>) -> ServerConfig {
    ServerConfig::new(identity)
        .with_listen([Listen::Loopback { port: PORT }])
        .with_alpn(AlpnPolicy::Names(vec![ALPN_ECHO.to_vec()]))
}

/// Rule by which the server ends its side of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// FIN answers FIN, after the last byte.
    #[default]
    WithPeer,
    /// FIN follows what the first read delivered: one message per stream, for
    /// clients that wait for the end of the stream.
    AfterMessage,
}

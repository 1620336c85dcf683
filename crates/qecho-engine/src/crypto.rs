//! TLS for QUIC (RFC 9001): our own session on rustls.
//!
//! It exists for what quinn's own does not give: an ALPN policy that serves
//! clients with and without ALPN side by side, and the peer's raw transport
//! parameters, cipher suite and key exchange.

mod client;
mod client_hello;
mod early_frames;
mod fragments;
mod initial;
mod last_initial;
mod packet_keys;
mod padding;
mod path_frames;
mod peer_messages;
mod peer_parameters;
mod plaintext;
mod server;
mod session;

use std::sync::Arc;

use rustls::{
    CipherSuite,
    crypto::{CryptoProvider, aws_lc_rs},
};

pub(crate) use client::ShardClient;
pub use client::{ClientTls, Connector};
pub(crate) use fragments::{ReceivedStreams, Tracker};
pub(crate) use packet_keys::{PacketKeys, PacketSigns};
pub(crate) use plaintext::{OpenedPacket, Plaintext, SealedPacket};
pub(crate) use server::ServerCrypto;
pub use server::ServerTls;
pub(crate) use session::Agreed;

/// Policy for application protocols of a server (RFC 7301).
///
/// A client that offers none is always served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlpnPolicy {
    /// One of these names, the first that the client offers too.
    Names(Vec<Vec<u8>>),
    /// Whatever the client names first.
    Any,
}

/// A TLS configuration that cannot work: rustls refused the settings.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS 1.3")]
pub struct TlsError(#[from] rustls::Error);

/// Returns the cryptography that our TLS uses: what was `given`, or aws-lc-rs's.
///
/// # Errors
/// [`TlsError`] if the system gives no randomness.
fn provider(given: Option<&Arc<CryptoProvider>>) -> Result<Arc<CryptoProvider>, TlsError> {
    let provider = match given {
        Some(given) => given.clone(),
        None => Arc::new(fastest_first()),
    };
    // The first draw gathers entropy for some 20 ms; here, it is not counted
    // as part of somebody's handshake.
    provider
        .secure_random
        .fill(&mut [0])
        .map_err(|_| rustls::Error::FailedToGetRandomBytes)?;
    Ok(provider)
}

/// Returns the cryptography of aws-lc-rs, AES-128 first among its suites: it is as strong
/// as the key exchange, and cheaper than the AES-256 that rustls prefers. Our client offers
/// this order; our server lets each client have its own, which knows whether its processor
/// can do AES.
fn fastest_first() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let first = CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != first);
    provider
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aes_128_is_preferred_and_every_other_suite_still_offered() {
        let suites = |provider: CryptoProvider| -> Vec<_> {
            let suites = provider.cipher_suites.into_iter();
            suites.map(|suite| suite.suite()).collect()
        };
        let ours = suites(fastest_first());
        assert_eq!(ours[0], CipherSuite::TLS13_AES_128_GCM_SHA256);
        let theirs = suites(aws_lc_rs::default_provider());
        assert_eq!(ours.len(), theirs.len());
        assert!(theirs.iter().all(|suite| ours.contains(suite)));
    }
}

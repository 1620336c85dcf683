//! Application protocols that a client offers to a server, by TLS.

use std::sync::Arc;

use qecho_engine::{ClientTls, Connector, TlsError};
use rustls::{
    KeyLog,
    client::{ResolvesClientCert, danger::ServerCertVerifier},
};

use crate::ALPN_ECHO;

/// Application protocols that a client offers (RFC 7301).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Alpn {
    /// `echo`; and if the server refuses that, none, on a new connection.
    #[default]
    Auto,
    /// None at all.
    None,
    /// This one.
    Name(Vec<u8>),
}

impl Alpn {
    /// Returns new offers: what servers give for resumption is kept in them.
    ///
    /// # Errors
    /// [`TlsError`] if the TLS settings cannot work.
    pub fn offers(
        &self,
        verifier: &Arc<dyn ServerCertVerifier>,
        identity: Option<&Arc<dyn ResolvesClientCert>>,
        key_log: Option<&Arc<dyn KeyLog>>,
    ) -> Result<Offers, TlsError> {
        let connector = |alpn: &[&[u8]]| {
            ClientTls::new(verifier.clone())
                .with_identity(identity.cloned())
                .with_alpn(alpn)
                .with_key_log(key_log.cloned())
                .connector()
        };
        Ok(match self {
            Self::Auto => Offers {
                first: connector(&[ALPN_ECHO])?,
                without_alpn: Some(connector(&[])?),
            },
            Self::None => Offers {
                first: connector(&[])?,
                without_alpn: None,
            },
            Self::Name(name) => Offers {
                first: connector(&[name])?,
                without_alpn: None,
            },
        })
    }
}

/// Offers of a dialler by TLS, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Offers {
    /// The first offer.
    pub first: Connector,
    /// The offer after the first was refused for its ALPN.
    pub without_alpn: Option<Connector>,
}

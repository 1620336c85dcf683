//! The anchors: everybody who can vouch for a server.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;

use super::local::{LocalAuthority, Source};
use super::policy::Presented;
use crate::authority::CERTIFICATE_FILE;
use crate::identity::{IdentityError, read_chain};
use crate::pin::Pin;

/// Who vouched for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anchor {
    /// An authority on this machine, for a loopback name.
    LocalAuthority {
        /// Whose it is, such as `qecho` or `mkcert`.
        name: String,
    },
    /// A CA in a file that the user named.
    CaFile {
        /// The file.
        path: PathBuf,
    },
    /// A root that the operating system trusts.
    Platform,
    /// The key itself.
    Pin(Pin),
    /// Nothing was checked but that the server holds its certificate's key.
    Nobody,
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalAuthority { name } => write!(f, "{name}'s local CA"),
            Self::CaFile { path } => write!(f, "CA file {}", path.display()),
            Self::Platform => f.write_str("the platform's roots"),
            Self::Pin(pin) => write!(f, "pin {}", pin.abbreviated()),
            Self::Nobody => f.write_str("nobody (--insecure)"),
        }
    }
}

/// Why a CA file gives no anchor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The file cannot be read, or there is no certificate in it.
    #[error("cannot load the CA file")]
    Load {
        /// Which file, and why.
        source: IdentityError,
    },
    /// A certificate in the file cannot be a trust anchor.
    #[error("cannot use the CA in {}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the library said.
        source: rustls::Error,
    },
}

/// An anchor and what verifies against it.
#[derive(Debug)]
pub(super) struct Anchored {
    pub(super) anchor: Anchor,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl Anchored {
    pub(super) fn file(path: PathBuf, provider: &Arc<CryptoProvider>) -> Result<Self, TrustError> {
        let verifier = verifier_of(&path, provider)?;
        Ok(Self {
            anchor: Anchor::CaFile { path },
            verifier,
        })
    }

    /// Returns `None` where there is no such authority.
    pub(super) fn local(
        authority: &LocalAuthority,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Self>, TrustError> {
        let verifier =
            match authority.source() {
                Source::Memory(certificate) => verifier_from([certificate.clone()], provider)
                    .map_err(|source| TrustError::Unusable {
                        path: "memory".into(),
                        source,
                    }),
                Source::Path(path) if path.is_dir() => {
                    verifier_of(&path.join(CERTIFICATE_FILE), provider)
                }
                Source::Path(path) => verifier_of(path, provider),
            };
        match verifier {
            Ok(verifier) => {
                let name = authority.name().to_owned();
                Ok(Some(Self {
                    anchor: Anchor::LocalAuthority { name },
                    verifier,
                }))
            }
            Err(TrustError::Load {
                source: IdentityError::Read { source, .. },
            }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn verify(&self, presented: &Presented<'_>) -> Result<(), rustls::Error> {
        self.verifier
            .verify_server_cert(
                presented.end_entity,
                presented.intermediates,
                presented.name,
                presented.ocsp_response,
                presented.now,
            )
            .map(|_| ())
    }
}

/// The operating system's roots, loaded when first asked for: a client of its own
/// machine's server never needs them.
pub(super) struct Platform {
    provider: Arc<CryptoProvider>,
    loaded: OnceLock<Result<Anchored, String>>,
}

impl Platform {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self {
            provider,
            loaded: OnceLock::new(),
        }
    }

    /// Returns the roots, or a line that says why there are none: an empty container
    /// has none, and is no reason to refuse what somebody else vouches for.
    pub(super) fn anchored(&self) -> Result<&Anchored, &str> {
        let loaded = self
            .loaded
            .get_or_init(|| match Verifier::new(Arc::clone(&self.provider)) {
                Ok(verifier) => Ok(Anchored {
                    anchor: Anchor::Platform,
                    verifier: Arc::new(verifier),
                }),
                Err(rustls::Error::General(text)) => Err(unavailable(&text)),
                Err(error) => Err(unavailable(&error.to_string())),
            });
        loaded.as_ref().map_err(String::as_str)
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform")
            .field("loaded", &self.loaded)
            .finish_non_exhaustive()
    }
}

fn unavailable(why: &str) -> String {
    format!("the platform's roots are not available: {why}")
}

/// Says in a line why a local authority was passed over.
pub(super) fn note(authority: &LocalAuthority, error: &TrustError) -> String {
    let mut line = format!("{}'s local CA is not used", authority.name());
    let mut cause: Option<&dyn std::error::Error> = match error {
        TrustError::Load { source } => Some(source),
        TrustError::Unusable { .. } => Some(error),
    };
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

fn verifier_of(
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TrustError> {
    let certificates = read_chain(path).map_err(|source| TrustError::Load { source })?;
    verifier_from(certificates, provider).map_err(|source| TrustError::Unusable {
        path: path.into(),
        source,
    })
}

fn verifier_from(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate)?;
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .expect("there is a root, and there are no revocation lists");
    Ok(verifier)
}

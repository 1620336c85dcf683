//! Trust anchors of servers: files, local authorities and the platform's roots.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier;

use super::local_authority::{CertificateSource, LocalAuthority};
use crate::authority::CERTIFICATE_FILE;
use crate::credential_file::read_chain;
use crate::identity::IdentityError;
use crate::pin::Pin;

/// Trust anchor that a server was verified by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anchor {
    /// An authority on this machine, for a loopback name; named after its owner, such as
    /// `qecho` or `mkcert`.
    LocalAuthority(String),
    /// A CA in a file that the user named.
    CaFile(PathBuf),
    /// A root that the operating system trusts.
    Platform,
    /// The pinned key.
    Pin(Pin),
    /// None: only the possession of the certificate's key was checked.
    Unverified,
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalAuthority(name) => write!(f, "{name}'s local CA"),
            Self::CaFile(path) => write!(f, "CA file {}", path.display()),
            Self::Platform => f.write_str("the platform's roots"),
            Self::Pin(pin) => write!(f, "pin {}", pin.abbreviated()),
            Self::Unverified => f.write_str("nobody (--insecure)"),
        }
    }
}

/// Error of loading CA files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The file cannot be read, or there is no certificate in it.
    #[error("cannot load the CA file")]
    Load(#[source] IdentityError),
    /// A certificate in the file cannot be a trust anchor.
    #[error("cannot use the CA in {}: a certificate in it is malformed", .0.display())]
    Unusable(PathBuf, rustls::Error),
    /// A certificate in the file is not a CA's.
    #[error("a certificate in {} is not a CA's", .0.display())]
    NotAnAuthority(PathBuf),
    /// No file was named.
    #[error("no CA is named")]
    NoAuthority,
}

/// Certificate chain of a server, with the name that it must be valid for and the time.
pub(super) struct CertificateContext<'a> {
    pub(super) end_entity: &'a CertificateDer<'a>,
    pub(super) intermediates: &'a [CertificateDer<'a>],
    pub(super) name: &'a ServerName<'a>,
    pub(super) ocsp_response: &'a [u8],
    pub(super) now: UnixTime,
}

/// An anchor, and the verifier that trusts it.
#[derive(Debug)]
pub(super) struct AnchorVerifier {
    pub(super) anchor: Anchor,
    /// The certificates, where they are not the platform's.
    certificates: Vec<CertificateDer<'static>>,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl AnchorVerifier {
    pub(super) fn file(path: PathBuf, provider: &Arc<CryptoProvider>) -> Result<Self, TrustError> {
        let certificates = certificates_in(&path)?;
        let verifier = verifier_from(&certificates, &path, provider)?;
        Ok(Self {
            anchor: Anchor::CaFile(path),
            certificates,
            verifier,
        })
    }

    /// Returns `None` where there is no such authority.
    pub(super) fn local(
        authority: &LocalAuthority,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Self>, TrustError> {
        let (path, certificates) = match &authority.source {
            CertificateSource::Memory(certificate) => {
                ("memory".into(), Ok(vec![certificate.clone()]))
            }
            CertificateSource::Path(path) => {
                let path = match path.is_dir() {
                    true => path.join(CERTIFICATE_FILE),
                    false => path.clone(),
                };
                let certificates = certificates_in(&path);
                (path, certificates)
            }
        };
        let certificates = match certificates {
            Err(TrustError::Load(IdentityError::Read(_, source)))
                if source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(None);
            }
            certificates => certificates?,
        };
        let verifier = verifier_from(&certificates, &path, provider)?;
        let name = authority.name.clone();
        Ok(Some(Self {
            anchor: Anchor::LocalAuthority(name),
            certificates,
            verifier,
        }))
    }

    /// Returns the certificates that are trusted, where they are not the platform's.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    pub(super) fn verify(&self, context: &CertificateContext<'_>) -> Result<(), rustls::Error> {
        self.verifier
            .verify_server_cert(
                context.end_entity,
                context.intermediates,
                context.name,
                context.ocsp_response,
                context.now,
            )
            .map(|_| ())
    }
}

/// The operating system's roots, loaded when first needed: never for a server on
/// loopback that a local authority has signed for.
pub(super) struct PlatformRoots {
    provider: Arc<CryptoProvider>,
    loaded: OnceLock<Result<AnchorVerifier, String>>,
}

impl PlatformRoots {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self {
            provider,
            loaded: OnceLock::new(),
        }
    }

    /// Returns the roots, or one line on why there are none. An empty container has none,
    /// which must not stop the other anchors.
    pub(super) fn verifier(&self) -> Result<&AnchorVerifier, &str> {
        let loaded = self
            .loaded
            .get_or_init(|| match Verifier::new(Arc::clone(&self.provider)) {
                Ok(verifier) => Ok(AnchorVerifier {
                    anchor: Anchor::Platform,
                    certificates: Vec::new(),
                    verifier: Arc::new(verifier),
                }),
                Err(rustls::Error::General(text)) => Err(unavailable(&text)),
                Err(_) => Err(unavailable("they cannot be used")),
            });
        loaded.as_ref().map_err(String::as_str)
    }
}

impl fmt::Debug for PlatformRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform")
            .field("loaded", &self.loaded)
            .finish_non_exhaustive()
    }
}

fn unavailable(why: &str) -> String {
    format!("the platform's roots are not available: {why}")
}

/// Returns one line on why a local authority is not used.
pub(super) fn note(authority: &LocalAuthority, error: &TrustError) -> String {
    let mut line = format!("{}'s local CA is not used", authority.name);
    let mut cause: Option<&dyn std::error::Error> = match error {
        TrustError::Load(source) => Some(source),
        TrustError::Unusable { .. }
        | TrustError::NotAnAuthority { .. }
        | TrustError::NoAuthority => Some(error),
    };
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

pub(super) fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    read_chain(path).map_err(TrustError::Load)
}

fn verifier_from(
    certificates: &[CertificateDer<'static>],
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate.clone())
            .map_err(|cause| TrustError::Unusable(path.into(), cause))?;
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .expect("there is a root, and there are no revocation lists");
    Ok(verifier)
}

//! Certificates with their keys, from files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, SignatureScheme};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem;
use time::OffsetDateTime;

use crate::credential_file::{FileForm, read_chain, read_key};
use crate::details::CertificateDetails;
use crate::malformed::MalformedCertificate;
use crate::pin::Pin;
use crate::secret;

/// Certificate and key of a server.
///
/// An `Arc<dyn ServerIdentity>` is an `Arc<dyn ResolvesServerCert>` where rustls
/// asks for one.
pub trait ServerIdentity: ResolvesServerCert {
    /// Returns the names the certificate is valid for, as text.
    fn names(&self) -> Vec<String>;

    /// Returns when the certificate in use expires; it may lie in the past.
    fn expires(&self) -> OffsetDateTime;

    /// Returns the pin of the server's key.
    fn pin(&self) -> Pin;

    /// Returns the file of the local authority that signed the certificate, for
    /// programs that want to trust it; `None` where there is no such file.
    fn authority_path(&self) -> Option<&Path> {
        None
    }

    /// Returns a secret that is derived from the private key: it is the same after a
    /// restart with the same key.
    fn secret(&self) -> [u8; 32];
}

/// A certificate chain and its key, from files.
pub struct Identity {
    certified: Arc<CertifiedKey>,
    names: Vec<String>,
    expires: OffsetDateTime,
    pin: Pin,
    secret: [u8; 32],
}

impl Identity {
    /// Loads a chain (leaf first) and its key from PEM files, or DER; the key may be
    /// PKCS#8, SEC1 or PKCS#1, and both may be in one file.
    ///
    /// An expired certificate loads too; see [`ServerIdentity::expires`].
    ///
    /// # Errors
    /// A file cannot be read, does not hold what it should, or the key is not the
    /// certificate's.
    pub fn load(certificate_path: &Path, key_path: &Path) -> Result<Self, IdentityError> {
        let chain = read_chain(certificate_path)?;
        let malformed =
            |source| IdentityError::MalformedCertificate(certificate_path.into(), source);
        // Intermediates are parsed too: clients would refuse the whole chain.
        for certificate in &chain[1..] {
            CertificateDetails::of(certificate).map_err(malformed)?;
        }
        let details = CertificateDetails::of(&chain[0]).map_err(malformed)?;
        if details.version != 3 {
            let version = details.version;
            return Err(IdentityError::Version(certificate_path.into(), version));
        }
        let pin = Pin::of_certificate(&chain[0]).map_err(malformed)?;
        let private_key = read_key(key_path)?;
        let secret = secret::of_key(private_key.secret_der());
        let key = any_supported_type(&private_key)
            .map_err(|cause| IdentityError::UnusableKey(key_path.into(), cause))?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|cause| match cause {
            Error::InconsistentKeys(_) => match place_of_key(&certified) {
                Some(place) => IdentityError::ChainOrder(certificate_path.into(), place),
                None => IdentityError::KeyMismatch {
                    certificate: certificate_path.into(),
                    key: key_path.into(),
                    cause,
                },
            },
            cause => malformed(MalformedCertificate::new(cause)),
        })?;
        Ok(Self {
            certified: Arc::new(certified),
            names: details.names,
            expires: details.not_after,
            pin,
            secret,
        })
    }
}

/// Returns the place, from 1, of the certificate in a chain that has the key.
fn place_of_key(certified: &CertifiedKey) -> Option<usize> {
    let key = Pin::of_public_key(&certified.key.public_key()?);
    let has_key = |certificate: &CertificateDer<'_>| {
        Pin::of_certificate(certificate).is_ok_and(|pin| pin == key)
    };
    Some(certified.cert.iter().position(has_key)? + 1)
}

impl ServerIdentity for Identity {
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn expires(&self) -> OffsetDateTime {
        self.expires
    }

    fn pin(&self) -> Pin {
        self.pin
    }

    fn secret(&self) -> [u8; 32] {
        self.secret
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.certified))
    }
}

/// Shown to every server that asks for a client certificate.
impl ResolvesClientCert for Identity {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        // The server decides whether it is the right one, and says why not.
        Some(Arc::clone(&self.certified))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("names", &self.names)
            .field("expires", &self.expires)
            .field("pin", &self.pin)
            .finish_non_exhaustive()
    }
}

/// Error of loading a certificate or its key.
///
/// A library's text is written for debugging, so it is a `cause` field and not the
/// `source` that is printed behind ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A file is no well-formed PEM.
    #[error("{} is no valid PEM file (damaged between BEGIN and END?)", .0.display())]
    MalformedPem(PathBuf, pem::Error),
    /// The certificate file holds none.
    #[error("there is no certificate in {}", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate in the file is malformed.
    #[error("cannot use the certificate in {}", .0.display())]
    MalformedCertificate(PathBuf, #[source] MalformedCertificate),
    /// The file is of another form, from which what was looked for can be had.
    #[error("{} is {}", .0.display(), .1)]
    Form(PathBuf, FileForm),
    /// The certificate is of that X.509 version.
    #[error(
        "the certificate in {} is of X.509 version {}, which names no host; version 3 does",
        .0.display(), .1
    )]
    Version(PathBuf, u32),
    /// The key is that of the certificate at this place in the chain, from 1.
    #[error(
        "the certificates in {} are in the wrong order: the one of the key is number {}, \
         and has to be the first, before those of CAs",
        .0.display(), .1
    )]
    ChainOrder(PathBuf, usize),
    /// The key file holds none.
    #[error("there is no private key in {}", .0.display())]
    NoKey(PathBuf),
    /// The key needs a password, which cannot be asked for here.
    #[error(
        "the key in {} is encrypted; decrypt it first, for instance with openssl pkey",
        .0.display()
    )]
    EncryptedKey(PathBuf),
    /// The key is malformed or of an unsupported kind.
    #[error(
        "the key in {} is of a kind or size that is not accepted \
         (ECDSA P-256/P-384/P-521, Ed25519, RSA from 2048 bits)",
        .0.display()
    )]
    UnusableKey(PathBuf, rustls::Error),
    /// The key is another certificate's.
    #[error("the key in {} does not fit the certificate in {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Error of the library, for debugging.
        cause: rustls::Error,
    },
}

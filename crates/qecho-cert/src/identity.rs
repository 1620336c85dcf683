//! Certificates with their keys, from files.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

use crate::details::CertificateDetails;
use crate::malformed::MalformedCertificate;
use crate::pin::Pin;
use crate::secret;

/// All public CAs together take less.
const PEM_BYTES_MAX: u64 = 16 << 20;

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
    /// Loads a chain (leaf first) and its key from PEM files; the key may be PKCS#8,
    /// SEC1 or PKCS#1, and both may be in one file.
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
        let pin = Pin::of_certificate(&chain[0]).map_err(malformed)?;
        let private_key = read_key(key_path)?;
        let secret = secret::of_key(private_key.secret_der());
        let key = any_supported_type(&private_key)
            .map_err(|cause| IdentityError::UnusableKey(key_path.into(), cause))?;
        let certified = CertifiedKey::new(chain, key);
        certified
            .keys_match()
            .map_err(|cause| IdentityError::KeyMismatch {
                certificate: certificate_path.into(),
                key: key_path.into(),
                cause,
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

/// Reads all certificates of a PEM file; at least one.
///
/// # Errors
/// The file cannot be read, is no PEM, or has no certificate in it.
pub fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let content = read(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&content)
        .collect::<Result<_, _>>()
        .map_err(|cause| IdentityError::MalformedPem(path.into(), cause))?;
    if chain.is_empty() {
        return Err(IdentityError::NoCertificate(path.into()));
    }
    Ok(chain)
}

pub(crate) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let content = read(path)?;
    PrivateKeyDer::from_pem_slice(&content).map_err(|error| match error {
        // The header of the old style is no base64.
        _ if is_encrypted(&content) => IdentityError::EncryptedKey(path.into()),
        pem::Error::NoItemsFound => IdentityError::NoKey(path.into()),
        cause => IdentityError::MalformedPem(path.into(), cause),
    })
}

// PKCS #8, and RFC 1421 before it.
fn is_encrypted(content: &[u8]) -> bool {
    const MARKS: [&[u8]; 3] = [
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
        b"Proc-Type: 4,ENCRYPTED",
        b"DEK-Info:",
    ];
    MARKS
        .iter()
        .any(|mark| content.windows(mark.len()).any(|window| window == *mark))
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    read_bounded(path).map_err(|source| IdentityError::Read(path.into(), source))
}

/// Reads a PEM file as text.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_bounded(path)?).map_err(|_| io::Error::other("it is no PEM file"))
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?
        .take(PEM_BYTES_MAX + 1)
        .read_to_end(&mut content)?;
    match content.len() as u64 > PEM_BYTES_MAX {
        true => Err(io::Error::other("it is too large for a PEM file")),
        false => Ok(content),
    }
}

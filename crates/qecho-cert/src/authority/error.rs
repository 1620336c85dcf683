//! Errors of opening or making an authority.

use std::path::PathBuf;

use rustls_pki_types::pem;
use time::Date;

use crate::malformed::MalformedCertificate;
use crate::storage::StorageError;

/// Error of opening or making an [`Authority`](super::Authority).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The folder, or a file in it, cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// There is no authority in the folder.
    #[error("there is no CA in {}", folder.display())]
    NotThere {
        /// The folder.
        folder: PathBuf,
    },
    /// The certificate file is no PEM, or has no certificate in it.
    #[error("cannot find a certificate in {}", path.display())]
    MalformedPem {
        /// The file.
        path: PathBuf,
        /// Error of the parser.
        source: pem::Error,
    },
    /// The certificate file is PEM, but its content is no certificate.
    #[error("cannot use the certificate in {}", path.display())]
    MalformedCertificate {
        /// The file.
        path: PathBuf,
        /// Error of the parser.
        source: MalformedCertificate,
    },
    /// The certificate is no CA's.
    #[error("the certificate in {} is not a CA's", path.display())]
    NotAnAuthority {
        /// The file.
        path: PathBuf,
    },
    /// The certificate has expired.
    #[error("the CA in {} expired on {on}; remove the file, and a new one is made", path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// The day, in UTC.
        on: Date,
    },
    /// The certificate is there, its key is not.
    #[error("{} is there, but its key {} is missing", certificate.display(), key.display())]
    KeyMissing {
        /// The certificate's file.
        certificate: PathBuf,
        /// Path at which the key is missing.
        key: PathBuf,
    },
    /// The key is another certificate's.
    #[error("the key in {} does not fit the certificate in {}", key.display(), certificate.display())]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A key or a signature cannot be made.
    #[error("cannot make the CA's certificate")]
    Sign {
        /// Error of the library.
        source: rcgen::Error,
    },
}

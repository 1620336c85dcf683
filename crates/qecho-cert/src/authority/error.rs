//! Errors of opening or making an authority.

use std::path::PathBuf;

use time::Date;

use crate::identity::IdentityError;
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
    #[error("there is no CA in {}", .0.display())]
    NotThere(PathBuf),
    /// The certificate file cannot be read, or has no certificate in it.
    #[error(transparent)]
    Certificate(#[from] IdentityError),
    /// What the certificate file holds is no certificate.
    #[error("cannot use the certificate in {}", .0.display())]
    MalformedCertificate(PathBuf, #[source] MalformedCertificate),
    /// The certificate is no CA's.
    #[error("the certificate in {} is not a CA's", .0.display())]
    NotAnAuthority(PathBuf),
    /// The certificate in the file expired on that day, in UTC.
    #[error("the CA in {} expired on {}; remove the file, and a new one is made", .0.display(), .1)]
    Expired(PathBuf, Date),
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
    Sign(#[source] rcgen::Error),
}

//! What can go wrong with an authority's folder.

use std::io;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem;
use time::Date;

use crate::facts::MalformedCertificate;

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The folder is not there and cannot be made.
    #[error("cannot create the folder {}", folder.display())]
    CreateFolder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no authority.
    #[error("there is no CA in {}", folder.display())]
    NotThere {
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate file is no PEM, or has no certificate in it.
    #[error("cannot find a certificate in {}", path.display())]
    MalformedPem {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: pem::Error,
    },
    /// The certificate file is PEM, but its content is no certificate.
    #[error("cannot use the certificate in {}", path.display())]
    MalformedCertificate {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: MalformedCertificate,
    },
    /// The certificate is somebody's, but no authority's.
    #[error("the certificate in {} is not a CA's", path.display())]
    NotAnAuthority {
        /// The file.
        path: PathBuf,
    },
    /// The certificate has had its time.
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
        /// Where the key should be.
        key: PathBuf,
    },
    /// The key file holds no key that can be used.
    #[error("cannot use the key in {}", path.display())]
    MalformedKey {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: rcgen::Error,
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
        /// What the library said.
        source: rcgen::Error,
    },
}

impl AuthorityError {
    /// A file that was there a moment ago is gone.
    pub(super) fn vanished(path: &Path) -> Self {
        Self::Read {
            path: path.into(),
            source: io::ErrorKind::NotFound.into(),
        }
    }
}

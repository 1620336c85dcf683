//! What can go wrong before a server has its leaf.

use std::io;
use std::path::PathBuf;

/// Why there is no automatic leaf.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    /// The folder is not there and cannot be made.
    #[error("cannot create the folder {}", folder.display())]
    CreateFolder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The key file holds no key that can be used.
    #[error("cannot use the key in {}", path.display())]
    MalformedKey {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: rcgen::Error,
    },
    /// The TLS library does not take the key.
    #[error("cannot serve with the key")]
    Key {
        /// What the library said.
        source: rustls::Error,
    },
    /// A key or a signature cannot be made.
    #[error("cannot make the server's certificate")]
    Sign {
        /// What the library said.
        source: rcgen::Error,
    },
}

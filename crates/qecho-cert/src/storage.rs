//! Folders with keys and certificates, and the error of every operation on them.

use std::io;
use std::path::{Path, PathBuf};

use rcgen::KeyPair;

use crate::credential_file::{if_there, read_key_pair};
use crate::identity::IdentityError;
use crate::publish::{self, Access, PublishOutcome};

/// Error of reading or writing a folder with keys and certificates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The folder is not there and cannot be made.
    #[error("cannot create the folder {}", .0.display())]
    CreateFolder(PathBuf, #[source] io::Error),
    /// A file cannot be read.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A file cannot be written.
    #[error("cannot write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// A key file cannot be read, or holds no key that can be used.
    #[error(transparent)]
    Key(#[from] IdentityError),
    /// A new key cannot be made.
    #[error("cannot make a key")]
    GenerateKey(#[source] rcgen::Error),
}

impl StorageError {
    /// Returns the error of a file that was there a moment ago and is gone.
    pub(crate) fn vanished(path: &Path) -> Self {
        Self::Read(path.into(), io::ErrorKind::NotFound.into())
    }
}

/// Returns the absolute path of a folder.
pub(crate) fn absolute(folder: &Path) -> Result<PathBuf, StorageError> {
    std::path::absolute(folder).map_err(|source| StorageError::CreateFolder(folder.into(), source))
}

/// Creates a folder and those above it, unless they are there.
pub(crate) fn create_folder(folder: &Path) -> Result<(), StorageError> {
    publish::create_folder(folder)
        .map_err(|source| StorageError::CreateFolder(folder.into(), source))
}

/// Publishes a file, unless it is there.
pub(crate) fn publish(
    path: &Path,
    access: Access,
    content: &str,
) -> Result<PublishOutcome, StorageError> {
    publish::publish(path, access, content.as_bytes())
        .map_err(|source| StorageError::Write(path.into(), source))
}

/// Reads a key; `None` if the file is not there.
pub(crate) fn open_key(path: &Path) -> Result<Option<KeyPair>, StorageError> {
    // A file in place of the folder is found when the folder is created.
    Ok(if_there(read_key_pair(path))?)
}

/// Reads a key, or makes one. Processes that do so at once share one key.
pub(crate) fn open_or_create_key(path: &Path, access: Access) -> Result<KeyPair, StorageError> {
    if let Some(key) = open_key(path)? {
        return Ok(key);
    }
    let key = KeyPair::generate().map_err(StorageError::GenerateKey)?;
    match publish(path, access, &key.serialize_pem())? {
        PublishOutcome::Created => Ok(key),
        PublishOutcome::Existing => open_key(path)?.ok_or_else(|| StorageError::vanished(path)),
    }
}

//! The certificates in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::credential_file::read_chain;
use crate::details::CertificateDetails;
use crate::identity::IdentityError;

/// More files than this of a folder are counted, not read.
const FILES_MAX: usize = 1_000;
/// A file with a certificate is far smaller.
const BYTES_MAX: u64 = 1 << 20;
const EXTENSIONS: [&str; 3] = ["pem", "crt", "cer"];

/// Certificates in a folder.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CertificateListing {
    /// Files that begin with a certificate, by name.
    pub certificates: Vec<(PathBuf, CertificateDetails)>,
    /// Files with a PEM certificate that is malformed.
    pub broken: Vec<PathBuf>,
    /// Number of files beyond the first thousand, which were not read.
    pub left_out: usize,
}

impl CertificateListing {
    /// Reads the PEM files of a folder (`.pem`, `.crt`, `.cer`), not of those below.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
                paths.push(path);
            }
        }
        paths.sort();
        let mut listing = Self {
            left_out: paths.len().saturating_sub(FILES_MAX),
            ..Self::default()
        };
        for path in paths.into_iter().take(FILES_MAX) {
            listing.look_at(path);
        }
        Ok(listing)
    }

    fn look_at(&mut self, path: PathBuf) {
        let fits = |metadata: fs::Metadata| metadata.is_file() && metadata.len() <= BYTES_MAX;
        if !fs::metadata(&path).is_ok_and(fits) {
            return;
        }
        let details = match read_chain(&path) {
            Ok(chain) => CertificateDetails::of(&chain[0]).ok(),
            // Keys, for instance, and files of other users.
            Err(
                IdentityError::NoCertificate { .. }
                | IdentityError::Form { .. }
                | IdentityError::Read { .. },
            ) => return,
            Err(_) => None,
        };
        match details {
            Some(details) => self.certificates.push((path, details)),
            None => self.broken.push(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::Authority;

    #[test]
    fn certificates_are_listed_and_keys_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        Authority::open_or_create(folder.path(), None, SystemTime::now()).unwrap();
        for (name, content) in [
            (
                "broken.crt",
                "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            ),
            ("text.pem", "nothing"),
            ("other.txt", "-----BEGIN CERTIFICATE-----\n"),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        fs::create_dir(folder.path().join("folder.pem")).unwrap();
        let listing = CertificateListing::of(folder.path()).unwrap();
        let names = |path: &PathBuf| path.file_name().unwrap().to_owned();
        let found: Vec<_> = listing
            .certificates
            .iter()
            .map(|(path, _)| names(path))
            .collect();
        assert_eq!(found, ["rootCA.pem"]);
        let broken: Vec<_> = listing.broken.iter().map(names).collect();
        assert_eq!(broken, ["broken.crt"]);
        assert!(CertificateListing::of(&folder.path().join("none")).is_err());
    }
}

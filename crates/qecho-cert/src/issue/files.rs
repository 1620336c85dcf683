//! The files of a certificate and its key.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::IssuedCertificate;
use crate::authority;
use crate::credential_file::read_chain;
use crate::details::CertificateDetails;
use crate::publish::{Access, Replacement, WriteLock, folder_of, replace_all};
use crate::subject_alt_name::SubjectAltName;

/// Paths of a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateFiles {
    /// The certificate (0644).
    pub certificate: PathBuf,
    /// The key (0600); it may be the same file, which is 0600 then.
    pub key: PathBuf,
    /// The certificate followed by the authority's, if that is wanted.
    pub chain: Option<PathBuf>,
}

/// Error of writing [`CertificateFiles`]; none of them was written then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFilesError {
    /// The file is an authority's.
    #[error("{} belongs to a CA, and is not replaced", .0.display())]
    Authority(PathBuf),
    /// Two of the files are one.
    #[error("{} cannot be two files at once", .0.display())]
    SamePath(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl CertificateFiles {
    /// Returns the names that mkcert chooses in the current folder: the first name,
    /// `+N` for N more, `-client`.
    pub fn for_names(names: &[SubjectAltName], client: bool) -> Self {
        let first = names
            .first()
            .map(SubjectAltName::to_string)
            .unwrap_or_default();
        // mkcert fails at the slashes of a URI; a file's name has none.
        let mut stem = first.replace([':', '/'], "_").replace('*', "_wildcard");
        if names.len() > 1 {
            stem += &format!("+{}", names.len() - 1);
        }
        if client {
            stem += "-client";
        }
        Self {
            certificate: format!("{stem}.pem").into(),
            key: format!("{stem}-key.pem").into(),
            chain: None,
        }
    }

    /// Returns the names of the other files, from a certificate's.
    pub fn beside(certificate: &Path) -> Self {
        Self {
            certificate: certificate.into(),
            key: with_suffix(certificate, "-key.pem"),
            chain: None,
        }
    }

    /// Returns the path of the chain beside a certificate.
    pub fn chain_beside(certificate: &Path) -> PathBuf {
        with_suffix(certificate, "-chain.pem")
    }

    /// Writes the files, and replaces existing ones.
    ///
    /// Everything is written and flushed to the disk before the first file gets its name,
    /// so a full disk changes nothing. Each file is replaced in one step; a reader of both
    /// in that moment may find a key that does not fit. Processes that write at once take
    /// turns if the same authority signs for them.
    ///
    /// # Errors
    /// A file cannot be written, or is an authority's.
    pub fn write(&self, issued: &IssuedCertificate) -> Result<(), CertificateFilesError> {
        let chain = issued.pem.clone() + &issued.authority_pem;
        let key = issued.key.serialize_pem();
        let both = issued.pem.clone() + &key;
        let file = |typed: &PathBuf, access, content| {
            let path = target(typed)?;
            let replacement = Replacement {
                path,
                access,
                content,
            };
            Ok((typed.clone(), replacement))
        };
        let certificate = file(&self.certificate, Access::Public, &issued.pem)?;
        // The key first: a certificate always has its key.
        let mut files = vec![file(&self.key, Access::Private, &key)?, certificate];
        // However the paths are typed, a certificate must not replace its own key.
        if files[0].1.path == files[1].1.path {
            files.pop();
            files[0].1.content = &both;
        }
        if let Some(path) = &self.chain {
            files.push(file(path, Access::Public, &chain)?);
        }
        let (typed, files): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        for (position, file) in files.iter().enumerate() {
            if files[..position]
                .iter()
                .any(|other| other.path == file.path)
            {
                let path = typed[position].clone();
                return Err(CertificateFilesError::SamePath(path));
            }
        }
        // The authority's key is the lock: other users cannot open it, and so not hold it.
        let _lock = issued.authority_key.as_deref().map(WriteLock::wait);
        replace_all(&files).map_err(|(failed, source)| {
            let position = files.iter().position(|file| file.path == failed);
            let path = position.map_or(failed, |position| typed[position].clone());
            CertificateFilesError::Write(path, source)
        })
    }
}

/// Returns the file that a path leads to, if it may be replaced.
fn target(path: &Path) -> Result<PathBuf, CertificateFilesError> {
    let refused = |source| CertificateFilesError::Write(path.into(), source);
    // The system decides whether a link is followed: Linux can forbid those of other users
    // in a shared folder.
    let metadata = fs::metadata(path);
    // The file behind a link is replaced, not the link.
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => new_file(path).map_err(refused)?,
        Err(error) => return Err(refused(error)),
    };
    match metadata {
        Ok(metadata) if metadata.is_dir() => {
            return Err(refused(io::ErrorKind::IsADirectory.into()));
        }
        Ok(metadata) if !metadata.is_file() => {
            return Err(refused(io::Error::other("it is no regular file")));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
        _ => {}
    }
    let authorities = [authority::CERTIFICATE_FILE, authority::KEY_FILE];
    let named_so = authorities
        .iter()
        .any(|name| target.file_name().is_some_and(|own| own == *name));
    if named_so || holds_an_authority(&target) {
        return Err(CertificateFilesError::Authority(path.into()));
    }
    Ok(target)
}

/// Returns the canonical path of a file that is not there yet.
fn new_file(path: &Path) -> io::Result<PathBuf> {
    let is_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    match path.file_name() {
        Some(name) if !is_folder => Ok(fs::canonicalize(folder_of(path))?.join(name)),
        _ => Err(io::ErrorKind::IsADirectory.into()),
    }
}

fn holds_an_authority(path: &Path) -> bool {
    let Ok(chain) = read_chain(path) else {
        return false;
    };
    CertificateDetails::of(&chain[0]).is_ok_and(|details| details.is_authority)
}

fn with_suffix(certificate: &Path, suffix: &str) -> PathBuf {
    let mut name = certificate
        .file_stem()
        .map_or_else(OsString::new, OsString::from);
    name.push(suffix);
    certificate.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::{Authority, Identity, IssueRequest, KeyType, Validity};

    fn named(names: &str, client: bool) -> String {
        let names: Vec<SubjectAltName> = names
            .split(' ')
            .map(|name| name.parse().expect("it is a name"))
            .collect();
        CertificateFiles::for_names(&names, client)
            .certificate
            .display()
            .to_string()
    }

    #[test]
    fn files_are_named_as_mkcert_names_them() {
        assert_eq!(named("localhost", false), "localhost.pem");
        assert_eq!(
            named("localhost 127.0.0.1 ::1", true),
            "localhost+2-client.pem"
        );
        assert_eq!(named("::1", false), "__1.pem");
        assert_eq!(named("*.a.test", false), "_wildcard.a.test.pem");
        assert_eq!(named("https://a.test", false), "https___a.test.pem");
    }

    #[test]
    fn whoever_writes_last_writes_both_files() {
        const WRITERS: usize = 8;
        let folder = tempfile::tempdir().unwrap();
        let now = std::time::SystemTime::now();
        let (authority, _) = Authority::open_or_create(folder.path(), None, now).unwrap();
        let files = CertificateFiles::beside(&folder.path().join("a.pem"));
        let names = vec!["localhost".parse().unwrap()];
        let request = IssueRequest::new(names, Validity::Short);
        let issue = || authority.issue(&request, KeyType::Ed25519, None, now);
        let start = Barrier::new(WRITERS);
        for _ in 0..20 {
            thread::scope(|scope| {
                for _ in 0..WRITERS {
                    scope.spawn(|| {
                        let issued = issue().unwrap();
                        start.wait();
                        files.write(&issued).unwrap();
                    });
                }
            });
            Identity::load(&files.certificate, &files.key).unwrap();
        }
    }

    #[test]
    fn the_key_is_beside_its_certificate() {
        let files = CertificateFiles::beside(Path::new("/x/1.2.pem"));
        assert_eq!(files.key, Path::new("/x/1.2-key.pem"));
        assert_eq!(
            CertificateFiles::chain_beside(Path::new("a.crt")),
            Path::new("a-chain.pem")
        );
    }
}

//! Renewal of a certificate on disk.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rcgen::{KeyPair, PublicKeyData};
use rustls_pki_types::{CertificateDer, UnixTime};
use time::Duration;

use crate::authority::Authority;
use crate::credential_file::{read_chain, read_key_pair};
use crate::details::CertificateDetails;
use crate::identity::IdentityError;
use crate::issue::{
    CertificateFiles, IssueError, IssueRequest, IssuedCertificate, Validity, verify_signed_by,
};
use crate::subject_alt_name::SubjectAltName;
use crate::template::CLOCK_SKEW;

/// A certificate on disk that can be renewed, with the same names and type of key.
pub struct RenewableCertificate {
    files: CertificateFiles,
    certificate: CertificateDer<'static>,
    details: CertificateDetails,
    names: Vec<SubjectAltName>,
    key: KeyPair,
}

/// Key of a renewed certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalKey {
    /// A new key of the same type.
    New,
    /// The old key: the pin stays the same.
    Reuse,
}

/// Error of loading a certificate to renew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenewError {
    /// The certificate or its key cannot be read or used, or the key is another's.
    #[error(transparent)]
    Load(#[from] IdentityError),
    /// The certificate is a CA's.
    #[error("the certificate in {} is a CA's: whoever trusts it would not know a new one", .0.display())]
    Authority(PathBuf),
    /// The file holds more than one certificate.
    #[error("{} holds a chain; name the file with the certificate alone", .0.display())]
    Chain(PathBuf),
    /// A name is none that can be issued.
    #[error("the certificate in {} has a name that cannot be asked for: `{}`", .0.display(), .1)]
    Name(PathBuf, String),
    /// The certificate has no subject alternative name.
    #[error("the certificate in {} is for no name", .0.display())]
    Nameless(PathBuf),
    /// No file with the key is found.
    #[error("cannot find the key of {}: it is not in {}", certificate.display(), looked.display())]
    KeyNotFound {
        /// The certificate's file.
        certificate: PathBuf,
        /// Path at which the key was expected.
        looked: PathBuf,
    },
}

impl RenewableCertificate {
    /// Reads a certificate and its key: from the file `key`, else from the file beside it
    /// (`NAME-key.pem`) or the same file.
    ///
    /// # Errors
    /// The certificate cannot be read or renewed.
    pub fn load(certificate: &Path, key: Option<&Path>) -> Result<Self, RenewError> {
        let path = || certificate.to_owned();
        let chain = read_chain(certificate)?;
        let malformed = |source| IdentityError::MalformedCertificate(path(), source);
        let details = CertificateDetails::of(&chain[0]).map_err(malformed)?;
        if chain.len() > 1 {
            return Err(RenewError::Chain(path()));
        }
        if details.is_authority {
            return Err(RenewError::Authority(path()));
        }
        let names = names(certificate, &details)?;
        let (key_path, key) = find_key(certificate, key)?;
        if details.has_key(&key.subject_public_key_info()) {
            let beside = CertificateFiles::chain_beside(certificate);
            let files = CertificateFiles {
                certificate: path(),
                key: key_path,
                chain: beside.is_file().then_some(beside),
            };
            let [certificate] = <[_; 1]>::try_from(chain).expect("there is one");
            return Ok(Self {
                files,
                certificate,
                details,
                names,
                key,
            });
        }
        Err(IdentityError::KeyMismatch {
            certificate: path(),
            key: key_path,
            cause: rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch),
        }
        .into())
    }

    /// Returns the files, which the new ones replace.
    pub fn files(&self) -> &CertificateFiles {
        &self.files
    }

    /// Returns the contents of the certificate.
    pub fn details(&self) -> &CertificateDetails {
        &self.details
    }

    /// Returns whether this authority has signed the certificate, however long ago.
    pub fn is_signed_by(&self, authority: &CertificateDer<'_>) -> bool {
        let end = u64::try_from(self.details.not_after.unix_timestamp()).unwrap_or(0);
        let end = UnixTime::since_unix_epoch(std::time::Duration::from_secs(end));
        let usage = match self.details.for_servers {
            true => webpki::KeyUsage::server_auth(),
            false => webpki::KeyUsage::client_auth(),
        };
        verify_signed_by(&self.certificate, authority, usage, end).is_ok()
    }

    /// Issues a certificate for the same names and purposes, valid for as long as before
    /// or for `validity`.
    ///
    /// # Errors
    /// The authority may not sign it, or the key cannot be made.
    pub fn renew(
        self,
        authority: &Authority,
        key: RenewalKey,
        validity: Option<Validity>,
        owner: Option<&str>,
        now: SystemTime,
    ) -> Result<IssuedCertificate, IssueError> {
        let CertificateDetails {
            not_before,
            not_after,
            ..
        } = self.details;
        let lifetime = (not_after - not_before - CLOCK_SKEW).max(Duration::HOUR);
        let validity = validity.unwrap_or(Validity::AtMost(lifetime));
        let request =
            IssueRequest::new(self.names, validity).with_clients(self.details.for_clients);
        match key {
            RenewalKey::Reuse => authority.issue_for(&request, self.key, owner, now),
            RenewalKey::New => authority.issue(&request, self.details.key_type, owner, now),
        }
    }
}

fn names(path: &Path, details: &CertificateDetails) -> Result<Vec<SubjectAltName>, RenewError> {
    if details.names.is_empty() {
        return Err(RenewError::Nameless(path.into()));
    }
    let parse = |name: &String| {
        name.parse()
            .map_err(|_| RenewError::Name(path.into(), name.clone()))
    };
    details.names.iter().map(parse).collect()
}

fn find_key(certificate: &Path, named: Option<&Path>) -> Result<(PathBuf, KeyPair), RenewError> {
    let beside = CertificateFiles::beside(certificate).key;
    let candidates = match named {
        Some(path) => vec![path.to_owned()],
        None => vec![beside.clone(), certificate.to_owned()],
    };
    for path in candidates {
        let key = match read_key_pair(&path) {
            Ok(key) => key,
            Err(IdentityError::Read(_, source))
                if named.is_none() && source.kind() == io::ErrorKind::NotFound =>
            {
                continue;
            }
            Err(IdentityError::NoKey { .. }) if named.is_none() => continue,
            Err(error) => return Err(error.into()),
        };
        return Ok((path, key));
    }
    Err(RenewError::KeyNotFound {
        certificate: certificate.into(),
        looked: beside,
    })
}

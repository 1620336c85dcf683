//! Certificate authorities in folders: qecho's own, which can sign for loopback names
//! alone, the user's, and mkcert's.

mod error;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rcgen::{Certificate, CertificateParams, Issuer, KeyPair, PublicKeyData};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

use crate::credential_file::{if_there, pem_of, read_chain};
use crate::details::CertificateDetails;
use crate::name_constraints::NameConstraints;
use crate::publish::{Access, PublishOutcome};
use crate::storage;
use crate::template;

pub use error::AuthorityError;

/// The file names are mkcert's, so that people know which is which.
pub(crate) const CERTIFICATE_FILE: &str = "rootCA.pem";
pub(crate) const KEY_FILE: &str = "rootCA-key.pem";

/// A certificate authority and its key.
///
/// The one that signs automatic leaves is for `localhost`, 127.0.0.0/8 and ::1 only. Its
/// certificate says so in name constraints, so that a stolen key can sign for nothing
/// else. No authority is put into a system's store unasked.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    path: Option<PathBuf>,
    expires: OffsetDateTime,
}

/// Origin of an authority that was opened or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityOrigin {
    /// This call made the authority.
    Created,
    /// The authority was there, or another process made it at the same moment.
    Existing,
}

impl Authority {
    /// Makes an authority that lives in memory and leaves nothing behind.
    ///
    /// # Errors
    /// The key cannot be made or used.
    pub fn ephemeral(now: SystemTime) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Sign)?;
        let params = template::authority(&NameConstraints::Loopback, None, now.into())
            .map_err(AuthorityError::Sign)?;
        let certificate = params.self_signed(&key).map_err(AuthorityError::Sign)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            path: None,
            expires: params.not_after,
            issuer: Issuer::new(params, key),
        })
    }

    /// Opens the authority in a folder, or makes one for loopback if there is none.
    ///
    /// # Errors
    /// The same as those of [`open_or_create_for`](Self::open_or_create_for).
    pub fn open_or_create(
        folder: &Path,
        owner: Option<&str>,
        now: SystemTime,
    ) -> Result<(Self, AuthorityOrigin), AuthorityError> {
        Self::open_or_create_for(&NameConstraints::Loopback, folder, owner, now)
    }

    /// Opens the authority in a folder.
    ///
    /// # Errors
    /// [`AuthorityError::NotThere`] if there is none; a file cannot be read, is not what
    /// its name says, or the authority has expired.
    pub fn open(folder: &Path, now: SystemTime) -> Result<Self, AuthorityError> {
        let files = Files::below(folder)?;
        let chain = if_there(read_chain(&files.certificate))?
            .ok_or_else(|| AuthorityError::NotThere(folder.into()))?;
        files.open(&chain, now)
    }

    /// Opens the authority in a folder, whatever it may sign, or makes one with these
    /// constraints if there is none.
    ///
    /// `owner` (see [`crate::folder::owner`]) goes into the name of a new one.
    ///
    /// The key is published before the certificate and neither is ever replaced
    /// (see `publish`). So a certificate always has its key; and a process that finds a
    /// key alone, because another was killed or has not gone on yet, certifies that same
    /// key. Processes that start at once therefore agree on one authority without a lock,
    /// and one that dies in between does not stop the others.
    ///
    /// # Errors
    /// A file cannot be read or written, is not what its name says, or the
    /// authority has expired. Nothing is repaired by overwriting.
    pub fn open_or_create_for(
        constraints: &NameConstraints,
        folder: &Path,
        owner: Option<&str>,
        now: SystemTime,
    ) -> Result<(Self, AuthorityOrigin), AuthorityError> {
        let files = Files::below(folder)?;
        if let Some(chain) = if_there(read_chain(&files.certificate))? {
            return Ok((files.open(&chain, now)?, AuthorityOrigin::Existing));
        }
        storage::create_folder(folder)?;
        let origin = files.create(constraints, owner, now)?;
        let chain = read_chain(&files.certificate)?;
        Ok((files.open(&chain, now)?, origin))
    }

    /// Returns the certificate, for a client to trust.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Returns the certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// Returns the absolute path of the certificate; an ephemeral authority has none.
    pub fn certificate_path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Returns when the authority's own certificate expires.
    pub fn expires(&self) -> OffsetDateTime {
        self.expires
    }

    pub(crate) fn key_path(&self) -> Option<PathBuf> {
        Some(self.path.as_ref()?.with_file_name(KEY_FILE))
    }

    pub(crate) fn sign(
        &self,
        params: &CertificateParams,
        key: &KeyPair,
    ) -> Result<Certificate, rcgen::Error> {
        params.signed_by(key, &self.issuer)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("path", &self.path)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn below(folder: &Path) -> Result<Self, AuthorityError> {
        let folder = storage::absolute(folder)?;
        Ok(Self {
            certificate: folder.join(CERTIFICATE_FILE),
            key: folder.join(KEY_FILE),
        })
    }

    fn create(
        &self,
        constraints: &NameConstraints,
        owner: Option<&str>,
        now: SystemTime,
    ) -> Result<AuthorityOrigin, AuthorityError> {
        let key = storage::open_or_create_key(&self.key, Access::OwnerReadOnly)?;
        let params =
            template::authority(constraints, owner, now.into()).map_err(AuthorityError::Sign)?;
        let pem = params
            .self_signed(&key)
            .map_err(AuthorityError::Sign)?
            .pem();
        Ok(
            match storage::publish(&self.certificate, Access::Public, &pem)? {
                PublishOutcome::Created => AuthorityOrigin::Created,
                PublishOutcome::Existing => AuthorityOrigin::Existing,
            },
        )
    }

    fn open(
        &self,
        chain: &[CertificateDer<'static>],
        now: SystemTime,
    ) -> Result<Authority, AuthorityError> {
        let path = || self.certificate.clone();
        let certificate = chain[0].clone();
        let details = CertificateDetails::of(&certificate)
            .map_err(|source| AuthorityError::MalformedCertificate(path(), source))?;
        if !details.is_authority {
            return Err(AuthorityError::NotAnAuthority(path()));
        }
        if details.not_after < now {
            return Err(AuthorityError::Expired(path(), details.not_after.date()));
        }
        let key = storage::open_key(&self.key)?.ok_or_else(|| AuthorityError::KeyMissing {
            certificate: path(),
            key: self.key.clone(),
        })?;
        if !details.has_key(&key.subject_public_key_info()) {
            return Err(AuthorityError::KeyMismatch {
                certificate: path(),
                key: self.key.clone(),
            });
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(AuthorityError::Sign)?;
        Ok(Authority {
            issuer,
            certificate,
            pem: pem_of(chain),
            path: Some(path()),
            expires: details.not_after,
        })
    }
}

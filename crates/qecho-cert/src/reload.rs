//! Files that may change while a server uses them: the identity that it shows, and the
//! authorities of its clients.

mod clients;
mod watch;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

pub use self::clients::ReloadingClients;
use self::watch::FileWatcher;
pub use self::watch::PollResult;
use crate::identity::{Identity, IdentityError, ServerIdentity};
use crate::pin::Pin;

/// An [`Identity`] that is read again when its files have changed.
///
/// Handshakes from then on see the new one; connections that are there go on. Files
/// that cannot be used change nothing.
pub struct ReloadingIdentity {
    certificate: PathBuf,
    key: PathBuf,
    /// That of the first key: what hangs on it must not change while a server runs.
    secret: [u8; 32],
    current: RwLock<Arc<Identity>>,
    watch: FileWatcher,
}

impl ReloadingIdentity {
    /// Loads a chain and its key, as [`Identity::load`] does.
    ///
    /// # Errors
    /// Those of [`Identity::load`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let watch = FileWatcher::new(vec![certificate.into(), key.into()]);
        let identity = Identity::load(certificate, key)?;
        Ok(Self {
            certificate: certificate.into(),
            key: key.into(),
            secret: identity.secret(),
            current: RwLock::new(Arc::new(identity)),
            watch,
        })
    }

    /// Looks whether the files have changed, and reads them again once they are the
    /// same at two looks: two files cannot be replaced at once.
    pub fn poll(&self) -> PollResult<IdentityError> {
        self.watch.poll(|| self.read())
    }

    /// Reads the files again, whether they have changed or not.
    ///
    /// # Errors
    /// They cannot be used; the old ones stay in use.
    pub fn reload(&self) -> Result<(), IdentityError> {
        self.watch.reload(|| self.read())
    }

    fn read(&self) -> Result<(), IdentityError> {
        let identity = Identity::load(&self.certificate, &self.key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
        Ok(())
    }

    fn current(&self) -> Arc<Identity> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServerIdentity for ReloadingIdentity {
    fn names(&self) -> Vec<String> {
        self.current().names()
    }

    fn expires(&self) -> OffsetDateTime {
        self.current().expires()
    }

    fn pin(&self) -> Pin {
        self.current().pin()
    }

    fn authority_path(&self) -> Option<&Path> {
        None
    }

    fn secret(&self) -> [u8; 32] {
        self.secret
    }
}

impl ResolvesServerCert for ReloadingIdentity {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current().resolve(client_hello)
    }
}

impl fmt::Debug for ReloadingIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadingIdentity")
            .field("certificate", &self.certificate)
            .field("current", &self.current())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;
    use crate::{Authority, CertificateFiles, IssueRequest, IssuedCertificate, KeyType, Validity};

    struct Place {
        _folder: tempfile::TempDir,
        authority: Authority,
        files: CertificateFiles,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let files = CertificateFiles::beside(&folder.path().join("a.pem"));
            let place = Self {
                _folder: folder,
                authority: Authority::ephemeral(SystemTime::now()).unwrap(),
                files,
            };
            place.files.write(&place.issue()).unwrap();
            place
        }

        fn issue(&self) -> IssuedCertificate {
            let request = IssueRequest {
                names: vec!["localhost".parse().unwrap()],
                client: false,
                life: Validity::Short,
            };
            let now = SystemTime::now();
            let issued = self
                .authority
                .issue(&request, KeyType::EcdsaP256, None, now);
            issued.unwrap()
        }

        fn identity(&self) -> ReloadingIdentity {
            ReloadingIdentity::load(&self.files.certificate, &self.files.key).unwrap()
        }
    }

    #[test]
    fn files_that_are_replaced_come_into_use_once_they_rest() {
        let place = Place::new();
        let identity = place.identity();
        let (pin, secret) = (identity.pin(), identity.secret());
        assert!(matches!(identity.poll(), PollResult::Unchanged));
        place.files.write(&place.issue()).unwrap();
        assert!(matches!(identity.poll(), PollResult::Changing));
        assert_eq!(identity.pin(), pin);
        assert!(matches!(identity.poll(), PollResult::Reloaded));
        assert_ne!(identity.pin(), pin);
        assert_eq!(identity.secret(), secret);
        assert!(matches!(identity.poll(), PollResult::Unchanged));
    }

    #[test]
    fn broken_files_are_told_of_once_and_change_nothing() {
        let place = Place::new();
        let identity = place.identity();
        let pin = identity.pin();
        for breakage in ["", "garbage"] {
            fs::write(&place.files.certificate, breakage).unwrap();
            assert!(matches!(identity.poll(), PollResult::Changing));
            assert!(matches!(identity.poll(), PollResult::Failed(_)));
            assert!(matches!(identity.poll(), PollResult::Unchanged));
            assert!(identity.reload().is_err());
        }
        fs::remove_file(&place.files.certificate).unwrap();
        assert!(matches!(identity.poll(), PollResult::Changing));
        assert!(matches!(
            identity.poll(),
            PollResult::Failed(IdentityError::Read { .. })
        ));
        assert_eq!(identity.pin(), pin);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_whose_rights_come_later_is_read_then() {
        use std::os::unix::fs::PermissionsExt;
        let place = Place::new();
        let identity = place.identity();
        let pin = identity.pin();
        place.files.write(&place.issue()).unwrap();
        let key = &place.files.key;
        let set = |mode| fs::set_permissions(key, fs::Permissions::from_mode(mode)).unwrap();
        set(0o000);
        assert!(matches!(identity.poll(), PollResult::Changing));
        // Who runs as root reads it all the same.
        let kept = matches!(
            identity.poll(),
            PollResult::Failed(IdentityError::Read { .. })
        );
        assert_eq!(kept, identity.pin() == pin);
        set(0o600);
        assert!(matches!(identity.poll(), PollResult::Changing));
        assert!(matches!(identity.poll(), PollResult::Reloaded));
        assert_ne!(identity.pin(), pin);
    }

    #[test]
    fn a_key_without_its_certificate_waits_for_it() {
        let place = Place::new();
        let identity = place.identity();
        let old = fs::read(&place.files.certificate).unwrap();
        place.files.write(&place.issue()).unwrap();
        let new = fs::read(&place.files.certificate).unwrap();
        fs::write(&place.files.certificate, old).unwrap();
        assert!(matches!(identity.poll(), PollResult::Changing));
        fs::write(&place.files.certificate, new).unwrap();
        let mut looks = Vec::new();
        for _ in 0..3 {
            looks.push(identity.poll());
        }
        assert!(
            looks
                .iter()
                .any(|look| matches!(look, PollResult::Reloaded))
        );
        assert!(
            !looks
                .iter()
                .any(|look| matches!(look, PollResult::Failed(_)))
        );
    }
}

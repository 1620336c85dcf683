//! The certificate of a server whose files may change while it runs.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

use crate::identity::{Identity, IdentityError, ServerIdentity};
use crate::pin::Pin;
use crate::reloading::{PollResult, Reloading};

/// An [`Identity`] that is read again when its files have changed.
///
/// Later handshakes use the new one; existing connections go on. Files that cannot be
/// used change nothing.
pub struct ReloadingIdentity {
    files: Reloading<Identity, IdentityError>,
    /// Derived from the first key: what depends on it must not change while a server runs.
    secret: [u8; 32],
}

impl ReloadingIdentity {
    /// Loads a chain and its key, as [`Identity::load`] does.
    ///
    /// # Errors
    /// The same as those of [`Identity::load`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let paths = vec![certificate.into(), key.into()];
        let files = Reloading::load(paths, |paths| Identity::load(&paths[0], &paths[1]))?;
        let secret = files.current().secret();
        Ok(Self { files, secret })
    }

    /// Reads the files again if they have changed and are the same at two polls: two
    /// files cannot be replaced at once.
    pub fn poll(&self) -> PollResult<IdentityError> {
        self.files.poll()
    }

    /// Reads the files again, whether they have changed or not.
    ///
    /// # Errors
    /// The files cannot be used; the old ones stay in use.
    pub fn reload(&self) -> Result<(), IdentityError> {
        self.files.reload()
    }
}

impl ServerIdentity for ReloadingIdentity {
    fn names(&self) -> Vec<String> {
        self.files.current().names()
    }

    fn expires(&self) -> OffsetDateTime {
        self.files.current().expires()
    }

    fn pin(&self) -> Pin {
        self.files.current().pin()
    }

    fn secret(&self) -> [u8; 32] {
        self.secret
    }
}

impl ResolvesServerCert for ReloadingIdentity {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        ResolvesServerCert::resolve(&*self.files.current(), client_hello)
    }
}

impl fmt::Debug for ReloadingIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadingIdentity")
            .field("paths", &self.files.paths())
            .field("current", &self.files.current())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;
    use crate::{Authority, CertificateFiles, IssueRequest, IssuedCertificate, KeyType, Validity};

    struct Fixture {
        _folder: tempfile::TempDir,
        authority: Authority,
        files: CertificateFiles,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let files = CertificateFiles::beside(&folder.path().join("a.pem"));
            let fixture = Self {
                _folder: folder,
                authority: Authority::ephemeral(SystemTime::now()).unwrap(),
                files,
            };
            fixture.files.write(&fixture.issue()).unwrap();
            fixture
        }

        fn issue(&self) -> IssuedCertificate {
            let names = vec!["localhost".parse().unwrap()];
            let request = IssueRequest::new(names, Validity::Short);
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
        let fixture = Fixture::new();
        let identity = fixture.identity();
        let (pin, secret) = (identity.pin(), identity.secret());
        assert!(matches!(identity.poll(), PollResult::Unchanged));
        fixture.files.write(&fixture.issue()).unwrap();
        assert!(matches!(identity.poll(), PollResult::Changing));
        assert_eq!(identity.pin(), pin);
        assert!(matches!(identity.poll(), PollResult::Reloaded));
        assert_ne!(identity.pin(), pin);
        assert_eq!(identity.secret(), secret);
        assert!(matches!(identity.poll(), PollResult::Unchanged));
    }

    #[test]
    fn broken_files_are_told_of_once_and_change_nothing() {
        let fixture = Fixture::new();
        let identity = fixture.identity();
        let pin = identity.pin();
        for breakage in ["", "garbage"] {
            fs::write(&fixture.files.certificate, breakage).unwrap();
            assert!(matches!(identity.poll(), PollResult::Changing));
            assert!(matches!(identity.poll(), PollResult::Failed(_)));
            assert!(matches!(identity.poll(), PollResult::Unchanged));
            assert!(identity.reload().is_err());
        }
        fs::remove_file(&fixture.files.certificate).unwrap();
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
        let fixture = Fixture::new();
        let identity = fixture.identity();
        let pin = identity.pin();
        fixture.files.write(&fixture.issue()).unwrap();
        let key = &fixture.files.key;
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
        let fixture = Fixture::new();
        let identity = fixture.identity();
        let old = fs::read(&fixture.files.certificate).unwrap();
        fixture.files.write(&fixture.issue()).unwrap();
        let new = fs::read(&fixture.files.certificate).unwrap();
        fs::write(&fixture.files.certificate, old).unwrap();
        assert!(matches!(identity.poll(), PollResult::Changing));
        fs::write(&fixture.files.certificate, new).unwrap();
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

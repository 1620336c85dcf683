//! The authorities of a server's clients, whose files may change while it runs.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::watch::{FileWatcher, PollResult};
use crate::trust::{ClientVerifier, TrustError};

/// A [`ClientVerifier`] whose files are read again when they have changed.
///
/// Handshakes from then on are judged by the new ones; connections that are there go
/// on. Files that cannot be used change nothing.
///
/// Clients are not told by name which authorities they may come with (RFC 8446
/// §4.2.4): they show the certificate that they have.
#[derive(Debug)]
pub struct ReloadingClients {
    current: RwLock<Arc<ClientVerifier>>,
    watch: FileWatcher,
}

impl ReloadingClients {
    /// Loads the authorities (PEM), as [`ClientVerifier::new`] does.
    ///
    /// # Errors
    /// Those of [`ClientVerifier::new`].
    pub fn load(ca_files: &[PathBuf]) -> Result<Self, TrustError> {
        let watch = FileWatcher::new(ca_files.to_vec());
        Ok(Self {
            current: RwLock::new(ClientVerifier::new(ca_files)?),
            watch,
        })
    }

    /// Returns the files of the authorities.
    pub fn paths(&self) -> &[PathBuf] {
        self.watch.paths()
    }

    /// Looks whether the files have changed, and reads them again once they are the
    /// same at two looks.
    pub fn poll(&self) -> PollResult<TrustError> {
        self.watch.poll(|| self.read())
    }

    /// Reads the files again, whether they have changed or not.
    ///
    /// # Errors
    /// They cannot be used; the old ones stay in use.
    pub fn reload(&self) -> Result<(), TrustError> {
        self.watch.reload(|| self.read())
    }

    fn read(&self) -> Result<(), TrustError> {
        let verifier = ClientVerifier::new(self.paths())?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = verifier;
        Ok(())
    }

    fn current(&self) -> Arc<ClientVerifier> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientCertVerifier for ReloadingClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.current()
            .verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current()
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current()
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current().supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;
    use crate::{Authority, IssueRequest, KeyType, Validity};

    #[test]
    fn new_authorities_let_their_clients_in_and_broken_files_change_nothing() {
        let now = SystemTime::now();
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let authorities = [&folders[0], &folders[1]].map(|folder| {
            Authority::open_or_create(folder.path(), None, now)
                .unwrap()
                .0
        });
        let root = |one: usize| folders[one].path().join("rootCA.pem");
        let file = folders[0].path().join("clients.pem");
        fs::copy(root(0), &file).unwrap();
        let clients = ReloadingClients::load(std::slice::from_ref(&file)).unwrap();
        let lets_in = |one: usize| {
            let request = IssueRequest {
                names: vec!["localhost".parse().unwrap()],
                client: true,
                life: Validity::Days(1),
            };
            let issued = authorities[one].issue(&request, KeyType::EcdsaP256, None, now);
            let issued = issued.unwrap();
            let verdict = clients.verify_client_cert(issued.certificate(), &[], UnixTime::now());
            verdict.is_ok()
        };
        assert_eq!([lets_in(0), lets_in(1)], [true, false]);
        fs::write(&file, "garbage").unwrap();
        assert!(matches!(clients.poll(), PollResult::Changing));
        assert!(matches!(clients.poll(), PollResult::Failed(_)));
        assert!(matches!(clients.poll(), PollResult::Unchanged));
        assert!(clients.reload().is_err());
        assert_eq!([lets_in(0), lets_in(1)], [true, false]);
        fs::copy(root(1), &file).unwrap();
        assert!(matches!(clients.poll(), PollResult::Changing));
        assert!(matches!(clients.poll(), PollResult::Reloaded));
        assert_eq!([lets_in(0), lets_in(1)], [false, true]);
        assert!(clients.reload().is_ok());
    }
}

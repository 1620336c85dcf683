//! Verification of clients by the certificates that they show.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::anchors::{TrustError, certificates_in};
use super::reason::RejectionReason;
use crate::details::CertificateDetails;
use crate::reloading::{PollResult, Reloading};

/// Accepts the clients whose certificate was signed for clients by an authority in some
/// files, which are read again when they have changed.
///
/// The error of a rejected client says why in plain words. Later handshakes use the new
/// files; existing connections go on. Files that cannot be used change nothing.
///
/// Clients are not told the names of the authorities (RFC 8446 §4.2.4): they show the
/// certificate that they have.
#[derive(Debug)]
pub struct ClientVerifier {
    files: Reloading<Authorities, TrustError>,
}

/// Authorities from files, and the verifier that trusts them.
#[derive(Debug)]
struct Authorities {
    verifier: Arc<dyn ClientCertVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

/// Error of a rejected client: the reason in plain words.
#[derive(Debug, thiserror::Error)]
#[error("the client is refused: {0}")]
struct ClientRejected(String);

impl ClientVerifier {
    /// Loads the authorities (PEM).
    ///
    /// # Errors
    /// A file cannot be read or used, or has a certificate in it that is no CA's.
    pub fn load(ca_files: &[PathBuf]) -> Result<Self, TrustError> {
        let files = Reloading::load(ca_files.to_vec(), Authorities::read)?;
        Ok(Self { files })
    }

    /// Returns the files of the authorities.
    pub fn paths(&self) -> &[PathBuf] {
        self.files.paths()
    }

    /// Reads the files again if they have changed and are the same at two polls.
    pub fn poll(&self) -> PollResult<TrustError> {
        self.files.poll()
    }

    /// Reads the files again, whether they have changed or not.
    ///
    /// # Errors
    /// The files cannot be used; the old ones stay in use.
    pub fn reload(&self) -> Result<(), TrustError> {
        self.files.reload()
    }

    fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.files.current().verifier)
    }
}

impl Authorities {
    fn read(ca_files: &[PathBuf]) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        let mut certificates = Vec::new();
        for path in ca_files {
            for certificate in certificates_in(path)? {
                let unusable = |cause| TrustError::Unusable(path.clone(), cause);
                roots.add(certificate.clone()).map_err(unusable)?;
                let details = CertificateDetails::of(&certificate);
                // A self-signed one can be a client's own, and is trusted for it alone.
                if details.is_ok_and(|details| !details.is_authority && !details.self_issued) {
                    return Err(TrustError::NotAnAuthority(path.clone()));
                }
                certificates.push(certificate);
            }
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_| TrustError::NoAuthority)?;
        Ok(Self {
            verifier,
            certificates,
        })
    }

    fn rejection(&self, error: &Error, certificate: &CertificateDer<'_>) -> ClientRejected {
        use RejectionReason as Reason;
        let is_anchor = self.certificates.iter().any(|own| own == certificate);
        // A client is verified for no host.
        let reason = match Reason::of(error, certificate, "", is_anchor) {
            reason @ Reason::IssuerKeyDiffers(_) => {
                Reason::of_issuer(&[certificate], self.certificates.iter()).unwrap_or(reason)
            }
            reason => reason,
        };
        ClientRejected(match reason {
            Reason::Version(version) => {
                format!("the certificate is of X.509 version {version}, and must be of version 3")
            }
            Reason::Malformed => "its certificate is malformed".to_owned(),
            Reason::WrongPurpose => "the certificate is not meant for a client".to_owned(),
            Reason::CaUsedAsEndEntity | Reason::AnchorUsedAsEndEntity => {
                "this is a CA's own certificate and cannot be a client's".to_owned()
            }
            reason => reason.to_string(),
        })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let authorities = self.files.current();
        let refused = |rejected| CertificateError::Other(OtherError(Arc::new(rejected))).into();
        let verified = authorities
            .verifier
            .verify_client_cert(end_entity, intermediates, now)
            .map_err(|error| refused(authorities.rejection(&error, end_entity)))?;
        // The chain says nothing of whether the handshake's signature can be verified.
        match CertificateDetails::of(end_entity) {
            Ok(details) if !details.key_type.is_accepted() => {
                let reason = RejectionReason::KeyNotAccepted(details.key_type);
                Err(refused(ClientRejected(reason.to_string())))
            }
            _ => Ok(verified),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier()
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier().supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{Authority, IssueRequest, KeyType, Validity};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn folder_with_authority() -> (tempfile::TempDir, Authority) {
        let folder = tempfile::tempdir().unwrap();
        let opened = Authority::open_or_create(folder.path(), None, SystemTime::now());
        (folder, opened.unwrap().0)
    }

    /// Returns the error for a certificate of one day, or an empty text.
    fn error_of(
        verifier: &ClientVerifier,
        signer: &Authority,
        for_clients: bool,
        age: Duration,
    ) -> String {
        let now = SystemTime::now();
        let names = vec!["localhost".parse().unwrap()];
        let request = IssueRequest::new(names, Validity::Days(1)).with_clients(for_clients);
        let issued = signer.issue(&request, KeyType::Ed25519, None, now).unwrap();
        let then = (now + age).duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let then = UnixTime::since_unix_epoch(then);
        match verifier.verify_client_cert(issued.certificate(), &[], then) {
            Ok(_) => String::new(),
            Err(Error::InvalidCertificate(CertificateError::Other(other))) => other.0.to_string(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn clients_are_let_in_or_refused_with_a_reason() {
        let (folder, ours) = folder_with_authority();
        let verifier = ClientVerifier::load(&[folder.path().join("rootCA.pem")]).unwrap();
        let theirs = Authority::ephemeral(SystemTime::now()).unwrap();
        let error = |signer, for_clients, age| error_of(&verifier, signer, for_clients, age);
        assert_eq!(error(&ours, true, Duration::ZERO), "");
        for (said, words) in [
            (
                error(&ours, false, Duration::ZERO),
                "is not meant for a client",
            ),
            (error(&ours, true, 2 * DAY), "the certificate expired on "),
            (
                error(&theirs, true, Duration::ZERO),
                "but another key signed it",
            ),
        ] {
            assert!(said.starts_with("the client is refused: "), "{said}");
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn new_authorities_let_their_clients_in_and_broken_files_change_nothing() {
        let places = [folder_with_authority(), folder_with_authority()];
        let root = |one: usize| places[one].0.path().join("rootCA.pem");
        let file = places[0].0.path().join("clients.pem");
        fs::copy(root(0), &file).unwrap();
        let clients = ClientVerifier::load(std::slice::from_ref(&file)).unwrap();
        let let_in = || {
            [&places[0].1, &places[1].1]
                .map(|signer| error_of(&clients, signer, true, Duration::ZERO).is_empty())
        };
        assert_eq!(let_in(), [true, false]);
        fs::write(&file, "garbage").unwrap();
        assert!(matches!(clients.poll(), PollResult::Changing));
        assert!(matches!(clients.poll(), PollResult::Failed(_)));
        assert!(matches!(clients.poll(), PollResult::Unchanged));
        assert!(clients.reload().is_err());
        assert_eq!(let_in(), [true, false]);
        fs::copy(root(1), &file).unwrap();
        assert!(matches!(clients.poll(), PollResult::Changing));
        assert!(matches!(clients.poll(), PollResult::Reloaded));
        assert_eq!(let_in(), [false, true]);
        assert!(clients.reload().is_ok());
    }
}

//! Which clients a server lets in, by the certificates that they show.

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::anchors::{TrustError, certificates_in};
use super::context::{CertificateContext, TrustStanding};
use super::reason::RejectionReason;
use crate::facts::Facts;

/// Lets in the clients whose certificate an authority in some files has signed for
/// clients, and nobody else.
///
/// Whom it refuses is told why in plain words, by [`Refusal`] inside the error.
pub struct ClientVerifier {
    verifier: Arc<dyn ClientCertVerifier>,
    authorities: Vec<CertificateDer<'static>>,
    paths: Vec<PathBuf>,
}

/// Why a client is refused, in plain words.
#[derive(Debug)]
pub struct Refusal(String);

impl ClientVerifier {
    /// Loads the authorities (PEM).
    ///
    /// # Errors
    /// A file cannot be read or used, or has a certificate in it that is no CA's.
    pub fn new(ca_files: &[PathBuf]) -> Result<Arc<Self>, TrustError> {
        let mut roots = RootCertStore::empty();
        let mut authorities = Vec::new();
        for path in ca_files {
            for certificate in certificates_in(path)? {
                let unusable = |cause| TrustError::Unusable {
                    path: path.clone(),
                    cause,
                };
                roots.add(certificate.clone()).map_err(unusable)?;
                let facts = Facts::of(&certificate);
                // One that signed itself can be a client's own, and vouch for it alone.
                if facts.is_ok_and(|facts| !facts.is_authority && !facts.self_issued) {
                    return Err(TrustError::NotAnAuthority { path: path.clone() });
                }
                authorities.push(certificate);
            }
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_| TrustError::NoAuthority)?;
        Ok(Arc::new(Self {
            verifier,
            authorities,
            paths: ca_files.to_vec(),
        }))
    }

    /// Returns the files of the authorities.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(PathBuf::as_path)
    }

    fn refusal(
        &self,
        error: &Error,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Refusal {
        let Ok(facts) = Facts::of(end_entity) else {
            return Refusal("the client is refused: its certificate is malformed".to_owned());
        };
        let standing = match self.authorities.iter().any(|own| own == end_entity) {
            true => TrustStanding::Anchor,
            false => TrustStanding::Unknown,
        };
        // A client is called by no name, and none is looked at.
        let name = ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into());
        let context = CertificateContext {
            end_entity,
            intermediates,
            name: &name,
            ocsp_response: &[],
            now,
        };
        let reason = match RejectionReason::of(error, &facts, &context, standing) {
            RejectionReason::WrongPurpose => "the certificate is not meant for a client".to_owned(),
            RejectionReason::CaUsedAsEndEntity | RejectionReason::AnchorUsedAsEndEntity => {
                "this is a CA's own certificate and cannot be a client's".to_owned()
            }
            reason => reason.to_string(),
        };
        Refusal(format!("the client is refused: {reason}"))
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .verifier
            .verify_client_cert(end_entity, intermediates, now);
        verified.map_err(|error| {
            let refusal = self.refusal(&error, end_entity, intermediates, now);
            CertificateError::Other(OtherError(Arc::new(refusal))).into()
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientVerifier")
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Refusal {}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{Authority, IssueRequest, KeyType, Validity};

    #[test]
    fn clients_are_let_in_or_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let (ours, _) = Authority::open_or_create(folder.path(), None, now).unwrap();
        let verifier = ClientVerifier::new(&[folder.path().join("rootCA.pem")]).unwrap();
        let theirs = Authority::ephemeral(now).unwrap();
        let day = Duration::from_secs(24 * 60 * 60);
        let judge = |authority: &Authority, client, age: u32| {
            let request = IssueRequest {
                names: vec!["localhost".parse().unwrap()],
                client,
                life: Validity::Days(1),
            };
            let issued = authority.issue(&request, KeyType::Ed25519, None, now);
            let then = (now + day * age).duration_since(SystemTime::UNIX_EPOCH);
            let then = UnixTime::since_unix_epoch(then.unwrap());
            let verdict = verifier.verify_client_cert(issued.unwrap().certificate(), &[], then);
            match verdict {
                Ok(_) => String::new(),
                Err(Error::InvalidCertificate(CertificateError::Other(other))) => {
                    other.0.to_string()
                }
                Err(other) => panic!("{other:?}"),
            }
        };
        assert_eq!(judge(&ours, true, 0), "");
        for (said, words) in [
            (judge(&ours, false, 0), "is not meant for a client"),
            (judge(&ours, true, 2), "the certificate expired on "),
            (judge(&theirs, true, 0), "but another key signed it"),
        ] {
            assert!(said.starts_with("the client is refused: "), "{said}");
            assert!(said.contains(words), "{said}");
        }
    }
}

//! Verification of servers and clients.

mod anchors;
mod client_verifier;
mod error_text;
mod failure;
mod handshake_signature;
mod local_authority;
mod policy;
mod reason;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::pin::Pin;
use anchors::CertificateContext;
use policy::TrustPolicy;

pub use anchors::{Anchor, TrustError};
pub use client_verifier::ClientVerifier;
pub use failure::VerifyFailure;
pub use local_authority::LocalAuthority;
pub use reason::RejectionReason;

/// Trust anchors of a client.
///
/// The first of these that is given decides alone: `pin`, `insecure`, `ca_files`.
/// If none is, the platform's roots are trusted for every name, and before them
/// `local_authorities` for loopback names.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TrustSettings {
    /// PEM files with CA certificates: exactly these are trusted.
    pub ca_files: Vec<PathBuf>,
    /// The only key to accept; it replaces chain, name and expiry checks.
    pub pin: Option<Pin>,
    /// Accept every server.
    pub insecure: bool,
    /// The local authorities to trust for loopback names.
    pub local_authorities: Vec<LocalAuthority>,
}

impl TrustSettings {
    /// Sets [`ca_files`](Self::ca_files).
    pub fn with_ca_files(self, ca_files: Vec<PathBuf>) -> Self {
        Self { ca_files, ..self }
    }

    /// Sets [`pin`](Self::pin).
    pub fn with_pin(self, pin: impl Into<Option<Pin>>) -> Self {
        let pin = pin.into();
        Self { pin, ..self }
    }

    /// Sets [`insecure`](Self::insecure).
    pub fn with_insecure(self, insecure: bool) -> Self {
        Self { insecure, ..self }
    }

    /// Sets [`local_authorities`](Self::local_authorities).
    pub fn with_local_authorities(self, local_authorities: Vec<LocalAuthority>) -> Self {
        Self {
            local_authorities,
            ..self
        }
    }
}

/// Verifies servers, and remembers the anchor or the failure of the last one.
///
/// The handshake's signature is verified always, so that the server holds the
/// certificate's key. A pinned key, or that of any server if all are accepted, may be of
/// a kind that is accepted in no other case (RSA-PSS), and in a certificate of any version. A resumed session is not verified again: the result of the full
/// handshake before it stays.
#[derive(Debug)]
pub struct TrustVerifier {
    policy: TrustPolicy,
    algorithms: WebPkiSupportedAlgorithms,
    outcome: Mutex<Outcome>,
    /// The chain of the last server, leaf first.
    shown: Mutex<Vec<CertificateDer<'static>>>,
}

#[derive(Debug)]
enum Outcome {
    Pending,
    Verified(Anchor),
    Failed(Box<VerifyFailure>),
}

impl TrustVerifier {
    /// Loads what the settings name.
    ///
    /// Local authorities that cannot be loaded are passed over, and named in
    /// [`VerifyFailure::notes`]. The platform's roots are loaded when first needed.
    ///
    /// # Errors
    /// A CA file cannot be read or used.
    pub fn new(settings: TrustSettings) -> Result<Arc<Self>, TrustError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let policy = TrustPolicy::of(settings, provider)?;
        Ok(Arc::new(Self {
            policy,
            algorithms,
            outcome: Mutex::new(Outcome::Pending),
            shown: Mutex::default(),
        }))
    }

    /// Verifies a chain (leaf first) for a name at a time, as in a handshake but for its
    /// signature; the result is not remembered.
    ///
    /// # Errors
    /// No anchor leads to the chain, or it is not valid for the name or the time.
    pub fn verify_chain(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: SystemTime,
    ) -> Result<Anchor, Box<VerifyFailure>> {
        let (end_entity, intermediates) = match chain {
            [end_entity, intermediates @ ..] => (end_entity, intermediates),
            [] => (&CertificateDer::from_slice(&[]), chain),
        };
        let since = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.policy.verify_chain(&CertificateContext {
            end_entity,
            intermediates,
            name,
            ocsp_response: &[],
            now: UnixTime::since_unix_epoch(since),
        })
    }

    /// Returns the anchor of the server verified last, if it was accepted.
    pub fn verified_by(&self) -> Option<Anchor> {
        match &*self.outcome() {
            Outcome::Verified(anchor) => Some(anchor.clone()),
            Outcome::Pending | Outcome::Failed(_) => None,
        }
    }

    /// Returns the failure of the server verified last, if it was refused.
    pub fn failure(&self) -> Option<VerifyFailure> {
        match &*self.outcome() {
            Outcome::Failed(failure) => Some(VerifyFailure::clone(failure)),
            Outcome::Pending | Outcome::Verified(_) => None,
        }
    }

    /// Returns the chain that the last server showed, leaf first, be it accepted or not;
    /// empty if none was shown.
    pub fn shown_chain(&self) -> Vec<CertificateDer<'static>> {
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // A server without the certificate's key is refused after the chain was accepted.
    fn note_signature<T>(
        &self,
        certificate: &CertificateDer<'_>,
        checked: Result<T, Error>,
    ) -> Result<T, Error> {
        if checked.is_err() {
            let failure = VerifyFailure::of_signature(
                certificate,
                self.shown_chain().get(1..).unwrap_or_default(),
            );
            *self.outcome() = Outcome::Failed(Box::new(failure));
        }
        checked
    }
}

impl ServerCertVerifier for TrustVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) =
            chain.map(|shown| shown.clone().into_owned()).collect();
        let context = CertificateContext {
            end_entity,
            intermediates,
            name,
            ocsp_response,
            now,
        };
        match self.policy.verify_chain(&context) {
            Ok(anchor) => {
                *self.outcome() = Outcome::Verified(anchor);
                Ok(ServerCertVerified::assertion())
            }
            Err(failure) => {
                let error = failure.tls_error().clone();
                *self.outcome() = Outcome::Failed(failure);
                Err(error)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let checked = verify_tls12_signature(message, certificate, signed, &self.algorithms);
        self.note_signature(certificate, checked)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let checked = match self.policy.is_for_any_certificate() {
            true => handshake_signature::verify(message, certificate, signed, &self.algorithms)
                .map(|()| HandshakeSignatureValid::assertion()),
            false => verify_tls13_signature(message, certificate, signed, &self.algorithms),
        };
        self.note_signature(certificate, checked)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        // Also where such a key is refused: only a server that may sign with it shows its
        // certificate, so that it can be said what is wrong. They are last, for servers that have
        // another key.
        schemes.extend(handshake_signature::RSA_PSS_KEY_SCHEMES);
        if self.policy.is_for_any_certificate() {
            // It cannot be verified, but a server that has no other key shows its certificate.
            schemes.push(SignatureScheme::ED448);
        }
        schemes
    }
}

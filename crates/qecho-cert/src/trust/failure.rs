//! Failed verification of a server, in plain words.

use std::fmt;

use rustls::{CertificateError, Error};
use rustls_pki_types::CertificateDer;

use super::anchors::CertificateContext;
use super::reason::RejectionReason;
use crate::details::CertificateDetails;
use crate::key_type::KeyType;
use crate::pin::Pin;

const NO_AUTHORITY: &str = "make the server's certificate with basicConstraints CA:FALSE";

/// Failed verification of a server's certificate: the reason, and a hint on what to do.
///
/// Displayed as one line without a full stop; [`VerifyFailure::hint`] is another.
#[derive(Clone, Debug)]
pub struct VerifyFailure {
    reason: RejectionReason,
    seen: Option<Pin>,
    notes: Vec<String>,
    error: Error,
}

impl VerifyFailure {
    /// Returns the reason.
    pub fn reason(&self) -> &RejectionReason {
        &self.reason
    }

    /// Returns the pin of the server's key, if it could be read.
    pub fn seen(&self) -> Option<Pin> {
        self.seen
    }

    /// Returns one line for each anchor that could not be used.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns one line on what to do.
    pub fn hint(&self) -> String {
        let accept = match self.seen {
            Some(pin) => format!(
                "accept exactly this key, if the server prints this very pin, with --pin {pin}"
            ),
            None => "ask whoever runs the server".to_owned(),
        };
        match self.reason {
            RejectionReason::UntrustedIssuer { .. } | RejectionReason::NameNotPermitted { .. } => {
                format!("give the server's CA with --ca FILE, or {accept}")
            }
            RejectionReason::IssuerKeyDiffers { .. } => format!(
                "if the CA was made anew, restart the server; \
                 else give the server's CA with --ca FILE, or {accept}"
            ),
            RejectionReason::SelfSigned | RejectionReason::WrongPurpose => accept,
            RejectionReason::CaUsedAsEndEntity => format!("{NO_AUTHORITY}, or {accept}"),
            RejectionReason::AnchorUsedAsEndEntity => match self.seen {
                Some(pin) => format!("{NO_AUTHORITY}, or accept exactly this key with --pin {pin}"),
                None => NO_AUTHORITY.to_owned(),
            },
            RejectionReason::SignatureAlgorithm { .. }
            | RejectionReason::IntermediateSignatureAlgorithm { .. } => {
                format!("the server needs a certificate signed with SHA-256 or better, or {accept}")
            }
            RejectionReason::KeyNotAccepted(key) if key.is_verifiable() => {
                format!("the server needs another key, or {accept}")
            }
            RejectionReason::KeyNotAccepted(_) => {
                "the server needs another key: nothing that is signed with this one can be \
                 checked, so --insecure and --pin do not help"
                    .to_owned()
            }
            RejectionReason::Version(_) => {
                format!("the server needs a certificate of version 3, or {accept}")
            }
            RejectionReason::IssuerKeyNotAccepted(_) => {
                format!("the server needs a certificate of another CA, or {accept}")
            }
            RejectionReason::Expired { .. } | RejectionReason::IntermediateExpired { .. } => {
                "check the clock; if it is right, the server needs a new certificate".to_owned()
            }
            RejectionReason::NotYetValid { .. } => {
                "check the clock, here and on the server".to_owned()
            }
            RejectionReason::WrongName { .. } => {
                format!("call the server by a name the certificate is valid for, or {accept}")
            }
            RejectionReason::WrongPin { seen, .. } => format!(
                "the server has another key now, or this is another server; \
                 if you expected that, use --pin {seen}"
            ),
            RejectionReason::AddressAsHost(address) => {
                format!(
                    "the server needs a certificate with subjectAltName=IP:{address}, or {accept}"
                )
            }
            RejectionReason::FingerprintAsPin(_) => {
                let alone = || "a pin is of the key alone".to_owned();
                let with_pin = |seen| format!("a pin is of the key alone: use --pin {seen}");
                self.seen.map_or_else(alone, with_pin)
            }
            RejectionReason::ChainOrder(place) => order_hint(place),
            RejectionReason::HandshakeSignature => {
                "somebody may be in between: do not go on before you know who".to_owned()
            }
            RejectionReason::Malformed | RejectionReason::Other { .. } => {
                "ask whoever runs the server".to_owned()
            }
        }
    }

    pub(super) fn tls_error(&self) -> &Error {
        &self.error
    }

    pub(super) fn of_pin(asked: Pin, seen: Pin, context: &CertificateContext<'_>) -> Self {
        let error = CertificateError::ApplicationVerificationFailure.into();
        let has_pin = |certificate| Pin::of_certificate(certificate).ok() == Some(asked);
        let order = RejectionReason::of_order(context.end_entity, context.intermediates);
        let pinned = context.intermediates.iter().position(has_pin);
        // Anybody can add the right certificate behind one of his own.
        if let Some(reason) = order
            && pinned.is_some_and(|place| reason == RejectionReason::ChainOrder(place + 2))
        {
            return Self::of_order(reason, error);
        }
        Self {
            reason: match asked.is_fingerprint_of(context.end_entity) {
                true => RejectionReason::FingerprintAsPin(asked),
                false => RejectionReason::WrongPin { asked, seen },
            },
            seen: Some(seen),
            notes: Vec::new(),
            error,
        }
    }

    pub(super) fn of_key(certificate: &CertificateDer<'_>, key: KeyType) -> Self {
        Self {
            reason: RejectionReason::KeyNotAccepted(key),
            seen: Pin::of_certificate(certificate).ok(),
            notes: Vec::new(),
            error: CertificateError::ApplicationVerificationFailure.into(),
        }
    }

    /// Makes the failure of a signature that is not the key's, or that nobody can check.
    pub(super) fn of_signature(
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Self {
        let error: Error = CertificateError::BadSignature.into();
        if let Some(reason) = RejectionReason::of_order(certificate, intermediates) {
            return Self::of_order(reason, error);
        }
        let key = CertificateDetails::of(certificate).map(|details| details.key_type);
        if let Ok(key) = key
            && !key.is_verifiable()
        {
            return Self::of_key(certificate, key);
        }
        Self {
            reason: RejectionReason::HandshakeSignature,
            seen: Pin::of_certificate(certificate).ok(),
            notes: Vec::new(),
            error,
        }
    }

    pub(super) fn of_certificate(
        error: Error,
        context: &CertificateContext<'_>,
        anchors: &[CertificateDer<'_>],
    ) -> Self {
        let host = context.name.to_str();
        let is_anchor = anchors.contains(context.end_entity);
        if let Some(reason) = RejectionReason::of_order(context.end_entity, context.intermediates) {
            return Self::of_order(reason, error);
        }
        let reason = match RejectionReason::of(&error, context.end_entity, &host, is_anchor) {
            reason @ RejectionReason::IssuerKeyDiffers(_) => {
                let above = context.intermediates.iter();
                let chain: Vec<_> = [context.end_entity]
                    .into_iter()
                    .chain(above.clone())
                    .collect();
                RejectionReason::of_issuer(&chain, anchors.iter().chain(above)).unwrap_or(reason)
            }
            reason => reason,
        };
        Self {
            reason,
            seen: Pin::of_certificate(context.end_entity).ok(),
            notes: Vec::new(),
            error,
        }
    }

    // The pin would be that of a CA.
    fn of_order(reason: RejectionReason, error: Error) -> Self {
        Self {
            reason,
            seen: None,
            notes: Vec::new(),
            error,
        }
    }

    pub(super) fn with_notes(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }
}

/// Returns the error that says more about the certificate; the first of equals.
pub(super) fn more_specific(first: Error, second: Error) -> Error {
    if rank(&second) > rank(&first) {
        second
    } else {
        first
    }
}

// Only the error of an anchor that knows the issuer says what is wrong.
fn rank(error: &Error) -> u8 {
    use CertificateError as Certificate;
    let Error::InvalidCertificate(error) = error else {
        return 1;
    };
    match error {
        // An anchor with a key of another kind shares the issuer's name by chance.
        Certificate::UnknownIssuer
        | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => 0,
        Certificate::BadSignature | Certificate::UnsupportedSignatureAlgorithmContext { .. } => 2,
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => 4,
        Certificate::Expired
        | Certificate::ExpiredContext { .. }
        | Certificate::NotValidYet
        | Certificate::NotValidYetContext { .. }
        | Certificate::Revoked => 5,
        Certificate::BadEncoding => 6,
        _ => 3,
    }
}

impl fmt::Display for VerifyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)?;
        // Another anchor would not have helped against the other reasons.
        if matches!(
            self.reason,
            RejectionReason::UntrustedIssuer { .. } | RejectionReason::SelfSigned
        ) {
            self.notes
                .iter()
                .try_for_each(|note| write!(f, "; {note}"))?;
        }
        Ok(())
    }
}

impl std::error::Error for VerifyFailure {}

fn order_hint(place: usize) -> String {
    format!(
        "the server's file has to begin with certificate {place}, those of CAs follow; if it \
         does, somebody may be in between"
    )
}

//! A server's certificate in words: who issued it, until when, and why it is not trusted.

use qecho_cert::{Anchor, CertificateDetails, RejectionReason, TrustVerifier, VerifyFailure};

/// A certificate that was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ShownCertificate {
    /// All of it in a line.
    pub(super) line: String,
    pub(super) issuer: String,
    pub(super) expires: String,
    /// Why it is refused, if it is.
    pub(super) refusal: Option<Refusal>,
    /// Whether it is trusted, if anybody judges it.
    pub(super) is_trusted: Option<bool>,
}

/// Reason for which a certificate is refused, and one thing to do about it: without a dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) advice: String,
}

impl ShownCertificate {
    /// Reads the certificate that a verifier has seen last; none if it has seen none.
    pub(super) fn last(verifier: &TrustVerifier) -> Option<Self> {
        let chain = verifier.shown_chain();
        let refusal = verifier
            .failure()
            .map(|failure| Refusal::of(&failure, chain.len()));
        let is_judged = verifier.verified_by() != Some(Anchor::Unverified);
        let is_trusted = (is_judged || refusal.is_some()).then_some(refusal.is_none());
        let verdict = match is_trusted {
            None => "not checked",
            Some(true) => "trusted",
            Some(false) => "not trusted",
        };
        let shown = Self {
            refusal,
            is_trusted,
            ..Self::default()
        };
        Some(match CertificateDetails::readable(chain.first()?) {
            Err(_) => Self {
                line: format!("a certificate that cannot be read: {verdict}"),
                ..shown
            },
            Ok(details) => {
                let expires = details.not_after.date().to_string();
                let origin = match details.self_issued {
                    true => "self-signed certificate".to_owned(),
                    false => format!("certificate issued by {}", details.issuer),
                };
                Self {
                    line: format!("{origin}, valid until {expires}: {verdict}"),
                    issuer: details.issuer,
                    expires,
                    ..shown
                }
            }
        })
    }
}

impl Refusal {
    fn of(failure: &VerifyFailure, shown: usize) -> Self {
        let mut advice = failure.hint();
        if shown == 1 && matches!(failure.reason(), RejectionReason::UntrustedIssuer(_)) {
            advice += "; if that issuer is an intermediate CA, let the server show the certificate \
                       of that CA, too";
        }
        Self {
            reason: failure.to_string(),
            advice,
        }
    }
}

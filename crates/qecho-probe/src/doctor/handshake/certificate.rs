//! A server's certificate in words: who vouches for it, until when, and why it is not trusted.

use qecho_cert::CertificateDetails;
use rustls::{CertificateError, Error};

use crate::doctor::{Target, connecting::Judged};

/// Names of a certificate that are listed.
const NAMES_MAX: usize = 4;

/// A certificate that was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// All of it in a line.
    pub(super) line: String,
    pub(super) issuer: String,
    pub(super) expires: String,
    /// Why it is not trusted, in words.
    pub(super) why_not: Option<String>,
    /// Whether it is trusted, if anybody judges it.
    pub(super) is_trusted: Option<bool>,
}

impl Shown {
    pub(super) fn of(judged: &Judged, target: &Target) -> Self {
        let Ok(details) = CertificateDetails::readable(&judged.certificate) else {
            return Self {
                line: "the certificate cannot be read".into(),
                why_not: Some("it is malformed".into()),
                ..Self::default()
            };
        };
        let issuer = match details.self_issued {
            true => "itself".to_owned(),
            false => details.issuer.clone(),
        };
        let expires = details.not_after.date().to_string();
        let why_not = judged.why_not.as_ref();
        let why_not = why_not.map(|error| why_not_words(error, &details, &target.server_name));
        let verdict = match &why_not {
            Some(why) => format!("not trusted: {why}"),
            None if !target.is_judged => "not checked".into(),
            None => "trusted".into(),
        };
        let is_trusted = (target.is_judged || why_not.is_some()).then_some(why_not.is_none());
        Self {
            line: format!("certificate of {issuer}, until {expires}: {verdict}"),
            issuer,
            expires,
            why_not,
            is_trusted,
        }
    }
}

fn why_not_words(error: &Error, details: &CertificateDetails, asked: &str) -> String {
    let Error::InvalidCertificate(error) = error else {
        return error.to_string();
    };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("it expired on {}", details.not_after.date())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("it is not valid before {}", details.not_before.date())
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names: Vec<_> = details.names.iter().take(NAMES_MAX).cloned().collect();
            format!("it is for {}, not for {asked}", names.join(", "))
        }
        CertificateError::UnknownIssuer if details.self_issued => {
            "nobody vouches for it but itself".into()
        }
        CertificateError::UnknownIssuer => {
            format!("this host does not know its issuer, {}", details.issuer)
        }
        error => error.to_string(),
    }
}

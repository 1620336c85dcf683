//! Reasons for which a certificate is rejected.

use std::fmt;

use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, UnixTime};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use super::error_text;
use crate::details::CertificateDetails;
use crate::pin::Pin;

/// More names than this of a certificate are counted, not listed.
const NAMES_LISTED_MAX: usize = 8;
const MINUTE: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute] UTC");

/// Reason for which a server's certificate is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionReason {
    /// No anchor leads to the issuer.
    UntrustedIssuer {
        /// The issuer's name in the certificate.
        issuer: String,
    },
    /// An anchor has the issuer's name, but not the key that signed the certificate.
    IssuerKeyDiffers {
        /// The name of both.
        issuer: String,
    },
    /// The certificate is its own issuer.
    SelfSigned,
    /// The certificate has expired.
    Expired {
        /// End of its validity.
        at: OffsetDateTime,
    },
    /// A certificate between it and the anchor has expired.
    IntermediateExpired {
        /// End of its validity.
        at: OffsetDateTime,
    },
    /// The certificate is not valid yet.
    NotYetValid {
        /// Start of its validity.
        from: OffsetDateTime,
    },
    /// The certificate is for other names.
    WrongName {
        /// The name that was called.
        asked: String,
        /// The names that it is valid for.
        valid_for: Vec<String>,
    },
    /// The issuer may not sign for the names in the certificate.
    NameNotPermitted {
        /// The names in it.
        names: Vec<String>,
    },
    /// The certificate is not for servers.
    WrongPurpose,
    /// The certificate is a CA's own, issued by another CA.
    CaUsedAsEndEntity,
    /// The certificate is a CA's own, and that CA is trusted.
    AnchorUsedAsEndEntity,
    /// The certificate is signed with an algorithm that is not accepted.
    SignatureAlgorithm {
        /// The algorithm's name, or its number where it is not known.
        algorithm: String,
    },
    /// A certificate between it and the anchor is signed with such an algorithm.
    IntermediateSignatureAlgorithm {
        /// The algorithm's name, or its number where it is not known.
        algorithm: String,
    },
    /// The key is not the pinned one.
    WrongPin {
        /// The pin that was asked for.
        asked: Pin,
        /// The pin of the server's key.
        seen: Pin,
    },
    /// The server did not prove that it holds the certificate's key.
    HandshakeSignature,
    /// The certificate is not well-formed.
    Malformed,
    /// Another reason.
    Other {
        /// The reason in plain words.
        text: String,
    },
}

impl RejectionReason {
    /// Finds the reason behind an error of the verifier; `is_anchor` says that the
    /// certificate is itself trusted as a CA.
    pub(super) fn of(
        error: &Error,
        certificate: &CertificateDer<'_>,
        host: &str,
        is_anchor: bool,
    ) -> Self {
        use CertificateError as Certificate;
        let Ok(details) = &CertificateDetails::of(certificate) else {
            return Self::Malformed;
        };
        let in_words = || Self::Other {
            text: error_text::plain(error),
        };
        let Error::InvalidCertificate(error) = error else {
            return in_words();
        };
        let issuer = || details.issuer.clone();
        match error {
            // Its own issuer: an anchor of that name has it by chance.
            Certificate::UnknownIssuer
            | Certificate::BadSignature
            | Certificate::UnsupportedSignatureAlgorithmContext { .. }
            | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
                if details.self_issued && !is_anchor =>
            {
                Self::SelfSigned
            }
            Certificate::UnknownIssuer
            | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Self::UntrustedIssuer { issuer: issuer() }
            }
            Certificate::BadSignature => Self::IssuerKeyDiffers { issuer: issuer() },
            Certificate::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id,
                ..
            } => Self::of_algorithm(signature_algorithm_id, details),
            Certificate::Expired => Self::Expired {
                at: details.not_after,
            },
            Certificate::ExpiredContext { not_after, .. } => match date_time(*not_after) {
                at if at == details.not_after => Self::Expired { at },
                at => Self::IntermediateExpired { at },
            },
            Certificate::NotValidYet => Self::NotYetValid {
                from: details.not_before,
            },
            Certificate::NotValidYetContext { not_before, .. } => Self::NotYetValid {
                from: date_time(*not_before),
            },
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                Self::WrongName {
                    asked: host.to_owned(),
                    valid_for: details.names.clone(),
                }
            }
            Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
                Self::WrongPurpose
            }
            Certificate::BadEncoding => Self::Malformed,
            Certificate::Other(other) => match other.0.downcast_ref() {
                Some(webpki::Error::NameConstraintViolation) => Self::NameNotPermitted {
                    names: details.names.clone(),
                },
                Some(webpki::Error::CaUsedAsEndEntity) => match is_anchor {
                    true => Self::AnchorUsedAsEndEntity,
                    false if details.self_issued => Self::SelfSigned,
                    false => Self::CaUsedAsEndEntity,
                },
                // The platform's verifier does not say it in the library's terms.
                None if !details.for_servers => Self::WrongPurpose,
                _ => in_words(),
            },
            _ => in_words(),
        }
    }

    fn of_algorithm(algorithm_identifier: &[u8], details: &CertificateDetails) -> Self {
        let refused = error_text::object_identifier(algorithm_identifier)
            .unwrap_or_else(|| details.signature_algorithm.clone());
        let algorithm = error_text::algorithm(&refused);
        match refused == details.signature_algorithm {
            true => Self::SignatureAlgorithm { algorithm },
            false => Self::IntermediateSignatureAlgorithm { algorithm },
        }
    }
}

impl fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UntrustedIssuer { issuer } => {
                write!(f, "the certificate's issuer is not trusted ({issuer})")
            }
            Self::IssuerKeyDiffers { issuer } => write!(
                f,
                "the certificate bears the name of a trusted CA, but another key signed it \
                 ({issuer})"
            ),
            Self::SelfSigned => f.write_str("the certificate is self-signed"),
            Self::Expired { at } => write!(f, "the certificate expired on {}", minute(*at)),
            Self::IntermediateExpired { at } => {
                write!(f, "a certificate in the chain expired on {}", minute(*at))
            }
            Self::NotYetValid { from } => {
                write!(f, "the certificate is not valid until {}", minute(*from))
            }
            Self::WrongName { asked, valid_for } => {
                let names = list(valid_for);
                write!(
                    f,
                    "the certificate is not valid for {asked} (valid for {names})"
                )
            }
            Self::NameNotPermitted { names } => {
                let names = list(names);
                write!(
                    f,
                    "the certificate's issuer may not sign for its names ({names})"
                )
            }
            Self::WrongPurpose => f.write_str("the certificate is not meant for a server"),
            Self::CaUsedAsEndEntity | Self::AnchorUsedAsEndEntity => {
                f.write_str("this is a CA's own certificate and cannot be a server's")
            }
            Self::SignatureAlgorithm { algorithm } => write!(
                f,
                "the certificate is signed with an algorithm that is not accepted ({algorithm})"
            ),
            Self::IntermediateSignatureAlgorithm { algorithm } => write!(
                f,
                "a certificate in the chain is signed with an algorithm that is not accepted \
                 ({algorithm})"
            ),
            Self::WrongPin { asked, seen } => {
                write!(
                    f,
                    "the server's key has pin {seen}, but {asked} was asked for"
                )
            }
            Self::HandshakeSignature => {
                f.write_str("the server did not prove that it holds the certificate's key")
            }
            Self::Malformed => f.write_str("the certificate is malformed"),
            Self::Other { text } => write!(f, "the certificate was refused: {text}"),
        }
    }
}

fn list(names: &[String]) -> String {
    match names.len() {
        0 => "no name at all".to_owned(),
        1..=NAMES_LISTED_MAX => names.join(", "),
        more => {
            let rest = more - NAMES_LISTED_MAX;
            format!("{} and {rest} more", names[..NAMES_LISTED_MAX].join(", "))
        }
    }
}

fn minute(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC)
        .format(&MINUTE)
        .unwrap_or_else(|_| at.to_string())
}

// A time beyond the calendar is the end of the calendar.
fn date_time(time: UnixTime) -> OffsetDateTime {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or_else(|| time::PrimitiveDateTime::MAX.assume_utc())
}

//! What can be wrong with a server's certificate.

use std::fmt;

use rustls::{CertificateError, Error};
use rustls_pki_types::UnixTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use super::context::{CertificateContext, TrustStanding};
use super::words;
use crate::details::CertificateDetails;
use crate::pin::Pin;

/// More names than this of a certificate are counted, not listed.
const NAMES_LISTED_MAX: usize = 8;
const MINUTE: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute] UTC");

/// What is wrong with a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionReason {
    /// No anchor leads to its issuer.
    UntrustedIssuer {
        /// The issuer's name, as the certificate gives it.
        issuer: String,
    },
    /// An anchor has its issuer's name, but not the key that signed it.
    IssuerKeyDiffers {
        /// The name that both bear.
        issuer: String,
    },
    /// It is its own issuer.
    SelfSigned,
    /// It has had its time.
    Expired {
        /// When it ended.
        at: OffsetDateTime,
    },
    /// A certificate between it and the anchor has had its time.
    IntermediateExpired {
        /// When it ended.
        at: OffsetDateTime,
    },
    /// Its time has not come.
    NotYetValid {
        /// When it comes.
        from: OffsetDateTime,
    },
    /// It is somebody else's.
    WrongName {
        /// The name that was called.
        asked: String,
        /// The names it is valid for.
        valid_for: Vec<String>,
    },
    /// Its issuer may not sign for the names in it.
    NameNotPermitted {
        /// The names in it.
        names: Vec<String>,
    },
    /// It is not meant for servers.
    WrongPurpose,
    /// It is a CA's own, and its issuer is another.
    CaUsedAsEndEntity,
    /// It is a CA's own, and that very CA is trusted.
    AnchorUsedAsEndEntity,
    /// It is signed with an algorithm that is not accepted.
    SignatureAlgorithm {
        /// The algorithm's name, or its number where it is not known.
        algorithm: String,
    },
    /// A certificate between it and the anchor is signed so.
    IntermediateSignatureAlgorithm {
        /// The algorithm's name, or its number where it is not known.
        algorithm: String,
    },
    /// Its key is not the one that was asked for.
    WrongPin {
        /// The one asked for.
        asked: Pin,
        /// The server's.
        seen: Pin,
    },
    /// The server showed it without proving to hold its key.
    HandshakeSignature,
    /// It is no well-formed certificate.
    Malformed,
    /// Something else, in plain words.
    Other {
        /// These words.
        text: String,
    },
}

impl RejectionReason {
    pub(super) fn of(
        error: &Error,
        details: &CertificateDetails,
        context: &CertificateContext<'_>,
        standing: TrustStanding,
    ) -> Self {
        use CertificateError as Certificate;
        let in_words = || Self::Other {
            text: words::plain(error),
        };
        let Error::InvalidCertificate(error) = error else {
            return in_words();
        };
        let issuer = || details.issuer.clone();
        match error {
            // It needs no issuer: an anchor that answers shares its name by chance.
            Certificate::UnknownIssuer
            | Certificate::BadSignature
            | Certificate::UnsupportedSignatureAlgorithmContext { .. }
            | Certificate::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
                if details.self_issued && standing == TrustStanding::Unknown =>
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
                    asked: context.name.to_str().into_owned(),
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
                Some(webpki::Error::CaUsedAsEndEntity) => match standing {
                    TrustStanding::Anchor => Self::AnchorUsedAsEndEntity,
                    TrustStanding::Unknown if details.self_issued => Self::SelfSigned,
                    TrustStanding::Unknown => Self::CaUsedAsEndEntity,
                },
                // The platform's verifier does not say it in the library's terms.
                None if !details.for_servers => Self::WrongPurpose,
                _ => in_words(),
            },
            _ => in_words(),
        }
    }

    fn of_algorithm(algorithm_identifier: &[u8], details: &CertificateDetails) -> Self {
        let refused = words::object_identifier(algorithm_identifier)
            .unwrap_or_else(|| details.signature_algorithm.clone());
        let algorithm = words::algorithm(&refused);
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

// A time no calendar has is as good as the end of time.
fn date_time(time: UnixTime) -> OffsetDateTime {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or_else(|| time::PrimitiveDateTime::MAX.assume_utc())
}

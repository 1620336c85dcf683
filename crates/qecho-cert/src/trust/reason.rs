//! Reasons for which a certificate is rejected.

use std::net::IpAddr;

use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, UnixTime};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use super::error_text;
use crate::details::CertificateDetails;
use crate::key_type::{self, KeyType};
use crate::pin::Pin;

/// More names than this of a certificate are counted, not listed.
const NAMES_LISTED_MAX: usize = 8;
const MINUTE: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute] UTC");

/// Reason for which a server's certificate is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RejectionReason {
    /// No anchor leads to the issuer of that name.
    #[error("the certificate's issuer is not trusted ({0})")]
    UntrustedIssuer(String),
    /// An anchor has that name, the issuer's, but not the key that signed the certificate.
    #[error("the certificate bears the name of a trusted CA, but another key signed it ({0})")]
    IssuerKeyDiffers(String),
    /// The certificate is its own issuer.
    #[error("the certificate is self-signed")]
    SelfSigned,
    /// The certificate expired at that time.
    #[error("the certificate expired on {}", minute(*.0))]
    Expired(OffsetDateTime),
    /// A certificate between it and the anchor expired at that time.
    #[error("a certificate in the chain expired on {}", minute(*.0))]
    IntermediateExpired(OffsetDateTime),
    /// The certificate is not valid before that time.
    #[error("the certificate is not valid until {}", minute(*.0))]
    NotYetValid(OffsetDateTime),
    /// The certificate is for other names.
    #[error(
        "the certificate is not valid for {asked} (valid for {})",
        list(valid_for)
    )]
    WrongName {
        /// The name that was called.
        asked: String,
        /// The names that it is valid for.
        valid_for: Vec<String>,
    },
    /// The certificate has the address that was called as the name of a host.
    #[error("the certificate has {0} as a DNS name; an address has to be in it as an IP address")]
    AddressAsHost(IpAddr),
    /// The issuer may not sign for these names in the certificate.
    #[error("the certificate's issuer may not sign for its names ({})", list(.0))]
    NameNotPermitted(Vec<String>),
    /// The certificate is not for servers.
    #[error("the certificate is not meant for a server")]
    WrongPurpose,
    /// The certificate is a CA's own, issued by another CA.
    #[error("this is a CA's own certificate and cannot be a server's")]
    CaUsedAsEndEntity,
    /// The certificate is a CA's own, and that CA is trusted.
    #[error("this is a CA's own certificate and cannot be a server's")]
    AnchorUsedAsEndEntity,
    /// The certificate is signed with an algorithm that is not accepted, by its name or its
    /// number.
    #[error("the certificate is signed with an algorithm that is not accepted ({0})")]
    SignatureAlgorithm(String),
    /// A certificate between it and the anchor is signed with such an algorithm.
    #[error("a certificate in the chain is signed with an algorithm that is not accepted ({0})")]
    IntermediateSignatureAlgorithm(String),
    /// The key is not the pinned one.
    #[error("the server's key has pin {seen}, but {asked} was asked for")]
    WrongPin {
        /// The pin that was asked for.
        asked: Pin,
        /// The pin of the server's key.
        seen: Pin,
    },
    /// The pin that was asked for is the fingerprint of the certificate.
    #[error("{0} is the fingerprint of the server's certificate, not the pin of its key")]
    FingerprintAsPin(Pin),
    /// A CA's certificate stands before that of the server, which is at this place, from 1.
    #[error(
        "the server shows its certificates in the wrong order: a CA's is the first, its own \
         is number {0}"
    )]
    ChainOrder(usize),
    /// The certificate's key is of a kind or size that is not accepted.
    #[error("the certificate's key is {}; accepted are {}", in_words(*.0), key_type::ACCEPTED)]
    KeyNotAccepted(KeyType),
    /// The key that signed the certificate, or one above it, is of such a kind or size.
    #[error("the key of the certificate's CA is {}; accepted are {}", in_words(*.0), key_type::ACCEPTED)]
    IssuerKeyNotAccepted(KeyType),
    /// The certificate is of that X.509 version, which names no host.
    #[error("the certificate is of X.509 version {0}, which names no host; version 3 does")]
    Version(u32),
    /// The server did not prove that it holds the certificate's key.
    #[error("the server did not prove that it holds the certificate's key")]
    HandshakeSignature,
    /// The certificate is not well-formed.
    #[error("the certificate is malformed")]
    Malformed,
    /// Another reason, in plain words.
    #[error("the certificate was refused: {0}")]
    Other(String),
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
        if !details.key_type.is_verifiable() {
            return Self::KeyNotAccepted(details.key_type);
        }
        if details.version != 3 {
            return Self::Version(details.version);
        }
        let in_words = || Self::Other(error_text::plain(error));
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
                Self::UntrustedIssuer(issuer())
            }
            Certificate::BadSignature => Self::IssuerKeyDiffers(issuer()),
            Certificate::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id,
                ..
            } => Self::of_algorithm(signature_algorithm_id, details),
            Certificate::Expired => Self::Expired(details.not_after),
            Certificate::ExpiredContext { not_after, .. } => match date_time(*not_after) {
                at if at == details.not_after => Self::Expired(at),
                at => Self::IntermediateExpired(at),
            },
            Certificate::NotValidYet => Self::NotYetValid(details.not_before),
            Certificate::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid(date_time(*not_before))
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                Self::of_name(host, &details.names)
            }
            Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
                Self::WrongPurpose
            }
            Certificate::BadEncoding => Self::Malformed,
            Certificate::Other(other) => match other.0.downcast_ref() {
                Some(webpki::Error::NameConstraintViolation) => {
                    Self::NameNotPermitted(details.names.clone())
                }
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

    /// Returns the place of the first certificate that is no CA's, where a CA's stands first.
    pub(super) fn of_order(
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Option<Self> {
        let is_authority = |certificate: &CertificateDer<'_>| {
            Some(CertificateDetails::of(certificate).ok()?.is_authority)
        };
        if is_authority(end_entity) != Some(true) {
            return None;
        }
        let mut behind = intermediates.iter();
        let own = behind.position(|next| is_authority(next) == Some(false))?;
        Some(Self::ChainOrder(own + 2))
    }

    /// Returns the key that has signed a certificate of a chain, and is of a kind or size
    /// that is not accepted; `issuers` are the certificates that may have that key.
    pub(super) fn of_issuer<'a>(
        chain: &[&CertificateDer<'_>],
        issuers: impl Iterator<Item = &'a CertificateDer<'a>> + Clone,
    ) -> Option<Self> {
        let details = |certificate: &CertificateDer<'_>| CertificateDetails::of(certificate).ok();
        chain
            .iter()
            .copied()
            .filter_map(details)
            .find_map(|signed| {
                let mut issuers = issuers.clone().filter_map(details);
                let issuer = issuers.find(|issuer| issuer.subject == signed.issuer)?;
                let key = issuer.key_type;
                (!signed.self_issued && !key.is_accepted())
                    .then_some(Self::IssuerKeyNotAccepted(key))
            })
    }

    fn of_name(host: &str, names: &[String]) -> Self {
        let address = host.parse::<IpAddr>().ok();
        let is_called = |name: &String| address.is_some() && name.parse().ok() == address;
        match address {
            Some(address) if names.iter().any(is_called) => Self::AddressAsHost(address),
            _ => Self::WrongName {
                asked: host.to_owned(),
                valid_for: names.to_vec(),
            },
        }
    }

    fn of_algorithm(algorithm_identifier: &[u8], details: &CertificateDetails) -> Self {
        let refused = error_text::object_identifier(algorithm_identifier)
            .unwrap_or_else(|| details.signature_algorithm.clone());
        let algorithm = error_text::algorithm(&refused);
        match refused == details.signature_algorithm {
            true => Self::SignatureAlgorithm(algorithm),
            false => Self::IntermediateSignatureAlgorithm(algorithm),
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

fn in_words(key: KeyType) -> String {
    match key {
        KeyType::Rsa(bits) => format!("RSA of {bits} bits"),
        KeyType::RsaPss(bits) => format!("an RSA-PSS key of {bits} bits"),
        other => other.to_string(),
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

//! Errors of the TLS library and the platform in plain words: the library's own texts
//! are written for debugging.

use rustls::{CertificateError, Error};
use x509_parser::asn1_rs::Oid;
use x509_parser::prelude::FromDer;

use crate::details::printable;

const UNTOLD: &str = "it breaks a rule that all servers' certificates have to keep";

/// Returns the reason of an error, to be written behind a colon.
pub(super) fn plain(error: &Error) -> String {
    let Error::InvalidCertificate(error) = error else {
        return "it could not be checked".to_owned();
    };
    match error {
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(error) => of_webpki(error).to_owned(),
            // The operating system's words, which are for people.
            None => printable(&other.0.to_string()),
        },
        error => of_rustls(error).to_owned(),
    }
}

fn of_rustls(error: &CertificateError) -> &'static str {
    use CertificateError as Certificate;
    match error {
        Certificate::Revoked => "its issuer revoked it",
        Certificate::UnhandledCriticalExtension => {
            "it has a critical extension that is not understood"
        }
        Certificate::UnknownRevocationStatus
        | Certificate::ExpiredRevocationList
        | Certificate::ExpiredRevocationListContext { .. } => {
            "nobody can say whether its issuer revoked it"
        }
        Certificate::InvalidOcspResponse => "the OCSP response that came with it is malformed",
        _ => UNTOLD,
    }
}

fn of_webpki(error: &webpki::Error) -> &'static str {
    use webpki::Error as Chain;
    match error {
        Chain::CertDistrusted => "a certificate in the chain is distrusted",
        Chain::EndEntityUsedAsCa => "a certificate in the chain signed another, but is no CA's",
        Chain::PathLenConstraintViolated => "its chain is longer than a CA in it permits",
        Chain::MaximumPathDepthExceeded => "its chain is too long",
        Chain::MaximumNameConstraintComparisonsExceeded
        | Chain::MaximumPathBuildCallsExceeded
        | Chain::MaximumSignatureChecksExceeded => "its chain takes too long to check",
        Chain::SignatureAlgorithmMismatch => "it names two different signature algorithms",
        Chain::UnsupportedCertVersion => "it is not of X.509 version 3",
        Chain::UnsupportedCriticalExtension => "it has a critical extension that is not understood",
        Chain::EmptyEkuExtension
        | Chain::ExtensionValueInvalid
        | Chain::InvalidNetworkMaskConstraint
        | Chain::MalformedDnsIdentifier
        | Chain::MalformedExtensions
        | Chain::MalformedNameConstraint => "an extension in it is malformed",
        Chain::InvalidSerialNumber => "its serial number is malformed",
        _ => UNTOLD,
    }
}

/// Returns the dotted object identifier that an AlgorithmIdentifier (RFC 5280
/// §4.1.1.2) begins with, given without its outer tag and length.
pub(super) fn object_identifier(algorithm_identifier: &[u8]) -> Option<String> {
    let (_, identifier) = Oid::from_der(algorithm_identifier).ok()?;
    Some(printable(&identifier.to_id_string()))
}

/// Returns the name of a signature algorithm that is not accepted.
pub(super) fn algorithm(object_identifier: &str) -> String {
    let name = match object_identifier {
        "1.2.840.113549.1.1.2" => "MD2 with RSA",
        "1.2.840.113549.1.1.4" | "1.3.14.3.2.3" => "MD5 with RSA",
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => "SHA-1 with RSA",
        "1.2.840.113549.1.1.14" => "SHA-224 with RSA",
        "1.2.840.113549.1.1.10" => "RSA-PSS with unusual parameters",
        "1.2.840.10045.4.1" => "SHA-1 with ECDSA",
        "1.2.840.10045.4.3.1" => "SHA-224 with ECDSA",
        "1.2.840.10040.4.3" => "SHA-1 with DSA",
        "2.16.840.1.101.3.4.3.1" => "SHA-224 with DSA",
        "2.16.840.1.101.3.4.3.2" => "SHA-256 with DSA",
        "1.3.101.113" => "Ed448",
        other => return format!("OID {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;

    #[test]
    fn no_error_of_the_library_is_told_in_its_debug_text() {
        use CertificateError as Certificate;
        let of_webpki = |error| Certificate::Other(OtherError(Arc::new(error)));
        for error in [
            Certificate::Revoked,
            Certificate::UnhandledCriticalExtension,
            Certificate::InvalidOcspResponse,
            Certificate::ApplicationVerificationFailure,
            of_webpki(webpki::Error::UnsupportedCertVersion),
            of_webpki(webpki::Error::MaximumPathDepthExceeded),
            of_webpki(webpki::Error::UnsupportedDeltaCrl),
        ] {
            let (debug, text) = (format!("{error:?}"), plain(&error.into()));
            assert!(text.contains(' '), "{text}");
            assert!(!text.contains(&debug) && !text.contains("Unsupported"));
        }
        let general = Error::General("Some(Text { of: [1, 2] })".to_owned());
        assert_eq!(plain(&general), "it could not be checked");
    }

    #[test]
    fn an_algorithm_is_named_or_numbered() {
        let sha1_with_rsa = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00";
        let number = object_identifier(sha1_with_rsa).unwrap();
        assert_eq!(number, "1.2.840.113549.1.1.5");
        assert_eq!(algorithm(&number), "SHA-1 with RSA");
        assert_eq!(algorithm("1.2.840.113549.1.1.4"), "MD5 with RSA");
        assert_eq!(algorithm("1.2.3"), "OID 1.2.3");
        assert_eq!(object_identifier(b"garbage"), None);
    }
}

//! Reads from a certificate what a person is told about it.

use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr};

use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The most characters of a name that comes out of somebody's certificate.
const NAME_CHARACTERS_MAX: usize = 260;

/// A certificate that is no well-formed X.509.
#[derive(Debug, thiserror::Error)]
#[error("not a well-formed X.509 certificate")]
pub struct MalformedCertificate {
    // Not its `source`: a parser's words are its data, and would be printed behind ours.
    cause: Box<dyn Error + Send + Sync>,
}

impl MalformedCertificate {
    pub(crate) fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: cause.into(),
        }
    }

    /// Returns what the parser said, for debugging.
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.cause
    }
}

/// What one certificate says.
///
/// All texts are fit for a terminal: a certificate comes from the network, so its
/// names are cut to a length and rid of control characters.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The subject alternative names, in their order.
    pub(crate) names: Vec<String>,
    pub(crate) issuer: String,
    pub(crate) not_before: OffsetDateTime,
    pub(crate) not_after: OffsetDateTime,
    /// Issuer and subject are the same.
    pub(crate) self_issued: bool,
    /// The basic constraints say so.
    pub(crate) is_authority: bool,
    /// No extended key usage says otherwise.
    pub(crate) for_servers: bool,
    /// The signature algorithm's object identifier, dotted.
    pub(crate) signature_algorithm: String,
    pub(crate) subject_public_key_info: Vec<u8>,
}

impl Facts {
    pub(crate) fn of(der: &[u8]) -> Result<Self, MalformedCertificate> {
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(MalformedCertificate::new)?;
        if !rest.is_empty() {
            return Err(MalformedCertificate::new(
                "more bytes follow the certificate",
            ));
        }
        let names = certificate
            .subject_alternative_name()
            .map_err(MalformedCertificate::new)?
            .map(|extension| {
                extension
                    .value
                    .general_names
                    .iter()
                    .filter_map(name)
                    .collect()
            })
            .unwrap_or_default();
        Ok(Self {
            names,
            issuer: printable(&certificate.issuer().to_string()),
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
            self_issued: certificate.issuer().as_raw() == certificate.subject().as_raw(),
            is_authority: certificate.is_ca(),
            for_servers: certificate
                .extended_key_usage()
                .map_err(MalformedCertificate::new)?
                .is_none_or(|extension| extension.value.server_auth),
            signature_algorithm: printable(
                &certificate.signature_algorithm.algorithm.to_id_string(),
            ),
            subject_public_key_info: certificate.public_key().raw.to_vec(),
        })
    }
}

pub(crate) fn name(name: &GeneralName<'_>) -> Option<String> {
    match *name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some(printable(text))
        }
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(octets).to_string());
    }
    let octets = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(octets).to_string())
}

/// Cuts a text to a length and replaces the characters in it that are not seen themselves
/// but change what is.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .take(NAME_CHARACTERS_MAX)
        .map(|c| match c.is_control() || is_invisible(c) {
            true => char::REPLACEMENT_CHARACTER,
            false => c,
        })
        .collect()
}

/// What turns the direction of a text, has no width, or ends a line (Unicode's Cf, Zl
/// and Zp, as far as they are not letters of a script).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_the_network_cannot_steer_a_terminal() {
        assert_eq!(
            printable("a\u{1b}[2Jb\r\n"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}"
        );
        assert_eq!(printable("a\u{202e}b\u{200b}ü"), "a\u{fffd}b\u{fffd}ü");
        assert_eq!(printable(&"x".repeat(1000)).len(), NAME_CHARACTERS_MAX);
    }

    #[test]
    fn addresses_are_written_as_people_write_them() {
        assert_eq!(address(&[127, 0, 0, 1]).as_deref(), Some("127.0.0.1"));
        assert_eq!(
            address(&Ipv6Addr::LOCALHOST.octets()).as_deref(),
            Some("::1")
        );
        assert_eq!(address(&[1, 2, 3]), None);
    }

    #[test]
    fn bytes_that_are_no_certificate_are_an_error() {
        assert!(Facts::of(b"").is_err());
        assert!(Facts::of(b"\x30\x03\x02\x01\x01").is_err());
    }
}

//! Contents of a certificate, as text for people.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest;
use rustls_pki_types::{CertificateDer, ServerName};
use time::OffsetDateTime;
use x509_parser::extensions::GeneralSubtree;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::key_type::KeyType;
use crate::malformed::MalformedCertificate;
use crate::pin::Pin;

/// Names in a certificate are cut to this length.
const NAME_CHARACTERS_MAX: usize = 260;

/// Contents of a certificate.
///
/// All texts are fit for a terminal: a certificate comes from the network, so its names
/// are cut to a length and rid of control characters.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CertificateDetails {
    /// The subject alternative names, in their order.
    pub names: Vec<String>,
    /// The subject; may be empty.
    pub subject: String,
    /// The issuer.
    pub issuer: String,
    /// Issuer and subject are the same.
    pub self_issued: bool,
    /// Start of the validity.
    pub not_before: OffsetDateTime,
    /// End of the validity.
    pub not_after: OffsetDateTime,
    /// The serial number, in hexadecimal digits.
    pub serial: String,
    /// Type of the public key.
    pub key_type: KeyType,
    /// SHA-256 of the whole certificate, in hexadecimal digits.
    pub sha256: String,
    /// SHA-1 of the whole certificate, by which some systems name certificates.
    pub sha1: String,
    /// Pin of the public key.
    pub pin: Pin,
    /// The basic constraints say that it is a CA's.
    pub is_authority: bool,
    /// The extended key usages allow TLS servers, or there are none.
    pub for_servers: bool,
    /// The extended key usages allow TLS clients, or there are none.
    pub for_clients: bool,
    /// Permitted subtrees of the name constraints.
    pub permitted: Vec<String>,
    /// Excluded subtrees of the name constraints.
    pub excluded: Vec<String>,
    /// Extensions that could not be read; only [`CertificateDetails::readable`] returns any.
    pub malformed: Vec<&'static str>,
    /// The X.509 version; only version 3 has names of hosts (RFC 5280 §4.1.2.1).
    pub(crate) version: u32,
    /// Object identifier of the signature algorithm, dotted.
    pub(crate) signature_algorithm: String,
}

impl CertificateDetails {
    /// Parses a certificate in DER.
    ///
    /// # Errors
    /// The certificate is malformed.
    pub fn of(der: &CertificateDer<'_>) -> Result<Self, MalformedCertificate> {
        let details = Self::readable(der)?;
        match details.malformed.first() {
            Some(extension) => Err(MalformedCertificate::new(*extension)),
            None => Ok(details),
        }
    }

    /// Parses what can be read of a certificate in DER, to be shown and not to be trusted:
    /// extensions that are malformed are left out, and named.
    ///
    /// # Errors
    /// The certificate is malformed beyond that.
    pub fn readable(der: &CertificateDer<'_>) -> Result<Self, MalformedCertificate> {
        use MalformedCertificate as Malformed;
        let (rest, certificate) = X509Certificate::from_der(der).map_err(Malformed::new)?;
        if !rest.is_empty() {
            return Err(Malformed::new("more bytes follow the certificate"));
        }
        let mut malformed = Vec::new();
        let names = certificate.subject_alternative_name().unwrap_or_else(|_| {
            malformed.push("subject alternative names");
            None
        });
        let names = names.map_or(&[][..], |extension| &extension.value.general_names);
        let usage = certificate.extended_key_usage().unwrap_or_else(|_| {
            malformed.push("extended key usage");
            None
        });
        let usage = usage.map(|extension| extension.value);
        let constraints = certificate.name_constraints().unwrap_or_else(|_| {
            malformed.push("name constraints");
            None
        });
        let constraints = constraints.map(|extension| extension.value);
        Ok(Self {
            names: names.iter().filter_map(name).collect(),
            subject: printable(&certificate.subject().to_string()),
            issuer: printable(&certificate.issuer().to_string()),
            self_issued: certificate.issuer().as_raw() == certificate.subject().as_raw(),
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
            serial: hex(certificate.raw_serial()),
            key_type: KeyType::of(certificate.public_key()),
            sha256: hex(digest::digest(&digest::SHA256, der).as_ref()),
            sha1: hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref()),
            pin: Pin::of_public_key(certificate.public_key().raw),
            is_authority: certificate.is_ca(),
            for_servers: usage.is_none_or(|usage| usage.server_auth),
            for_clients: usage.is_none_or(|usage| usage.client_auth || usage.any),
            permitted: texts(constraints.and_then(|found| found.permitted_subtrees.as_deref())),
            excluded: texts(constraints.and_then(|found| found.excluded_subtrees.as_deref())),
            malformed,
            version: certificate.version().0.saturating_add(1),
            signature_algorithm: printable(
                &certificate.signature_algorithm.algorithm.to_id_string(),
            ),
        })
    }

    /// Returns whether a key (SubjectPublicKeyInfo) is the certificate's.
    pub(crate) fn has_key(&self, subject_public_key_info: &[u8]) -> bool {
        self.pin == Pin::of_public_key(subject_public_key_info)
    }

    /// Returns the names that a server can be called by, with `www` in place of a
    /// wildcard.
    pub fn callable_names(&self) -> impl Iterator<Item = String> {
        self.names
            .iter()
            .map(|name| match name.strip_prefix('*') {
                Some(domain) => format!("www{domain}"),
                None => name.clone(),
            })
            .filter(|name| ServerName::try_from(name.as_str()).is_ok())
    }
}

fn texts(subtrees: Option<&[GeneralSubtree<'_>]>) -> Vec<String> {
    subtrees
        .unwrap_or_default()
        .iter()
        .map(|subtree| match &subtree.base {
            GeneralName::IPAddress(bytes) => range(bytes),
            GeneralName::DNSName("") => "any domain".to_owned(),
            other => name(other).unwrap_or_else(|| "names of another kind".to_owned()),
        })
        .collect()
}

/// Returns the text of an address and its mask (RFC 5280 §4.2.1.10).
fn range(bytes: &[u8]) -> String {
    let (address, mask): (IpAddr, u32) = match bytes.len() {
        8 => {
            let half = |at: usize| <[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap_or_default();
            let mask = u32::from_be_bytes(half(4));
            (Ipv4Addr::from(half(0)).into(), mask.leading_ones())
        }
        32 => {
            let half = |at: usize| <[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap_or_default();
            let mask = u128::from_be_bytes(half(16));
            (Ipv6Addr::from(half(0)).into(), mask.leading_ones())
        }
        _ => return "a malformed range".to_owned(),
    };
    match (mask, address.is_ipv4()) {
        (0, true) => "any IPv4 address".to_owned(),
        (0, false) => "any IPv6 address".to_owned(),
        _ => format!("{address}/{mask}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
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

/// Makes a text fit for a terminal: cuts it to a length, and replaces control characters
/// and invisible ones.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .take(NAME_CHARACTERS_MAX)
        .map(|c| match c.is_control() || is_invisible(c) {
            true => char::REPLACEMENT_CHARACTER,
            false => c,
        })
        .collect()
}

/// Returns whether a character turns the direction of a text, has no width, or ends a
/// line (Unicode's Cf, Zl and Zp, as far as they are not letters of a script).
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
        assert!(CertificateDetails::of(&CertificateDer::from_slice(b"")).is_err());
        assert!(
            CertificateDetails::of(&CertificateDer::from_slice(b"\x30\x03\x02\x01\x01")).is_err()
        );
    }
}

//! All that a person is told about a certificate.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest;
use rustls_pki_types::{CertificateDer, ServerName};
use time::OffsetDateTime;
use x509_parser::extensions::{GeneralSubtree, NameConstraints};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::facts::{Facts, MalformedCertificate, name, printable};
use crate::issue::KeyType;
use crate::pin::Pin;

/// All that a person is told about a certificate; the texts are fit for a terminal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CertificateDetails {
    /// The subject alternative names, in their order.
    pub names: Vec<String>,
    /// Whose it is; may be empty.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Issuer and subject are the same.
    pub self_issued: bool,
    /// Since when it is good.
    pub not_before: OffsetDateTime,
    /// Until when it is good.
    pub not_after: OffsetDateTime,
    /// Its number, in hexadecimal digits.
    pub serial: String,
    /// What kind of key it has.
    pub key: KeyType,
    /// SHA-256 of the whole certificate, in hexadecimal digits.
    pub fingerprint: String,
    /// SHA-1 of it, by which some systems name certificates.
    pub sha1: String,
    /// The pin of its key.
    pub pin: Pin,
    /// Whether it is an authority's.
    pub is_authority: bool,
    /// Whether a server may show it.
    pub for_servers: bool,
    /// Whether a client may show it.
    pub for_clients: bool,
    /// What its name constraints permit; empty where they say nothing.
    pub permitted: Vec<String>,
    /// What its name constraints exclude.
    pub excluded: Vec<String>,
}

impl CertificateDetails {
    /// Reads a certificate.
    ///
    /// # Errors
    /// It is malformed.
    pub fn of(der: &CertificateDer<'_>) -> Result<Self, MalformedCertificate> {
        let facts = Facts::of(der)?;
        let (_, certificate) = X509Certificate::from_der(der).map_err(MalformedCertificate::new)?;
        let for_clients = certificate
            .extended_key_usage()
            .map_err(MalformedCertificate::new)?
            .is_none_or(|extension| extension.value.client_auth || extension.value.any);
        let constraints = certificate
            .name_constraints()
            .map_err(MalformedCertificate::new)?
            .map(|extension| extension.value);
        let listed = |pick: fn(&NameConstraints<'_>) -> Vec<String>| {
            constraints.map(pick).unwrap_or_default()
        };
        Ok(Self {
            subject: printable(&certificate.subject().to_string()),
            serial: hex(certificate.raw_serial()),
            key: KeyType::of(certificate.public_key()),
            fingerprint: hex(digest::digest(&digest::SHA256, der).as_ref()),
            sha1: hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref()),
            pin: Pin::of_public_key(&facts.subject_public_key_info),
            for_clients,
            permitted: listed(|found| texts(found.permitted_subtrees.as_deref())),
            excluded: listed(|found| texts(found.excluded_subtrees.as_deref())),
            names: facts.names,
            issuer: facts.issuer,
            self_issued: facts.self_issued,
            not_before: facts.not_before,
            not_after: facts.not_after,
            is_authority: facts.is_authority,
            for_servers: facts.for_servers,
        })
    }
}

impl CertificateDetails {
    pub(crate) fn fits(&self, subject_public_key_info: &[u8]) -> bool {
        self.pin == Pin::of_public_key(subject_public_key_info)
    }

    /// Returns the names of it that a server can be called by, as one would:
    /// `www` in place of a star.
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

/// An address and its mask (RFC 5280 §4.2.1.10).
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
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A String takes whatever is written.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

//! Fields of the certificates that are made here.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::name_constraints::NameConstraints;

/// Certificates start this long ago: a peer's clock may lag behind ours.
pub(crate) const CLOCK_SKEW: Duration = Duration::hours(1);
/// Together with [`CLOCK_SKEW`] below the 14 days that WebTransport's
/// `serverCertificateHashes` allow.
pub(crate) const SHORT_LIFETIME: Duration = Duration::days(13);
const AUTHORITY_LIFETIME: Duration = Duration::days(3652);
/// RFC 5280 appendix A.1, ub-common-name and ub-organizational-unit-name.
const NAME_CHARACTERS_MAX: usize = 64;
const SERIAL_NUMBER_BYTES: usize = 16;

/// Returns the fields of an authority's certificate.
pub(crate) fn authority(
    constraints: &NameConstraints,
    owner: Option<&str>,
    now: OffsetDateTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = valid_for(AUTHORITY_LIFETIME, now)?;
    let organization = match constraints {
        NameConstraints::Loopback => "qecho local CA (loopback only)",
        NameConstraints::Unconstrained => "qecho development CA",
        NameConstraints::Permitted(_) => "qecho development CA (name-constrained)",
    };
    let subject = &mut params.distinguished_name;
    subject.push(DnType::OrganizationName, organization);
    if let Some(owner) = owner {
        subject.push(DnType::CommonName, printable(&format!("qecho {owner}")));
    }
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = constraints.to_extension();
    Ok(params)
}

/// Returns the fields of a certificate without a subject, which signs nothing but
/// handshakes; its names are for the caller to add.
pub(crate) fn end_entity(
    lifetime: Duration,
    usages: Vec<ExtendedKeyUsagePurpose>,
    now: OffsetDateTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = valid_for(lifetime, now)?;
    // Said explicitly, because rcgen writes the subject key identifier only then.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = usages;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn valid_for(lifetime: Duration, now: OffsetDateTime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    // Some parsers take no time before 1970, where a machine without a battery starts.
    params.not_before = (now - CLOCK_SKEW).max(OffsetDateTime::UNIX_EPOCH);
    params.not_after = now + lifetime;
    params.serial_number = Some(serial_number()?);
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}

/// Returns the part of a text that may stand in a distinguished name.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(NAME_CHARACTERS_MAX)
        .collect()
}

/// Draws a serial number.
///
/// rcgen would derive it from the key, and a renewed leaf would have its predecessor's:
/// some clients refuse a number they have seen on another certificate.
pub(crate) fn serial_number() -> Result<SerialNumber, rcgen::Error> {
    let mut bytes = [0; SERIAL_NUMBER_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    // RFC 5280 §4.1.2.2: positive, and without a leading zero octet.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

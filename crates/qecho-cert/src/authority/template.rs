//! What stands in the authority's certificate.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose,
    SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::name_constraints::NameConstraints;

const LIFE: Duration = Duration::days(3652);
/// How far a client's clock may lag behind ours.
const CLOCK_SKEW: Duration = Duration::hours(1);
/// RFC 5280 appendix A.1, ub-common-name and ub-organizational-unit-name.
const NAME_CHARACTERS_MAX: usize = 64;
const SERIAL_NUMBER_BYTES: usize = 16;

pub(super) fn authority(
    constraints: &NameConstraints,
    owner: Option<&str>,
    now: OffsetDateTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    // Some parsers take no time before 1970, where a machine without a battery starts.
    params.not_before = (now - CLOCK_SKEW).max(OffsetDateTime::UNIX_EPOCH);
    params.not_after = now + LIFE;
    params.serial_number = Some(serial_number()?);
    params.distinguished_name = distinguished_name(organization(constraints), owner);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = constraints.to_extension();
    Ok(params)
}

fn organization(constraints: &NameConstraints) -> &'static str {
    match constraints {
        NameConstraints::Loopback => "qecho local CA (loopback only)",
        NameConstraints::Unconstrained => "qecho development CA",
        NameConstraints::Permitted(_) => "qecho development CA (name-constrained)",
    }
}

fn distinguished_name(organization: &str, owner: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, organization);
    if let Some(owner) = owner {
        name.push(DnType::CommonName, printable(&format!("qecho {owner}")));
    }
    name
}

/// Returns what of a text may stand in a distinguished name.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(NAME_CHARACTERS_MAX)
        .collect()
}

/// Draws a serial number.
///
/// rcgen would derive it from the key, so that a renewed leaf bore its
/// predecessor's: some clients refuse a number they have seen on another certificate.
pub(crate) fn serial_number() -> Result<SerialNumber, rcgen::Error> {
    let mut bytes = [0; SERIAL_NUMBER_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    // RFC 5280 §4.1.2.2: positive, and without a leading zero octet.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

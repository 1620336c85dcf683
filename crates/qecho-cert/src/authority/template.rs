//! What stands in the authority's certificate.

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, GeneralSubtree,
    IsCa, KeyUsagePurpose, NameConstraints, SerialNumber,
};
use time::{Duration, OffsetDateTime};

const LIFE: Duration = Duration::days(3652);
/// How far a client's clock may lag behind ours.
const CLOCK_SKEW: Duration = Duration::hours(1);
const ORGANIZATION: &str = "qecho local CA (loopback only)";
/// RFC 5280 appendix A.1, ub-common-name.
const COMMON_NAME_CHARACTERS_MAX: usize = 64;
const SERIAL_NUMBER_BYTES: usize = 16;

pub(super) fn authority(
    owner: Option<&str>,
    now: OffsetDateTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    // Some parsers take no time before 1970, where a machine without a battery starts.
    params.not_before = (now - CLOCK_SKEW).max(OffsetDateTime::UNIX_EPOCH);
    params.not_after = now + LIFE;
    params.serial_number = Some(serial_number()?);
    params.distinguished_name = distinguished_name(owner);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".into()),
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(
                std::net::Ipv6Addr::LOCALHOST.octets(),
                128,
            )),
        ],
        excluded_subtrees: Vec::new(),
    });
    Ok(params)
}

fn distinguished_name(owner: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, ORGANIZATION);
    if let Some(owner) = owner {
        let text = format!("qecho {owner}");
        let text: String = text
            .chars()
            .filter(|c| !c.is_control())
            .take(COMMON_NAME_CHARACTERS_MAX)
            .collect();
        name.push(DnType::CommonName, text);
    }
    name
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

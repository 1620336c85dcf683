//! For which names an authority may sign, by its own certificate.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};

/// More entries make a certificate that some clients take no more.
const ENTRIES_MAX: usize = 64;

/// For which names an authority may sign (RFC 5280 §4.2.1.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// localhost, 127.0.0.0/8 and ::1.
    Loopback,
    /// Every name.
    Unlimited,
    /// These domains with what is below them, and these address ranges.
    Limited(Limits),
}

/// Domains and address ranges, written `example.test,10.0.0.0/8,fd00::/8`.
///
/// A kind that is not named is excluded as a whole: who lists domains alone does
/// not mean that every address is allowed. By e-mail addresses and URIs no server is
/// called, and they are not limited: webpki refuses every e-mail address below an
/// authority that limits any, so that clients could have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits(Vec<Limit>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Limit {
    Domain(String),
    Range { address: IpAddr, prefix: u8 },
}

/// Why a text gives no limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseLimitsError {
    /// One entry is neither a domain nor a range.
    #[error("`{entry}` is neither a domain (example.test) nor a range (10.0.0.0/8, fd00::/8)")]
    Entry {
        /// The entry.
        entry: String,
    },
    /// A range has bits behind its prefix.
    #[error("`{entry}` has bits behind its prefix; the range is {range}")]
    Bits {
        /// The entry.
        entry: String,
        /// What it may have meant.
        range: String,
    },
    /// There are too many.
    #[error("there are more than {ENTRIES_MAX} entries")]
    TooMany,
}

impl Scope {
    pub(crate) fn name_constraints(&self) -> Option<NameConstraints> {
        match self {
            Self::Unlimited => None,
            Self::Loopback => Some(NameConstraints {
                permitted_subtrees: vec![
                    GeneralSubtree::DnsName("localhost".into()),
                    GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
                    GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(
                        Ipv6Addr::LOCALHOST.octets(),
                        128,
                    )),
                ],
                excluded_subtrees: Vec::new(),
            }),
            Self::Limited(limits) => Some(limits.name_constraints()),
        }
    }
}

impl Limits {
    /// Tells whether there are address ranges among them.
    ///
    /// BoringSSL has no name constraints for addresses: it refuses a leaf with an address
    /// below an authority that has them, even one that keeps to them.
    pub fn has_ranges(&self) -> bool {
        let is_range = |limit: &Limit| matches!(limit, Limit::Range { .. });
        self.0.iter().any(is_range)
    }

    fn name_constraints(&self) -> NameConstraints {
        let is_domain = |limit: &Limit| matches!(limit, Limit::Domain(_));
        let is_of = |limit: &Limit, v4| matches!(limit, Limit::Range { address, .. } if address.is_ipv4() == v4);
        let mut excluded_subtrees = Vec::new();
        if !self.0.iter().any(is_domain) {
            // An empty name is above every other.
            excluded_subtrees.push(GeneralSubtree::DnsName(String::new()));
        }
        for (everything, v4) in [
            (IpAddr::from(Ipv4Addr::UNSPECIFIED), true),
            (IpAddr::from(Ipv6Addr::UNSPECIFIED), false),
        ] {
            if !self.0.iter().any(|limit| is_of(limit, v4)) {
                excluded_subtrees.push(range(everything, 0));
            }
        }
        let permitted = self.0.iter().map(|limit| match limit {
            Limit::Domain(domain) => GeneralSubtree::DnsName(domain.clone()),
            Limit::Range { address, prefix } => range(*address, *prefix),
        });
        NameConstraints {
            permitted_subtrees: permitted.collect(),
            excluded_subtrees,
        }
    }
}

fn range(address: IpAddr, prefix: u8) -> GeneralSubtree {
    GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, prefix))
}

impl FromStr for Limits {
    type Err = ParseLimitsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let limits: Vec<_> = text.split(',').map(limit).collect::<Result<_, _>>()?;
        match limits.len() > ENTRIES_MAX {
            true => Err(ParseLimitsError::TooMany),
            false => Ok(Self(limits)),
        }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, limit) in self.0.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { ", " })?;
            match limit {
                Limit::Domain(domain) => f.write_str(domain)?,
                Limit::Range { address, prefix } => write!(f, "{address}/{prefix}")?,
            }
        }
        Ok(())
    }
}

fn limit(entry: &str) -> Result<Limit, ParseLimitsError> {
    let neither = || ParseLimitsError::Entry {
        entry: entry.to_owned(),
    };
    let (address, prefix) = match entry.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (entry, None),
    };
    if let Ok(address) = address.parse::<IpAddr>() {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(prefix) => prefix.parse().map_err(|_| neither())?,
        };
        return match prefix <= most {
            true => masked(entry, address, prefix),
            false => Err(neither()),
        };
    }
    match entry.parse::<crate::Name>() {
        Ok(name) if name.is_host() && !name.is_wildcard() => Ok(Limit::Domain(name.to_string())),
        _ => Err(neither()),
    }
}

fn masked(entry: &str, address: IpAddr, prefix: u8) -> Result<Limit, ParseLimitsError> {
    let network: IpAddr = match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from(address.to_bits() & mask).into()
        }
    };
    match network == address {
        true => Ok(Limit::Range { address, prefix }),
        false => Err(ParseLimitsError::Bits {
            entry: entry.to_owned(),
            range: format!("{network}/{prefix}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_domains_and_ranges() {
        let limits: Limits = "example.test,10.0.0.0/8,192.0.2.1,fd00::/8"
            .parse()
            .unwrap();
        assert_eq!(
            limits.to_string(),
            "example.test, 10.0.0.0/8, 192.0.2.1/32, fd00::/8"
        );
    }

    #[test]
    fn ranges_are_told_from_domains() {
        let has_ranges = |text: &str| text.parse::<Limits>().unwrap().has_ranges();
        assert!(has_ranges("a.test,fd00::/8") && has_ranges("192.0.2.1"));
        assert!(!has_ranges("a.test,b.test"));
    }

    #[test]
    fn a_kind_that_is_not_named_is_excluded() {
        let excluded = |text: &str| {
            let limits: Limits = text.parse().unwrap();
            limits.name_constraints().excluded_subtrees.len()
        };
        assert_eq!(excluded("example.test"), 2);
        assert_eq!(excluded("10.0.0.0/8"), 2);
        assert_eq!(excluded("a.test,10.0.0.0/8,fd00::/8"), 0);
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in [
            "",
            "a,,b",
            "*.a.test",
            "10.0.0.0/33",
            "10.0.0.0/x",
            "a/8",
            "a@b",
        ] {
            assert!(text.parse::<Limits>().is_err(), "{text}");
        }
        let error = "10.1.2.3/8".parse::<Limits>().unwrap_err();
        assert!(error.to_string().ends_with("the range is 10.0.0.0/8"));
    }
}

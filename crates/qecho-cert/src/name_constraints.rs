//! Names that an authority may sign for, by its own certificate (RFC 5280 §4.2.1.10).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use rcgen::{CidrSubnet, GeneralSubtree};

/// Some clients refuse a certificate with more entries.
const ENTRIES_MAX: usize = 64;
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Names that an authority may sign for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameConstraints {
    /// localhost, 127.0.0.0/8 and ::1.
    Loopback,
    /// Every name.
    Unconstrained,
    /// These domains, all domains below them, and these address ranges.
    Permitted(PermittedSubtrees),
}

/// Domains and address ranges, written `example.test,10.0.0.0/8,fd00::/8`.
///
/// A kind that is not listed (domains, IPv4 or IPv6 addresses) is excluded as a whole:
/// a list of domains does not allow every address. E-mail addresses and URIs are not
/// constrained: no server is called by them, and webpki refuses every e-mail address
/// below an authority that constrains any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermittedSubtrees {
    subtrees: Vec<GeneralSubtree>,
    text: String,
}

/// Error of parsing [`PermittedSubtrees`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseSubtreesError {
    /// An entry is neither a domain nor a range.
    #[error("`{0}` is neither a domain (example.test) nor a range (10.0.0.0/8, fd00::/8)")]
    Entry(String),
    /// A range has bits set behind its prefix.
    #[error("`{entry}` has bits behind its prefix; the range is {range}")]
    Bits {
        /// The entry.
        entry: String,
        /// The range with these bits cleared.
        range: String,
    },
    /// There are too many entries.
    #[error("there are more than {ENTRIES_MAX} entries")]
    TooMany,
}

impl NameConstraints {
    pub(crate) fn to_extension(&self) -> Option<rcgen::NameConstraints> {
        match self {
            Self::Unconstrained => None,
            Self::Loopback => {
                let loopback: PermittedSubtrees = LOOPBACK.parse().expect("these are subtrees");
                Some(loopback.to_extension())
            }
            Self::Permitted(subtrees) => Some(subtrees.to_extension()),
        }
    }
}

impl PermittedSubtrees {
    /// Returns whether there are address ranges among them.
    ///
    /// BoringSSL has no name constraints for addresses: it refuses a leaf with an address
    /// below an authority that has them, even where they permit that address.
    pub fn has_ranges(&self) -> bool {
        let is_range = |subtree: &_| matches!(subtree, GeneralSubtree::IpAddress(_));
        self.subtrees.iter().any(is_range)
    }

    fn to_extension(&self) -> rcgen::NameConstraints {
        // An empty name is above every other.
        let every_domain = GeneralSubtree::DnsName(String::new());
        let every_address =
            |address| GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 0));
        let excluded = [
            every_domain,
            every_address(Ipv4Addr::UNSPECIFIED.into()),
            every_address(Ipv6Addr::UNSPECIFIED.into()),
        ];
        let is_unlisted = |kind: &_| !self.subtrees.iter().any(|listed| same_kind(listed, kind));
        rcgen::NameConstraints {
            permitted_subtrees: self.subtrees.clone(),
            excluded_subtrees: excluded.into_iter().filter(is_unlisted).collect(),
        }
    }
}

fn same_kind(one: &GeneralSubtree, other: &GeneralSubtree) -> bool {
    use GeneralSubtree::{DnsName, IpAddress};
    match (one, other) {
        (DnsName(_), DnsName(_)) => true,
        (IpAddress(one), IpAddress(other)) => {
            std::mem::discriminant(one) == std::mem::discriminant(other)
        }
        _ => false,
    }
}

impl FromStr for PermittedSubtrees {
    type Err = ParseSubtreesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries = text.split(',').map(subtree);
        let (subtrees, texts) = entries.collect::<Result<(Vec<_>, Vec<_>), _>>()?;
        match subtrees.len() > ENTRIES_MAX {
            true => Err(ParseSubtreesError::TooMany),
            false => Ok(Self {
                subtrees,
                text: texts.join(", "),
            }),
        }
    }
}

impl fmt::Display for PermittedSubtrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Bits before an IPv4 address in its IPv6 form (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// Parses an entry, and returns it with its text in the usual form.
fn subtree(entry: &str) -> Result<(GeneralSubtree, String), ParseSubtreesError> {
    let neither = || ParseSubtreesError::Entry(entry.to_owned());
    let (address, prefix) = match entry.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (entry, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return match entry.parse::<crate::SubjectAltName>() {
            Ok(name) if name.is_host() && !name.is_wildcard() => {
                let domain = name.to_string();
                Ok((GeneralSubtree::DnsName(domain.clone()), domain))
            }
            _ => Err(neither()),
        };
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix: u8 = match prefix {
        None => longest,
        Some(prefix) => prefix.parse().map_err(|_| neither())?,
    };
    if prefix > longest {
        return Err(neither());
    }
    // Certificates have ::ffff:192.0.2.1 as the IPv4 address that it is.
    let (address, prefix) = match (address.to_canonical(), prefix.checked_sub(MAPPED_PREFIX)) {
        (mapped @ IpAddr::V4(_), Some(prefix)) if address.is_ipv6() => (mapped, prefix),
        _ => (address, prefix),
    };
    let range = format!("{}/{prefix}", network(address, prefix));
    if network(address, prefix) != address {
        return Err(ParseSubtreesError::Bits {
            entry: entry.to_owned(),
            range,
        });
    }
    let subnet = CidrSubnet::from_addr_prefix(address, prefix);
    Ok((GeneralSubtree::IpAddress(subnet), range))
}

/// Clears the bits behind a prefix.
fn network(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtrees_are_domains_and_ranges() {
        let subtrees: PermittedSubtrees = "example.test,10.0.0.0/8,192.0.2.1,fd00::/8"
            .parse()
            .unwrap();
        assert_eq!(
            subtrees.to_string(),
            "example.test, 10.0.0.0/8, 192.0.2.1/32, fd00::/8"
        );
        for (typed, range) in [
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::/0", "::/0"),
        ] {
            let subtrees: PermittedSubtrees = typed.parse().unwrap();
            assert_eq!(subtrees.to_string(), range);
        }
    }

    #[test]
    fn ranges_are_told_from_domains() {
        let has_ranges = |text: &str| text.parse::<PermittedSubtrees>().unwrap().has_ranges();
        assert!(has_ranges("a.test,fd00::/8") && has_ranges("192.0.2.1"));
        assert!(!has_ranges("a.test,b.test"));
    }

    #[test]
    fn a_kind_that_is_not_named_is_excluded() {
        let excluded = |text: &str| {
            let subtrees: PermittedSubtrees = text.parse().unwrap();
            subtrees.to_extension().excluded_subtrees.len()
        };
        assert_eq!(excluded("example.test"), 2);
        assert_eq!(excluded("10.0.0.0/8"), 2);
        assert_eq!(excluded("a.test,10.0.0.0/8,fd00::/8"), 0);
    }

    #[test]
    fn what_is_no_subtree_is_refused() {
        for text in [
            "",
            "a,,b",
            "*.a.test",
            "10.0.0.0/33",
            "10.0.0.0/x",
            "a/8",
            "a@b",
        ] {
            assert!(text.parse::<PermittedSubtrees>().is_err(), "{text}");
        }
        let error = "10.1.2.3/8".parse::<PermittedSubtrees>().unwrap_err();
        assert!(error.to_string().ends_with("the range is 10.0.0.0/8"));
    }
}

//! What systems and routers tell, in the doctor's words.

use std::{io, net::IpAddr};

use crate::{
    doctor::world::{SendFailure, Told, Unreachable},
    remote::Aside,
};

impl Told {
    /// Names what was told beside datagrams.
    pub(super) fn of(aside: Aside<'_>) -> Self {
        match aside {
            Aside::Icmp(message) if message.is_too_large() => Self::TooLarge {
                from: Some(message.from),
                mtu: message.mtu,
            },
            Aside::Icmp(message) => Self::Unreachable {
                from: Some(message.from),
                why: why(message.from, message.kind, message.code),
            },
            Aside::NotSent(error) => Self::NotSent {
                why: SendFailure::of(error),
                words: error.to_string(),
            },
            Aside::Foreign { from, contents } => Self::Foreign { from, contents },
        }
    }
}

impl SendFailure {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            // EPERM is a rule of netfilter, EACCES a route that is called `prohibit`.
            io::ErrorKind::PermissionDenied => Self::Forbidden,
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => Self::NoRoute,
            _ => Self::Other,
        }
    }
}

/// Returns what an ICMP (RFC 792, RFC 1812 §5.2.7.1) or ICMPv6 message (RFC 4443 §3) says.
fn why(from: IpAddr, kind: u8, code: u8) -> Unreachable {
    match (from, kind, code) {
        (IpAddr::V4(_), 3, 0 | 6 | 11) | (IpAddr::V6(_), 1, 0) => Unreachable::Network,
        (IpAddr::V4(_), 3, 1 | 7 | 8 | 12) | (IpAddr::V6(_), 1, 3) => Unreachable::Host,
        (IpAddr::V4(_), 3, 2) | (IpAddr::V6(_), 4, 1) => Unreachable::Protocol,
        (IpAddr::V4(_), 3, 3) | (IpAddr::V6(_), 1, 4) => Unreachable::Port,
        (IpAddr::V4(_), 3, 9 | 10 | 13..=15) | (IpAddr::V6(_), 1, 1 | 5 | 6) => {
            Unreachable::Prohibited
        }
        (IpAddr::V4(_), 11, 0) | (IpAddr::V6(_), 3, 0) => Unreachable::HopLimit,
        (IpAddr::V6(_), 1, 2) => Unreachable::Scope,
        _ => Unreachable::Other(kind, code),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn messages_of_both_families_say_the_same_in_other_numbers() {
        use Unreachable::{HopLimit, Host, Network, Other, Port, Prohibited, Protocol, Scope};
        for (v4, v6, expected) in [
            (&[(3, 0), (3, 6), (3, 11)][..], &[(1, 0)][..], Network),
            (&[(3, 1), (3, 7), (3, 8), (3, 12)], &[(1, 3)], Host),
            (&[(3, 2)], &[(4, 1)], Protocol),
            (&[(3, 3)], &[(1, 4)], Port),
            (
                &[(3, 9), (3, 10), (3, 13), (3, 14), (3, 15)],
                &[(1, 1), (1, 5), (1, 6)],
                Prohibited,
            ),
            (&[(11, 0)], &[(3, 0)], HopLimit),
            (&[], &[(1, 2)], Scope),
            (&[(11, 1)], &[], Other(11, 1)),
            (&[(12, 0)], &[], Other(12, 0)),
            (&[], &[(3, 1)], Other(3, 1)),
            (&[(4, 0)], &[(4, 0)], Other(4, 0)),
        ] {
            let v4 = v4.iter().map(|it| (Ipv4Addr::LOCALHOST.into(), *it));
            let v6 = v6.iter().map(|it| (Ipv6Addr::LOCALHOST.into(), *it));
            for (from, (kind, code)) in v4.chain(v6) {
                assert_eq!(why(from, kind, code), expected, "{from} {kind} {code}");
            }
        }
    }

    #[test]
    fn permission_that_is_denied_is_a_rule_of_this_host_and_nothing_else_is() {
        for (kind, expected) in [
            (io::ErrorKind::PermissionDenied, SendFailure::Forbidden),
            (io::ErrorKind::NetworkUnreachable, SendFailure::NoRoute),
            (io::ErrorKind::HostUnreachable, SendFailure::NoRoute),
            (io::ErrorKind::NetworkDown, SendFailure::NoRoute),
            (io::ErrorKind::InvalidInput, SendFailure::Other),
            (io::ErrorKind::OutOfMemory, SendFailure::Other),
        ] {
            let told = Told::of(Aside::NotSent(&io::Error::new(kind, "words")));
            let words = "words".into();
            let why = expected;
            assert_eq!(told, Told::NotSent { why, words }, "{kind}");
        }
    }
}

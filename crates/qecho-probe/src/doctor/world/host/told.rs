//! What systems and routers tell, in the doctor's words.

use std::{io, net::IpAddr};

use crate::{
    doctor::world::{Told, Unreachable},
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
            // EPERM is a rule of netfilter, EACCES a route that is called `prohibit`.
            Aside::NotSent(error) => Self::NotSent {
                is_forbidden: error.kind() == io::ErrorKind::PermissionDenied,
                words: error.to_string(),
            },
            Aside::Foreign { from, contents } => Self::Foreign { from, contents },
        }
    }
}

/// Returns what an ICMP (RFC 792, RFC 1812 §5.2.7.1) or ICMPv6 message (RFC 4443 §3.1) says.
fn why(from: IpAddr, kind: u8, code: u8) -> Unreachable {
    match (from, kind, code) {
        (IpAddr::V4(_), 3, 0 | 6 | 11) | (IpAddr::V6(_), 1, 0) => Unreachable::Network,
        (IpAddr::V4(_), 3, 1 | 7 | 8 | 12) | (IpAddr::V6(_), 1, 3) => Unreachable::Host,
        (IpAddr::V4(_), 3, 3) | (IpAddr::V6(_), 1, 4) => Unreachable::Port,
        (IpAddr::V4(_), 3, 9 | 10 | 13) | (IpAddr::V6(_), 1, 1 | 5 | 6) => Unreachable::Prohibited,
        _ => Unreachable::Other(kind, code),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn messages_of_both_families_say_the_same_in_other_numbers() {
        use Unreachable::{Host, Network, Other, Port, Prohibited};
        let v4 = Ipv4Addr::LOCALHOST.into();
        let v6 = Ipv6Addr::LOCALHOST.into();
        for (from, kind, code, expected) in [
            (v4, 3, 0, Network),
            (v6, 1, 0, Network),
            (v4, 3, 1, Host),
            (v6, 1, 3, Host),
            (v4, 3, 3, Port),
            (v6, 1, 4, Port),
            (v4, 3, 9, Prohibited),
            (v4, 3, 10, Prohibited),
            (v4, 3, 13, Prohibited),
            (v6, 1, 1, Prohibited),
            (v6, 1, 5, Prohibited),
            (v4, 3, 2, Other(3, 2)),
            (v4, 11, 0, Other(11, 0)),
            (v6, 3, 0, Other(3, 0)),
            (v6, 1, 2, Other(1, 2)),
        ] {
            assert_eq!(why(from, kind, code), expected, "{from} {kind} {code}");
        }
    }

    #[test]
    fn permission_that_is_denied_is_a_rule_of_this_host_and_nothing_else_is() {
        for (kind, expected) in [
            (io::ErrorKind::PermissionDenied, true),
            (io::ErrorKind::NetworkUnreachable, false),
            (io::ErrorKind::HostUnreachable, false),
            (io::ErrorKind::InvalidInput, false),
        ] {
            let told = Told::of(Aside::NotSent(&io::Error::new(kind, "words")));
            let Told::NotSent {
                is_forbidden,
                words,
            } = told
            else {
                panic!("{told:?}");
            };
            assert_eq!((is_forbidden, &*words), (expected, "words"));
        }
    }
}

//! `HOST[:PORT]` as people write it.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use crate::{ParseSubjectAltNameError, SubjectAltName};

/// A host by name or address, and a port.
///
/// ```
/// use qecho_cert::HostPort;
///
/// let place = HostPort::read("bücher.example", 4433)?;
/// assert_eq!(place.name(), "xn--bcher-kva.example");
/// assert_eq!(HostPort::read("[::1]:9", 4433)?.to_string(), "[::1]:9");
/// # Ok::<(), qecho_cert::ParseHostPortError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The host without brackets; an IPv6 address may have a zone (`fe80::1%eth0`, RFC 4007 §11).
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Error of a text that is no host with a port; it says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseHostPortError(String);

impl From<String> for ParseHostPortError {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

impl From<&str> for ParseHostPortError {
    fn from(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

impl HostPort {
    /// Reads a place whose port, if none is named, is `usual_port`.
    ///
    /// # Errors
    /// It is none: a URL, a zone where there must be none, or something else that is said.
    pub fn read(text: &str, usual_port: u16) -> Result<Self, ParseHostPortError> {
        if text.contains("://") {
            return Err("write HOST or HOST:PORT, without a scheme before it".into());
        }
        let (host, port) = match text.strip_prefix('[') {
            None if ipv6(text).is_some() => (text, None),
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or("`[` without `]`")?;
                ipv6(host).ok_or_else(|| format!("`{host}` is no IPv6 address"))?;
                match rest {
                    "" => (host, None),
                    rest => {
                        let port = rest.strip_prefix(':').ok_or("no `:` after `]`")?;
                        (host, Some(port))
                    }
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() {
            return Err("no host is named; write HOST or HOST:PORT".into());
        }
        check_zone(host)?;
        ascii(host)?;
        Ok(Self {
            host: host.to_owned(),
            port: port.map_or(Ok(usual_port), read_port)?,
        })
    }

    /// Returns the name that is looked up, and that a certificate has: in ASCII (RFC 5890
    /// §2.3.2.1), of an address without the zone, which is known on this host alone, and in
    /// its own family, also where it was written as ::ffff:192.0.2.1.
    pub fn name(&self) -> String {
        let host = match self.zone() {
            Some(zone) => &self.host[..self.host.len() - zone.len() - 1],
            None => &self.host,
        };
        match host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().to_string(),
            Err(_) => ascii(host).unwrap_or_else(|_| host.to_owned()),
        }
    }

    /// Returns the zone of an IPv6 address: the name or number of an interface.
    pub fn zone(&self) -> Option<&str> {
        ipv6(&self.host)?.1
    }
}

/// Returns a host in ASCII; what is ASCII stays as it was typed.
fn ascii(host: &str) -> Result<String, String> {
    if host.is_ascii() {
        return Ok(host.to_owned());
    }
    match host.parse::<SubjectAltName>() {
        Ok(name) if name.is_host() && !name.is_wildcard() => Ok(name.to_string()),
        Ok(_) => Err(format!("`{host}` is no host name")),
        Err(ParseSubjectAltNameError::NotAName) => Err(format!("`{host}` is no host name")),
        Err(reason) => Err(format!("`{host}` is no host name: {reason}")),
    }
}

/// Reads an IPv6 address and its zone, if it has one.
fn ipv6(host: &str) -> Option<(Ipv6Addr, Option<&str>)> {
    let (address, zone) = match host.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (host, None),
    };
    Some((address.parse().ok()?, zone))
}

/// Checks that an address has a zone if it needs one, and only then.
fn check_zone(host: &str) -> Result<(), String> {
    match ipv6(host) {
        Some((address, None | Some(""))) if address.is_unicast_link_local() => Err(format!(
            "{address} is a link-local address, which is good on one network alone: \
             name its interface, for instance {address}%eth0"
        )),
        Some((address, Some(_))) if !address.is_unicast_link_local() => Err(format!(
            "only link-local addresses (fe80::…) have a zone: write {address} without it"
        )),
        _ => Ok(()),
    }
}

/// Reads a port number.
fn read_port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no port number (0 to 65535)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read_with_and_without_a_port() {
        let cases = [
            ("localhost", "localhost:4433"),
            ("localhost:9", "localhost:9"),
            ("::1", "[::1]:4433"),
            ("[::1]", "[::1]:4433"),
            ("[2001:db8::7]:443", "[2001:db8::7]:443"),
            ("192.0.2.1:1", "192.0.2.1:1"),
            ("fe80::1%eth0", "[fe80::1%eth0]:4433"),
            ("[fe80::1%eth0]:9", "[fe80::1%eth0]:9"),
        ];
        for (typed, meant) in cases {
            let place = HostPort::read(typed, 4433).expect(typed);
            assert_eq!(place.to_string(), meant);
        }
    }

    #[test]
    fn a_name_is_looked_up_as_a_certificate_has_it() {
        for (typed, name) in [
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%2]:9", "fe80::1"),
            ("::1", "::1"),
            ("a.test", "a.test"),
            ("münchen.test:9", "xn--mnchen-3ya.test"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            let place = HostPort::read(typed, 4433).expect(typed);
            assert_eq!(place.name(), name);
        }
    }

    #[test]
    fn what_is_no_place_is_explained() {
        let cases = [
            ("", "no host is named; write HOST or HOST:PORT"),
            (":4433", "no host is named; write HOST or HOST:PORT"),
            (
                "https://a:1",
                "write HOST or HOST:PORT, without a scheme before it",
            ),
            ("a:b", "`b` is no port number (0 to 65535)"),
            ("a:70000", "`70000` is no port number (0 to 65535)"),
            ("[::1", "`[` without `]`"),
            ("[x]:1", "`x` is no IPv6 address"),
            ("[::1]4433", "no `:` after `]`"),
            (
                "１２７.0.0.1",
                "`１２７.0.0.1` is no host name: it looks like an IP address, but is none; \
                 type it in ASCII digits",
            ),
            (
                "[fe80::1]:4433",
                "fe80::1 is a link-local address, which is good on one network alone: \
                 name its interface, for instance fe80::1%eth0",
            ),
            (
                "::1%lo",
                "only link-local addresses (fe80::…) have a zone: write ::1 without it",
            ),
        ];
        for (typed, reason) in cases {
            assert_eq!(HostPort::read(typed, 4433), Err(reason.into()), "{typed}");
        }
    }
}

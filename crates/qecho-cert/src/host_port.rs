//! `HOST[:PORT]` as people write it.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use crate::host_name::{HostName, HostNameError};

/// A host by name or address, and a port.
///
/// ```
/// use qecho_cert::HostPort;
///
/// let place = HostPort::read("Bücher.example.", 4433)?;
/// assert_eq!(place.host, "xn--bcher-kva.example.");
/// assert_eq!(place.name(), "xn--bcher-kva.example");
/// assert_eq!(HostPort::read("[::1]:9", 4433)?.to_string(), "[::1]:9");
/// # Ok::<(), qecho_cert::ParseHostPortError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The host as the system looks it up: a name in ASCII and lower case, with the dot at its end
    /// if it has one, or an address in its own family and without brackets; an IPv6 address may
    /// have a zone (`fe80::1%eth0`, RFC 4007 §11).
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
        let (host, port) = parts(text)?;
        check_zone(&host)?;
        let port = port.unwrap_or(usual_port);
        Ok(Self { host, port })
    }

    /// Reads a host alone, and returns its [`name`](Self::name). A link-local address needs no
    /// zone to be in a certificate.
    ///
    /// # Errors
    /// As of [`read`](Self::read), or a port is named.
    pub fn read_name(text: &str) -> Result<String, ParseHostPortError> {
        let (host, port) = parts(text)?;
        if port.is_some() {
            return Err(
                "a certificate is for a host, whatever its port: leave the port out".into(),
            );
        }
        let place = Self { host, port: 0 };
        if place.zone().is_some() {
            check_zone(&place.host)?;
        }
        Ok(place.name())
    }

    /// Reads the place in a URI (RFC 3986 §3.2), and returns it in its usual form.
    pub(crate) fn in_uri(text: &str) -> Result<String, ParseHostPortError> {
        let (host, port) = parts(text)?;
        if host.contains('%') {
            return Err("an address in a URI has no zone: leave % and what follows out".into());
        }
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host,
        };
        Ok(port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
    }

    /// Returns the name that a client asks for and a certificate has: without the dot at its end
    /// (RFC 6066 §3), of an address without the zone, which is known on this host alone.
    pub fn name(&self) -> String {
        let host = match self.zone() {
            Some(zone) => &self.host[..self.host.len() - zone.len() - 1],
            None => &self.host,
        };
        host.strip_suffix('.').unwrap_or(host).to_owned()
    }

    /// Returns the zone of an IPv6 address: the name or number of an interface.
    pub fn zone(&self) -> Option<&str> {
        ipv6(&self.host)?.1
    }
}

/// Reads a host, in the form in which it is looked up, and a port if one is named.
fn parts(text: &str) -> Result<(String, Option<u16>), ParseHostPortError> {
    if text.contains("://") {
        return Err("write HOST or HOST:PORT, without a scheme before it".into());
    }
    let (host, port) = match text.strip_prefix('[') {
        None if ipv6(text).is_some() => (text, None),
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("`[` without `]`")?;
            if !host.is_empty() {
                ipv6(host).ok_or_else(|| format!("`{host}` is no IPv6 address"))?;
            }
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
    let port = port.map(read_port).transpose()?;
    Ok((looked_up(host)?, port))
}

/// Returns a host in the form in which the system looks it up.
fn looked_up(host: &str) -> Result<String, ParseHostPortError> {
    if let Some((address, Some(zone))) = ipv6(host) {
        let zone = read_zone(zone)?;
        return Ok(format!("{address}%{zone}"));
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(address.to_canonical().to_string());
    }
    let HostName { ascii, is_absolute } = HostName::read(host).map_err(|error| match error {
        HostNameError::Character('*') => "`*` stands for no single host; name one".into(),
        error => error.to_string(),
    })?;
    Ok(ascii + if is_absolute { "." } else { "" })
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

/// Reads the name or number of an interface, as far as it can be one.
fn read_zone(zone: &str) -> Result<&str, String> {
    if let Some((interface, port)) = zone.split_once(':') {
        return Err(format!(
            "an address has brackets before its port, as in [fe80::1%{interface}]:{port}"
        ));
    }
    let is_other = |c: char| !c.is_ascii_graphic() || "%/[]".contains(c);
    match zone.contains(is_other) {
        true => Err("no interface has the name that follows `%`".into()),
        false => Ok(zone),
    }
}

/// Reads a port number.
fn read_port(text: &str) -> Result<u16, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if is_number => Ok(port),
        _ if text.is_empty() => Err("no port is named after `:`".into()),
        _ => Err(format!("`{text}` is no port number (0 to 65535)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read_with_and_without_a_port() {
        let cases = [
            ("localhost", "localhost:4433"),
            ("LocalHost:09", "localhost:9"),
            ("a_b.example.", "a_b.example.:4433"),
            ("Bücher.Example:9", "xn--bcher-kva.example:9"),
            ("127.1", "127.1:4433"),
            ("2001:DB8::7", "[2001:db8::7]:4433"),
            ("[::FFFF:192.0.2.1]:9", "192.0.2.1:9"),
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
            ("bücher.example.", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example.", "xn--bcher-kva.example"),
            ("LOCALHOST.", "localhost"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            let place = HostPort::read(typed, 4433).expect(typed);
            assert_eq!(place.name(), name);
        }
    }

    #[test]
    fn a_name_alone_has_no_port_and_may_be_a_link_local_address() {
        for (typed, name) in [
            ("LOCALHOST.", "localhost"),
            ("fe80::1", "fe80::1"),
            ("[fe80::1%eth0]", "fe80::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(HostPort::read_name(typed).as_deref(), Ok(name));
        }
        for typed in [
            "localhost:4433",
            "LOCALHOST:9",
            "[::1]:0",
            "::1%lo",
            "",
            "a b",
        ] {
            assert!(HostPort::read_name(typed).is_err(), "{typed}");
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
            ("a:+7", "`+7` is no port number (0 to 65535)"),
            ("a:", "no port is named after `:`"),
            ("[]:1", "no host is named; write HOST or HOST:PORT"),
            ("*.example", "`*` stands for no single host; name one"),
            ("a b:1", "no host name has a space in it"),
            ("a\nb", "no host name has `\\n` in it"),
            ("a@b", "no host name has `@` in it"),
            (
                "xn--a",
                "a part of it begins with `xn--`, but stands for no letters (Punycode)",
            ),
            (
                "fe80::1%eth0:9",
                "an address has brackets before its port, as in [fe80::1%eth0]:9",
            ),
            (
                "[fe80::1%a\u{1b}\n]:9",
                "no interface has the name that follows `%`",
            ),
            ("[::1", "`[` without `]`"),
            ("[x]:1", "`x` is no IPv6 address"),
            ("[::1]4433", "no `:` after `]`"),
            (
                "１２７.0.0.1",
                "it looks like an IP address, but is none; write it in ASCII digits, \
                 with no dot at its end",
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

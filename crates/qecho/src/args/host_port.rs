//! `HOST[:PORT]` as people write it.

use std::net::Ipv6Addr;

use qecho_echo::PORT;

/// A host by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

impl HostPort {
    /// Reads a place whose port, if none is named, is `usual_port`.
    pub(super) fn read(text: &str, usual_port: u16) -> Result<Self, String> {
        if text.contains("://") {
            return Err("write HOST or HOST:PORT, without a scheme before it".into());
        }
        let (host, port) = match text.strip_prefix('[') {
            None if text.parse::<Ipv6Addr>().is_ok() => (text, None),
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or("`[` without `]`")?;
                host.parse::<Ipv6Addr>()
                    .map_err(|_| format!("`{host}` is no IPv6 address"))?;
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
        Ok(Self {
            host: host.to_owned(),
            port: port.map_or(Ok(usual_port), self::port)?,
        })
    }
}

/// Reads a place that can be reached.
pub(super) fn reachable(text: &str) -> Result<HostPort, String> {
    let place = HostPort::read(text, PORT)?;
    match place.port {
        0 => Err("nobody can be reached on port 0".into()),
        _ => Ok(place),
    }
}

/// Reads a port number.
pub(super) fn port(text: &str) -> Result<u16, String> {
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
        ];
        for (typed, meant) in cases {
            let place = HostPort::read(typed, PORT).expect(typed);
            assert_eq!(place.to_string(), meant);
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
        ];
        for (typed, reason) in cases {
            assert_eq!(
                HostPort::read(typed, PORT),
                Err(reason.to_owned()),
                "{typed}"
            );
        }
    }
}

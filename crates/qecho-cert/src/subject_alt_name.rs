//! Subject alternative names, as people type them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use rcgen::SanType;
use rcgen::string::Ia5String;

use crate::host_name::{HostName, HostNameError};
use crate::host_port::{HostPort, ParseHostPortError};

/// RFC 8141 §2.
const NAMESPACE_CHARACTERS_MAX: usize = 32;
/// RFC 5321 §4.5.3.1.3, and far from any limit for URIs.
const OTHER_CHARACTERS_MAX: usize = 254;

/// One name of a certificate: a host (also `*.example.test`), an address, an
/// e-mail address or a URI.
///
/// A name takes the form in which names are compared: a host is in lower case, and in ASCII
/// (`Bücher.example` becomes `xn--bcher-kva.example`), also in an e-mail address or a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectAltName {
    text: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Host,
    Address(IpAddr),
    Email,
    Uri,
}

/// Error of parsing a [`SubjectAltName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseSubjectAltNameError {
    /// The text has white space in it.
    #[error("a name has no spaces; give several names as several words")]
    Space,
    /// The text ends in a port.
    #[error("a certificate is for a host, whatever its port: leave the port out")]
    Port,
    /// The text is neither a host, an address, an e-mail address nor a URI.
    #[error("it is no host name, IP address, e-mail address or URI")]
    NotAName,
    /// The text is meant as a host, and is no host name.
    #[error(transparent)]
    Host(#[from] HostNameError),
    /// The place in the text, a URI, is none.
    #[error(transparent)]
    Place(#[from] ParseHostPortError),
    /// The text is an address with the zone of an interface (RFC 4007 §11).
    #[error("a certificate is for an address on any interface: leave % and what follows out")]
    Zone,
    /// The text is a host with a dot at its end.
    #[error("names in certificates have no dot at their end: leave it out")]
    LastDot,
    /// A star is not the whole first label, or not the only one.
    #[error("a wildcard is one star in front of a domain, as in *.example.test")]
    Wildcard,
    /// The text is longer than a name may be.
    #[error("it is too long")]
    TooLong,
}

impl SubjectAltName {
    /// Returns whether a server can be called by the name.
    pub fn is_for_servers(&self) -> bool {
        self.kind != Kind::Email
    }

    /// Returns whether the name is a host, wildcard or not.
    pub fn is_host(&self) -> bool {
        self.kind == Kind::Host
    }

    /// Returns whether the name is an e-mail address.
    pub fn is_email(&self) -> bool {
        self.kind == Kind::Email
    }

    /// Returns whether the name is a wildcard (`*.example.test`).
    pub fn is_wildcard(&self) -> bool {
        self.kind == Kind::Host && self.text.starts_with('*')
    }

    /// Returns whether the name is a host that ends in a number, as 192.168.1.300 does:
    /// clients take it for a malformed address.
    pub fn is_like_an_address(&self) -> bool {
        let last = self.text.rsplit('.').next();
        let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        self.kind == Kind::Host && last.is_some_and(is_number)
    }

    pub(crate) fn to_san(&self) -> Result<SanType, rcgen::Error> {
        let text = || Ia5String::try_from(self.text.as_str());
        Ok(match self.kind {
            Kind::Host => SanType::DnsName(text()?),
            Kind::Address(address) => SanType::IpAddress(address),
            Kind::Email => SanType::Rfc822Name(text()?),
            Kind::Uri => SanType::URI(text()?),
        })
    }
}

impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for SubjectAltName {
    type Err = ParseSubjectAltNameError;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        if typed.contains(char::is_whitespace) {
            return Err(ParseSubjectAltNameError::Space);
        }
        if let Some(address) = address(typed) {
            return Ok(address);
        }
        if let Some((address, _)) = typed.split_once('%')
            && address.trim_start_matches('[').parse::<Ipv6Addr>().is_ok()
        {
            return Err(ParseSubjectAltNameError::Zone);
        }
        if let Some((scheme, rest)) = typed.split_once("://") {
            return uri(typed, scheme, rest);
        }
        if let Some((scheme, rest)) = typed.split_once(':')
            && scheme.eq_ignore_ascii_case("urn")
        {
            return urn(typed, rest);
        }
        if let Some((mailbox, domain)) = typed.split_once('@') {
            return email(typed, mailbox, domain);
        }
        let (star, domain) = match typed.strip_prefix("*.") {
            Some(domain) => ("*.", domain),
            None => ("", typed),
        };
        let text = format!("{star}{}", host(domain)?);
        let kind = Kind::Host;
        Ok(Self { text, kind })
    }
}

/// Reads an address, also in the brackets that it has before a port; its text has none, for
/// files are named after it.
fn address(typed: &str) -> Option<SubjectAltName> {
    let inner = typed
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .filter(|inner| inner.contains(':'));
    let text = inner.unwrap_or(typed);
    let address = text.parse::<IpAddr>().ok()?.to_canonical();
    Some(SubjectAltName {
        text: address.to_string(),
        kind: Kind::Address(address),
    })
}

fn host(typed: &str) -> Result<String, ParseSubjectAltNameError> {
    if typed.is_empty() {
        return Err(ParseSubjectAltNameError::NotAName);
    }
    if typed.contains('*') {
        return Err(ParseSubjectAltNameError::Wildcard);
    }
    if let Some((_, port)) = typed.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(ParseSubjectAltNameError::Port);
    }
    let name = HostName::read(typed)?;
    // The dot is a resolver's matter (RFC 6066 §3).
    match name.is_absolute {
        true => Err(ParseSubjectAltNameError::LastDot),
        false => Ok(name.ascii),
    }
}

fn email(
    typed: &str,
    mailbox: &str,
    domain: &str,
) -> Result<SubjectAltName, ParseSubjectAltNameError> {
    let printable = |c: char| c.is_ascii_graphic() && !"()<>[]:;@\\,\"/".contains(c);
    if mailbox.is_empty() || !mailbox.chars().all(printable) {
        return Err(ParseSubjectAltNameError::NotAName);
    }
    limited(typed)?;
    Ok(SubjectAltName {
        text: format!("{mailbox}@{}", host(domain)?),
        kind: Kind::Email,
    })
}

fn uri(typed: &str, scheme: &str, rest: &str) -> Result<SubjectAltName, ParseSubjectAltNameError> {
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let starts_well = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, place) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    let well_formed = starts_well
        && scheme.chars().all(in_scheme)
        && user
            .chars()
            .chain(path.chars())
            .all(|c| c.is_ascii_graphic());
    if !well_formed || place.is_empty() {
        return Err(ParseSubjectAltNameError::NotAName);
    }
    limited(typed)?;
    let place = HostPort::in_uri(place)?;
    let scheme = scheme.to_ascii_lowercase();
    Ok(SubjectAltName {
        text: format!("{scheme}://{user}{place}{path}"),
        kind: Kind::Uri,
    })
}

/// Reads what follows `urn:`: the name of a namespace, and a name in it (RFC 8141 §2).
fn urn(typed: &str, rest: &str) -> Result<SubjectAltName, ParseSubjectAltNameError> {
    let in_namespace = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let well_formed = rest.split_once(':').is_some_and(|(namespace, name)| {
        (2..=NAMESPACE_CHARACTERS_MAX).contains(&namespace.len())
            && namespace.chars().all(in_namespace)
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_graphic())
    });
    if !well_formed {
        return Err(ParseSubjectAltNameError::NotAName);
    }
    limited(typed)?;
    Ok(SubjectAltName {
        text: typed.to_owned(),
        kind: Kind::Uri,
    })
}

fn limited(typed: &str) -> Result<(), ParseSubjectAltNameError> {
    match typed.len() > OTHER_CHARACTERS_MAX {
        true => Err(ParseSubjectAltNameError::TooLong),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_mkcert_takes_them() {
        for (typed, text) in [
            ("localhost", "localhost"),
            ("LOCAL-Host", "local-host"),
            ("_x.y", "_x.y"),
            ("*.example.test", "*.example.test"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("*.bücher.example", "*.xn--bcher-kva.example"),
            ("BU\u{308}CHER.example", "xn--bcher-kva.example"),
            ("faß.example", "xn--fa-hia.example"),
            ("пример。тест", "xn--e1afmkfd.xn--e1aybc"),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("A@B.Example", "A@b.example"),
            ("a@bücher.example", "a@xn--bcher-kva.example"),
            ("https://a.example/b", "https://a.example/b"),
            (
                "HTTPS://Bücher.Example:8/B?C",
                "https://xn--bcher-kva.example:8/B?C",
            ),
            ("https://A@[2001:DB8::1]/", "https://A@[2001:db8::1]/"),
            ("spiffe://a.test/b", "spiffe://a.test/b"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("2001:DB8::1", "2001:db8::1"),
            ("urn:uuid:1", "urn:uuid:1"),
            ("[::1]", "::1"),
        ] {
            let name: SubjectAltName = typed.parse().expect(typed);
            assert_eq!(name.to_string(), text);
        }
    }

    #[test]
    fn an_ipv4_address_in_ipv6_form_is_the_ipv4_address() {
        let name: SubjectAltName = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(name.kind, Kind::Address([192, 0, 2, 1].into()));
    }

    #[test]
    fn hosts_that_end_in_a_number_are_told_apart() {
        for (typed, like) in [
            ("192.168.1.300", true),
            ("127.1", true),
            ("127.0.0.1", false),
            ("a.test", false),
            ("1.2.a3", false),
        ] {
            let name: SubjectAltName = typed.parse().expect(typed);
            assert_eq!(name.is_like_an_address(), like, "{typed}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_a_reason() {
        let punycode = || ParseSubjectAltNameError::Host(HostNameError::Punycode);
        let character = |c| ParseSubjectAltNameError::Host(HostNameError::Character(c));
        let long = "a".repeat(64);
        for (typed, error) in [
            ("", ParseSubjectAltNameError::NotAName),
            ("a b", ParseSubjectAltNameError::Space),
            ("x.", ParseSubjectAltNameError::LastDot),
            ("*.a.test.", ParseSubjectAltNameError::LastDot),
            (".", HostNameError::EmptyLabel.into()),
            ("bücher.example.", ParseSubjectAltNameError::LastDot),
            ("xn--a", punycode()),
            ("*.xn--a.test", punycode()),
            ("a@xn--a", punycode()),
            ("https://a b/", ParseSubjectAltNameError::Space),
            ("urn:uuid", ParseSubjectAltNameError::NotAName),
            ("[::1]:4433", ParseSubjectAltNameError::Port),
            ("[fe80::1%eth0]", ParseSubjectAltNameError::Zone),
            ("１２７.0.0.1", HostNameError::Address.into()),
            ("a..b", HostNameError::EmptyLabel.into()),
            ("-x", HostNameError::Hyphen.into()),
            ("a.test:", ParseSubjectAltNameError::Port),
            ("a.test:99999", ParseSubjectAltNameError::Port),
            ("no\u{1b}[31m", character('\u{1b}')),
            ("*", ParseSubjectAltNameError::Wildcard),
            ("*.*.a", ParseSubjectAltNameError::Wildcard),
            ("a.*.b", ParseSubjectAltNameError::Wildcard),
            ("localhost:4433", ParseSubjectAltNameError::Port),
            ("fe80::1%eth0", ParseSubjectAltNameError::Zone),
            ("../a", HostNameError::EmptyLabel.into()),
            ("a/b", character('/')),
            ("a/b@c", ParseSubjectAltNameError::NotAName),
            ("@b", ParseSubjectAltNameError::NotAName),
            ("https://", ParseSubjectAltNameError::NotAName),
            (&long, HostNameError::LongLabel.into()),
            (
                &format!("a.{}b", "b.".repeat(130)),
                HostNameError::TooLong.into(),
            ),
        ] {
            assert_eq!(typed.parse::<SubjectAltName>(), Err(error), "{typed}");
        }
        for typed in [
            "https://xn--a/",
            "https://a:b:c/",
            "https://[fe80::1%eth0]/",
        ] {
            let error = typed.parse::<SubjectAltName>();
            assert!(
                matches!(error, Err(ParseSubjectAltNameError::Place(_))),
                "{typed}"
            );
        }
    }
}

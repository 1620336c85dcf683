//! Subject alternative names, as people type them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use rcgen::SanType;
use rcgen::string::Ia5String;

/// RFC 1035 §2.3.4.
const LABEL_CHARACTERS_MAX: usize = 63;
/// RFC 1035 §2.3.4, as text and without the final dot.
const HOST_CHARACTERS_MAX: usize = 253;
/// RFC 8141 §2.
const NAMESPACE_CHARACTERS_MAX: usize = 32;
/// RFC 5321 §4.5.3.1.3, and far from any limit for URIs.
const OTHER_CHARACTERS_MAX: usize = 254;

/// One name of a certificate: a host (also `*.example.test`), an address, an
/// e-mail address or a URI.
///
/// A host in other letters than ASCII takes its form on the wire (`bücher.example`
/// becomes `xn--bcher-kva.example`).
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
    /// The text looks like an address, but has other digits than ASCII's.
    #[error("it looks like an IP address, but is none; type it in ASCII digits")]
    NotAnAddress,
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
        text: text.to_owned(),
        kind: Kind::Address(address),
    })
}

fn host(typed: &str) -> Result<String, ParseSubjectAltNameError> {
    if typed.contains('*') {
        return Err(ParseSubjectAltNameError::Wildcard);
    }
    if let Some((_, port)) = typed.rsplit_once(':')
        && port.parse::<u16>().is_ok()
    {
        return Err(ParseSubjectAltNameError::Port);
    }
    // ASCII stays as it was typed: files are named after it.
    let ascii = match typed.is_ascii() {
        true => typed.to_owned(),
        false => idna::domain_to_ascii(typed).map_err(|_| ParseSubjectAltNameError::NotAName)?,
    };
    if ascii.len() > HOST_CHARACTERS_MAX {
        return Err(ParseSubjectAltNameError::TooLong);
    }
    let before_dot = ascii.strip_suffix('.').unwrap_or_default();
    if before_dot.split('.').all(is_label) {
        return Err(ParseSubjectAltNameError::LastDot);
    }
    if !ascii.split('.').all(is_label) {
        return Err(ParseSubjectAltNameError::NotAName);
    }
    // Other digits than ASCII's, as in １２７.0.0.1, have become an address.
    match ascii.parse::<IpAddr>() {
        Ok(_) => Err(ParseSubjectAltNameError::NotAnAddress),
        Err(_) => Ok(ascii),
    }
}

fn is_label(label: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=LABEL_CHARACTERS_MAX).contains(&label.len())
        && label.chars().all(inside)
        && !label.starts_with('-')
        && !label.ends_with('-')
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
    let names_a_host = !rest.is_empty() && !rest.starts_with('/');
    let well_formed = starts_well
        && scheme.chars().all(in_scheme)
        && names_a_host
        && rest.chars().all(|c| c.is_ascii_graphic());
    if !well_formed {
        return Err(ParseSubjectAltNameError::NotAName);
    }
    limited(typed)?;
    Ok(SubjectAltName {
        text: typed.to_owned(),
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
            ("Local-Host", "Local-Host"),
            ("_x.y", "_x.y"),
            ("*.example.test", "*.example.test"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("*.bücher.example", "*.xn--bcher-kva.example"),
            ("BU\u{308}CHER.example", "xn--bcher-kva.example"),
            ("faß.example", "xn--fa-hia.example"),
            ("пример。тест", "xn--e1afmkfd.xn--e1aybc"),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("a@b.example", "a@b.example"),
            ("https://a.example/b", "https://a.example/b"),
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
        let long = "a".repeat(64);
        for (typed, error) in [
            ("", ParseSubjectAltNameError::NotAName),
            ("a b", ParseSubjectAltNameError::Space),
            ("x.", ParseSubjectAltNameError::LastDot),
            ("*.a.test.", ParseSubjectAltNameError::LastDot),
            (".", ParseSubjectAltNameError::NotAName),
            ("urn:uuid", ParseSubjectAltNameError::NotAName),
            ("[::1]:4433", ParseSubjectAltNameError::Port),
            ("[fe80::1%eth0]", ParseSubjectAltNameError::Zone),
            ("１２７.0.0.1", ParseSubjectAltNameError::NotAnAddress),
            ("a..b", ParseSubjectAltNameError::NotAName),
            ("-x", ParseSubjectAltNameError::NotAName),
            ("*", ParseSubjectAltNameError::Wildcard),
            ("*.*.a", ParseSubjectAltNameError::Wildcard),
            ("a.*.b", ParseSubjectAltNameError::Wildcard),
            ("localhost:4433", ParseSubjectAltNameError::Port),
            ("fe80::1%eth0", ParseSubjectAltNameError::Zone),
            ("../a", ParseSubjectAltNameError::NotAName),
            ("a/b@c", ParseSubjectAltNameError::NotAName),
            ("@b", ParseSubjectAltNameError::NotAName),
            ("https://", ParseSubjectAltNameError::NotAName),
            (&long, ParseSubjectAltNameError::NotAName),
            (
                &format!("a.{}", "b.".repeat(130)),
                ParseSubjectAltNameError::TooLong,
            ),
        ] {
            assert_eq!(typed.parse::<SubjectAltName>(), Err(error), "{typed}");
        }
    }
}

//! Names to addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use anyhow::anyhow;
use qecho_cert::HostPort;
use qecho_echo::dial::Target;

use crate::exit::Failure;

/// Finds the addresses of a place.
pub(super) fn target(host_port: &HostPort) -> Result<Target, Failure> {
    let name = host_port.name();
    let typed_as_number = old_form(&name);
    let mut addresses = if let Some(address) = typed_as_number {
        vec![SocketAddr::new(address.into(), host_port.port)]
    } else if name.rsplit('.').next() == Some("localhost") {
        // Both addresses, whatever the host's files say, and for names below it (RFC 6761 §6.3).
        [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()]
            .map(|address| SocketAddr::new(address, host_port.port))
            .to_vec()
    } else {
        resolve(host_port)?
    };
    addresses.dedup();
    if let Some(nobody) = addresses
        .iter()
        .find(|address| address.ip().is_unspecified())
    {
        let error = anyhow!(
            "{} stands for all addresses of a host, and is none that can be reached",
            nobody.ip()
        );
        return Err(Failure::from(error).hint("a server on this host is at localhost"));
    }
    let server_name = typed_as_number.map_or(name, |address| address.to_string());
    Ok(Target {
        server_name,
        addresses,
    })
}

fn resolve(host_port: &HostPort) -> Result<Vec<SocketAddr>, Failure> {
    let found = (host_port.host.as_str(), host_port.port).to_socket_addrs();
    found.map(Iterator::collect).map_err(|error| {
        let (what, hint) = match host_port.zone() {
            Some(zone) => (
                format!("this host has no network interface {zone}"),
                "`ip link` lists them",
            ),
            None => (
                format!("cannot find the address of {}", host_port.host),
                "check the spelling, or give an IP address",
            ),
        };
        Failure::from(anyhow::Error::new(error).context(what)).hint(hint)
    })
}

/// Reads an IPv4 address in one of its old forms (127.1, 2130706433, 0x7f000001), which
/// certificates do not have: up to four numbers, the last of which stands for all bytes that are
/// left (inet_aton).
///
/// A name that only looks like one stays a name: an address that somebody's DNS gives for it must
/// not become the identity that is verified.
fn old_form(name: &str) -> Option<Ipv4Addr> {
    let numbers: Option<Vec<u32>> = name.split('.').map(number).collect();
    let numbers = numbers?;
    let (last, first) = numbers.split_last()?;
    let bytes_left = 4_u32.checked_sub(u32::try_from(first.len()).ok()?)?;
    let is_small = bytes_left > 0 && u64::from(*last) < 1 << (8 * bytes_left);
    let mut bits = is_small.then_some(*last)?;
    for (number, shift) in first.iter().zip([24, 16, 8]) {
        bits |= u32::from(u8::try_from(*number).ok()?) << shift;
    }
    Some(Ipv4Addr::from_bits(bits))
}

/// Reads a number as C writes it: with 0x in hexadecimal, with 0 in octal digits.
fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        _ => (text, 10),
    };
    // Else a sign would be read, too.
    let is_number = digits.chars().all(|digit| digit.is_digit(radix));
    is_number.then(|| u32::from_str_radix(digits, radix).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_an_old_form_is_read_and_what_only_looks_like_one_is_not() {
        for (typed, address) in [
            ("127.1", [127, 0, 0, 1]),
            ("2130706433", [127, 0, 0, 1]),
            ("0x7f000001", [127, 0, 0, 1]),
            ("0177.0.0.01", [127, 0, 0, 1]),
            ("10.0.65535", [10, 0, 255, 255]),
            ("4294967295", [255, 255, 255, 255]),
            ("0", [0, 0, 0, 0]),
        ] {
            assert_eq!(old_form(typed), Some(Ipv4Addr::from(address)), "{typed}");
        }
        for typed in [
            "192.168.1.300",
            "1234567890123",
            "a.123",
            "0x",
            "x.0xbeef",
            "1.2.3.4.5",
            "256.1",
            "08.1",
            "1.+2",
            "localhost",
            "",
        ] {
            assert_eq!(old_form(typed), None, "{typed}");
        }
    }
}

//! Servers as they were typed, and where to try them.

use std::{io, net::SocketAddr};

use anyhow::anyhow;
use qecho_cert::HostPort;
use qecho_echo::{ALPN_ECHO, PORT, dial::Alpn};
use qecho_probe::doctor::{Door, Target};

use crate::{
    args::{DialArguments, HTTPS, Suspect},
    commands::{resolve, trust},
    exit::Failure,
};

/// Application protocol of HTTP/3 (RFC 9114 §3.1).
const ALPN_H3: &[u8] = b"h3";

/// Looks a server up. That a name has no address is a finding, and no failure.
pub(super) fn find(suspect: &Suspect, dial: &DialArguments) -> Result<Target, Failure> {
    let verifier = trust::verifier(dial)?;
    let place = &suspect.place;
    let (server_name, addresses) = match resolve::target(place) {
        Ok(found) => {
            found.addresses.iter().try_for_each(has_no_zone)?;
            let addresses = found.addresses.iter().map(|address| address.ip()).collect();
            (found.server_name, Ok(addresses))
        }
        Err(failure) => (place.name(), Err(unknown(place, failure)?)),
    };
    let doors = doors(suspect, &dial.alpn);
    let host = place.host.clone();
    Ok(Target::new(host, server_name, addresses, doors, verifier))
}

/// Refuses an address of one link: what is tried would be sent without its zone, and not get there.
fn has_no_zone(address: &SocketAddr) -> Result<(), Failure> {
    match address {
        SocketAddr::V6(own) if own.scope_id() != 0 => {
            let error = anyhow!(
                "{} is an address of one link, which the doctor cannot try",
                own.ip()
            );
            Err(Failure::from(error).hint("name an address of the server without a zone"))
        }
        _ => Ok(()),
    }
}

/// Returns in the system's words why a name has no address; anything else stays a failure.
fn unknown(place: &HostPort, failure: Failure) -> Result<String, Failure> {
    let words = failure.error.as_ref().and_then(|error| {
        let lookup = error.downcast_ref::<io::Error>()?;
        place.zone().is_none().then(|| lookup.to_string())
    });
    words.ok_or(failure)
}

/// Returns where a server is tried, one after another until one answers.
fn doors(suspect: &Suspect, alpn: &Alpn) -> Vec<Door> {
    let ports = match suspect.has_port {
        true => vec![suspect.place.port],
        false => vec![HTTPS, PORT],
    };
    // What a server takes in place of it, or that it wants none, is found out by the handshake.
    let offer = |port| match alpn {
        Alpn::Name(name) => Some(name.clone()),
        Alpn::None => None,
        Alpn::Auto if port == HTTPS => Some(ALPN_H3.to_vec()),
        Alpn::Auto => Some(ALPN_ECHO.to_vec()),
    };
    let doors = ports.into_iter();
    let doors = doors.map(|port| {
        let door = Door::new(port, offer(port), suspect.has_port);
        match alpn {
            Alpn::Auto => door,
            Alpn::Name(_) | Alpn::None => door.with_chosen_protocol(),
        }
    });
    doors.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ExitStatus;

    fn doors_of(typed: &str, has_port: bool, alpn: &Alpn) -> Vec<(u16, String)> {
        let place = HostPort::read(typed, HTTPS).expect("it is a place");
        let doors = doors(&Suspect { place, has_port }, alpn);
        assert!(doors.iter().all(|door| door.is_chosen == has_port));
        let alpn = |door: &Door| door.alpn.clone().unwrap_or_default();
        let text = |door: &Door| String::from_utf8(alpn(door)).expect("a text");
        doors.iter().map(|door| (door.port, text(door))).collect()
    }

    #[test]
    fn an_address_of_one_link_is_refused_in_words() {
        for (address, is_refused) in [
            ("[fe80::1%3]:443", true),
            ("[2001:db8::1]:443", false),
            ("192.0.2.1:443", false),
        ] {
            let address: SocketAddr = address.parse().expect("an address");
            let refused = has_no_zone(&address).err();
            assert_eq!(refused.is_some(), is_refused, "{address}");
            assert!(refused.is_none_or(|it| it.exit == ExitStatus::CouldNotRun));
        }
    }

    #[test]
    fn a_server_is_tried_as_browsers_do_and_then_as_an_echo_server() {
        let own = Alpn::Name(b"doq".to_vec());
        for (typed, has_port, alpn, expected) in [
            (
                "a.test",
                false,
                &Alpn::Auto,
                &[(443, "h3"), (4433, "echo")][..],
            ),
            ("a.test:443", true, &Alpn::Auto, &[(443, "h3")]),
            ("a.test:9", true, &Alpn::Auto, &[(9, "echo")]),
            ("a.test", false, &own, &[(443, "doq"), (4433, "doq")]),
            ("a.test:853", true, &own, &[(853, "doq")]),
            ("a.test:9", true, &Alpn::None, &[(9, "")]),
        ] {
            let doors = doors_of(typed, has_port, alpn);
            let doors: Vec<_> = doors.iter().map(|(port, alpn)| (*port, &**alpn)).collect();
            assert_eq!(doors, expected, "{typed}");
        }
    }
}

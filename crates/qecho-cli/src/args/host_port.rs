//! `HOST[:PORT]` on the command line.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use qecho_cert::HostPort;
use qecho_echo::PORT;

/// Reads a place whose port, if none is named, is `usual_port`.
pub(super) fn read(text: &str, usual_port: u16) -> Result<HostPort, String> {
    HostPort::read(text, usual_port).map_err(|error| error.to_string())
}

/// Reads an address of this host; the system knows the interface of a zone.
pub(super) fn own_address(place: &HostPort) -> Result<Option<SocketAddr>, String> {
    let HostPort { host, port } = place;
    let Some(zone) = place.zone() else {
        return Ok(host.parse::<IpAddr>().ok().map(|ip| (ip, *port).into()));
    };
    let mut found = (host.as_str(), *port)
        .to_socket_addrs()
        .map_err(|_| format!("this host has no network interface `{zone}`"))?;
    Ok(found.next())
}

/// Reads a place that can be reached.
pub(super) fn reachable(text: &str) -> Result<HostPort, String> {
    let place = read(text, PORT)?;
    match place.port {
        0 => Err("nobody can be reached on port 0".into()),
        _ => Ok(place),
    }
}

/// Reads a host without a port, and returns the name that a certificate has.
pub(super) fn name(text: &str) -> Result<String, String> {
    HostPort::read_name(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use qecho_testkit::seed::ShowsSeed;
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    /// Pieces of names as people write them, and as they do not.
    const PIECES: &str = "localhost a B _ - . . 。 ü Ü ß ﬁ ١ 0 127.1 256 0x7f xn-- xn--a XN--bcher-kva א \
                          \u{ad} \u{200d} \u{202e} \u{1b} \n * @ / % %eth0 : ::1 :9 [ ] ffff:: fe80:: 1.2.3.4";

    #[test]
    fn a_place_is_read_again_as_it_is_shown_and_nothing_in_it_steers_a_terminal() {
        let pieces: Vec<_> = PIECES.split(' ').collect();
        let first: u64 = rand::random();
        let mut understood = 0;
        for seed in (0..2_000).map(|number| first.wrapping_add(number)) {
            let _shows_seed = ShowsSeed(seed);
            let mut random = StdRng::seed_from_u64(seed);
            let mut typed = String::new();
            for _ in 0..random.random_range(1..6) {
                typed += pieces[random.random_range(0..pieces.len())];
            }
            let Ok(place) = read(&typed, PORT) else {
                continue;
            };
            understood += 1;
            let shown = place.to_string();
            assert!(
                shown.bytes().all(|byte| byte.is_ascii_graphic()),
                "{typed:?}"
            );
            assert_eq!(read(&shown, 1).as_ref(), Ok(&place), "{typed:?}");
            assert_eq!(name(&place.name()), Ok(place.name()), "{typed:?}");
        }
        assert!(understood > 100, "{understood}");
    }
}

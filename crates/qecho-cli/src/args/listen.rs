//! Places to listen on, as people write them.

use qecho_cert::HostPort;
use qecho_echo::PORT;
use qecho_io::listen::Listen;

use super::host_port;

/// Reads a place for a QUIC server.
pub(super) fn of_server(text: &str) -> Result<Listen, String> {
    read(text, PORT, &format!("0.0.0.0:{PORT}"))
}

/// Reads a place to listen on whose port, if none is named, is `usual_port`; of an address that
/// is not this host's, `example` is what could be written.
pub(super) fn read(text: &str, usual_port: u16, example: &str) -> Result<Listen, String> {
    if let Ok(port) = text.parse() {
        return Ok(Listen::Loopback { port });
    }
    if text.parse::<f64>().is_ok() {
        return Err(format!("`{text}` is no port number (0 to 65535)"));
    }
    if text.is_empty() {
        return Err("no place is named; write ADDRESS:PORT, or PORT for localhost".into());
    }
    if text.contains("://") {
        return Err("write ADDRESS:PORT, without a scheme before it".into());
    }
    if let Some(Ok(port)) = text.strip_prefix(':').map(str::parse::<u16>) {
        return Err(format!(
            "no address is named; write {port} for localhost, or '*:{port}' for every address"
        ));
    }
    if let Some(rest) = text.strip_prefix('*')
        && (rest.is_empty() || rest.starts_with(':'))
    {
        let HostPort { port, .. } = host_port::read(&format!("localhost{rest}"), usual_port)?;
        return Ok(Listen::Everywhere { port });
    }
    let place = host_port::read(text, usual_port)?;
    if place.name() == "localhost" {
        return Ok(Listen::Loopback { port: place.port });
    }
    let address = host_port::own_address(&place)?.ok_or_else(|| {
        let host = &place.host;
        format!("`{host}` is no address of this host; write for instance {example}")
    })?;
    Ok(Listen::Address(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_listen_on_are_read_in_every_form() {
        let address = |text: &str| Listen::Address(text.parse().expect(text));
        let cases = [
            ("4433", Listen::Loopback { port: 4433 }),
            ("localhost:0", Listen::Loopback { port: 0 }),
            ("localhost", Listen::Loopback { port: 4433 }),
            ("LOCALHOST.:7", Listen::Loopback { port: 7 }),
            ("*:7", Listen::Everywhere { port: 7 }),
            ("*", Listen::Everywhere { port: 4433 }),
            ("0.0.0.0:7", address("0.0.0.0:7")),
            ("[::]:7", address("[::]:7")),
            ("::1", address("[::1]:4433")),
        ];
        for (typed, meant) in cases {
            assert_eq!(read(typed, 4433, "0.0.0.0:4433"), Ok(meant), "{typed}");
        }
    }

    #[test]
    fn what_is_no_place_to_listen_on_is_explained() {
        for (typed, reason) in [
            (
                ":7",
                "no address is named; write 7 for localhost, or '*:7' for every address",
            ),
            (
                "example.com:1",
                "`example.com` is no address of this host; write for instance 9433",
            ),
            ("*:x", "`x` is no port number (0 to 65535)"),
            ("*.a", "`*` stands for no single host; name one"),
            ("99999", "`99999` is no port number (0 to 65535)"),
            ("-1", "`-1` is no port number (0 to 65535)"),
            ("nan", "`nan` is no port number (0 to 65535)"),
            (
                "",
                "no place is named; write ADDRESS:PORT, or PORT for localhost",
            ),
            (
                "http://localhost:9433",
                "write ADDRESS:PORT, without a scheme before it",
            ),
        ] {
            assert_eq!(read(typed, 9433, "9433"), Err(reason.into()), "{typed}");
        }
    }
}

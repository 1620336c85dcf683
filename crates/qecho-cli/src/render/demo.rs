//! The demo, for people.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use qecho_echo::client::{Connected, Echoed};
use qecho_packet::text;

use super::{alpn, cipher_suite, key_exchange};

/// The ways of echoing, in the order in which the demo tries them.
pub(crate) const WAYS: [&str; 3] = ["stream", "uni", "datagram"];

/// Writes where the demo's server listens.
pub(crate) fn server(address: SocketAddr, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "server     {address}, certificate for localhost from a CA kept in memory"
    )
}

/// Writes what the handshake came to.
pub(crate) fn connected(
    connected: &Connected,
    anchor: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let handshake = &connected.handshake;
    writeln!(
        out,
        "connected  in {}, certificate verified by {anchor}",
        text::duration(connected.elapsed)
    )?;
    writeln!(
        out,
        "agreed on  QUIC version {}, {}, {}, {}",
        handshake.version,
        cipher_suite(handshake),
        key_exchange(handshake),
        alpn(handshake)
    )
}

/// Writes one echo.
pub(crate) fn echoed(echoed: &Echoed, out: &mut dyn Write) -> io::Result<()> {
    let way = WAYS[(echoed.number as usize - 1).min(WAYS.len() - 1)];
    let words = String::from_utf8_lossy(&echoed.data);
    writeln!(
        out,
        "{way:<9}  \"{}\" came back identical in {}",
        text::shown(&words),
        text::duration(echoed.echo_time)
    )
}

/// Writes the last line.
pub(crate) fn verdict(echoed: u64, out: &mut dyn Write) -> io::Result<()> {
    let all = WAYS.len();
    let word = if echoed == all as u64 { "ok" } else { "failed" };
    writeln!(
        out,
        "{word}: {echoed} of {all} echoes identical ({})",
        WAYS.join(", ")
    )
}

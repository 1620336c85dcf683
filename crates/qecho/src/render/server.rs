//! What a server shows.

mod reach;
pub(crate) mod reloaded;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use qecho_cert::Pin;
use qecho_echo::{
    PORT,
    server::{Notice, NoticeKind, Report},
};
use serde::Serialize;
use time::OffsetDateTime;

use self::reach::is_loopback;
use super::{PathText, alpn_name, counted, day, json_line, path_texts, pin_digits};

/// What a server says when it is ready.
#[derive(Debug)]
pub(crate) struct Listening<'a> {
    pub(crate) addresses: &'a [SocketAddr],
    /// What is echoed beside QUIC, and where.
    pub(crate) baseline_servers: &'a [(&'static str, SocketAddr)],
    pub(crate) names: &'a [String],
    pub(crate) expires: OffsetDateTime,
    pub(crate) pin: Pin,
    /// The local CA, if it signed the certificate.
    pub(crate) authority: Option<&'a Path>,
    /// Whose clients alone are let in; empty for everybody.
    pub(crate) client_authorities: &'a [PathBuf],
}

/// Writes where the server listens, who it is and how it is reached.
pub(crate) fn listening_text(listening: &Listening<'_>, out: &mut dyn Write) -> io::Result<()> {
    let addresses: Vec<_> = listening
        .addresses
        .iter()
        .map(SocketAddr::to_string)
        .collect();
    let expires = day(listening.expires)?;
    writeln!(out, "qecho {} echo server", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "  listening    {}", addresses.join(", "))?;
    if !listening.baseline_servers.is_empty() {
        let also = listening.baseline_servers.iter();
        let also: Vec<_> = also.map(|(name, at)| format!("{name} {at}")).collect();
        writeln!(out, "  also         {}", also.join(", "))?;
    }
    let names = listening.names.join(", ");
    match listening.authority {
        Some(path) => {
            writeln!(
                out,
                "  certificate  {names}; until {expires}, renewed while the server runs"
            )?;
            writeln!(
                out,
                "  local CA     {}, for programs of other make",
                path.display()
            )?;
        }
        None => writeln!(out, "  certificate  {names}; until {expires}")?,
    }
    if !listening.client_authorities.is_empty() {
        let paths = reloaded::paths(listening.client_authorities);
        writeln!(
            out,
            "  clients      only with a certificate that {paths} vouches for"
        )?;
    }
    reach_text(listening, out)?;
    writeln!(out)
}

/// Writes the commands by which clients reach the server.
fn reach_text(listening: &Listening<'_>, out: &mut dyn Write) -> io::Result<()> {
    let shown = match listening.client_authorities {
        [] => "",
        _ => " --cert FILE --key FILE",
    };
    if let Some(near) = listening.near() {
        writeln!(out, "  client       qecho client {near}{shown}")?;
    }
    if let Some(far) = listening.far() {
        let pin = listening.pin;
        writeln!(out, "  from afar    qecho client {far}{shown} --pin {pin}")?;
    }
    if !listening.addresses.iter().all(is_loopback) {
        let who = match listening.client_authorities {
            [] => "anyone who reaches this port",
            _ => "anyone who reaches this port with such a certificate",
        };
        return writeln!(
            out,
            "  open         {who} can have data echoed; limits per address are on"
        );
    }
    let port = listening.addresses.first().map_or(PORT, SocketAddr::port);
    writeln!(
        out,
        "               (once this server is started with --listen '*:{port}')"
    )
}

/// Writes the first line of `server --format json`.
pub(crate) fn listening_json(listening: &Listening<'_>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        event: &'static str,
        addresses: Vec<String>,
        spki_sha256: String,
        ca: Option<PathText<'a>>,
        names: &'a [String],
        expires_unix: i64,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        client_ca: Vec<PathText<'a>>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        also: &'a [(&'static str, SocketAddr)],
    }
    let addresses = listening.addresses.iter();
    let line = Line {
        event: "listening",
        addresses: addresses.map(SocketAddr::to_string).collect(),
        spki_sha256: pin_digits(&listening.pin),
        ca: listening.authority.map(PathText),
        names: listening.names,
        expires_unix: listening.expires.unix_timestamp(),
        client_ca: path_texts(listening.client_authorities),
        also: listening.baseline_servers,
    };
    json_line(&line, out)
}

/// Writes what happened.
pub(crate) fn notice_text(notice: &Notice, out: &mut dyn Write) -> io::Result<()> {
    if let Some(peer) = notice.peer {
        write!(out, "{peer}  ")?;
    }
    match &notice.kind {
        NoticeKind::Connected { alpn: None } => writeln!(out, "connected, no ALPN"),
        NoticeKind::Connected { alpn: Some(name) } => {
            let name = String::from_utf8_lossy(name);
            writeln!(out, "connected, ALPN {}", name.escape_debug())
        }
        NoticeKind::StreamOpened(id) => writeln!(out, "stream {id} opened"),
        NoticeKind::StreamClosed(id) => writeln!(out, "stream {id} closed"),
        NoticeKind::Received {
            stream,
            text,
            bytes,
        } => {
            match stream {
                Some(id) => write!(out, "stream {id} ")?,
                None => write!(out, "datagram ")?,
            }
            match text {
                Some(text) => writeln!(out, "received \"{text}\", {}", counted(*bytes, "byte")),
                None => writeln!(out, "received {}, no text", counted(*bytes, "byte")),
            }
        }
        NoticeKind::Refused { reason } => writeln!(out, "refused: {reason}"),
        NoticeKind::HandshakeFailed { reason } => writeln!(out, "handshake failed: {reason}"),
        NoticeKind::Closed { reason } => writeln!(out, "connection ended: {reason}"),
        NoticeKind::LeftOut(count) => writeln!(out, "… and {count} more lines, not shown"),
        _ => Ok(()),
    }
}

/// Writes what happened as JSON.
pub(crate) fn notice_json(notice: &Notice, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Default, Serialize)]
    struct Line<'a> {
        event: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        peer: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        stream: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        alpn: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        count: Option<u64>,
    }
    let mut line = Line {
        peer: notice.peer.map(|peer| peer.to_string()),
        ..Line::default()
    };
    match &notice.kind {
        NoticeKind::Connected { alpn } => {
            line.event = "connected";
            line.alpn = alpn.as_deref().map(alpn_name);
        }
        NoticeKind::StreamOpened(id) => {
            line.event = "stream_opened";
            line.stream = Some(id.value());
        }
        NoticeKind::StreamClosed(id) => {
            line.event = "stream_closed";
            line.stream = Some(id.value());
        }
        NoticeKind::Received {
            stream,
            text,
            bytes,
        } => {
            line.event = "received";
            line.stream = stream.map(|id| id.value());
            line.text = text.as_deref();
            line.bytes = Some(*bytes);
        }
        NoticeKind::Refused { reason } => {
            line.event = "refused";
            line.reason = Some(reason);
        }
        NoticeKind::HandshakeFailed { reason } => {
            line.event = "handshake_failed";
            line.reason = Some(reason);
        }
        NoticeKind::Closed { reason } => {
            line.event = "closed";
            line.reason = Some(reason);
        }
        NoticeKind::LeftOut(count) => {
            line.event = "left_out";
            line.count = Some(*count);
        }
        _ => return Ok(()),
    }
    json_line(&line, out)
}

/// Writes what the server did in its life.
pub(crate) fn stopped_text(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "stopped: {}, {}, {} and {} echoed",
        counted(report.connections, "connection"),
        counted(report.streams, "stream"),
        counted(report.bytes_echoed, "byte"),
        counted(report.datagrams_echoed, "datagram")
    )?;
    if report.handshakes_failed + report.refused > 0 {
        writeln!(
            out,
            "turned away: {} refused, {} failed",
            counted(report.refused, "client"),
            counted(report.handshakes_failed, "handshake")
        )?;
    }
    let dropped =
        report.datagrams_blocked + report.datagrams_too_large + report.datagrams_unsupported;
    if dropped > 0 {
        writeln!(
            out,
            "dropped datagrams: {} queue full, {} too large, {} to peers that take none",
            report.datagrams_blocked, report.datagrams_too_large, report.datagrams_unsupported
        )?;
    }
    Ok(())
}

/// Writes what the server did in its life as JSON.
pub(crate) fn stopped_json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line {
        event: &'static str,
        connections: u64,
        handshakes_failed: u64,
        refused: u64,
        streams: u64,
        bytes_echoed: u64,
        datagrams_echoed: u64,
        datagrams_dropped_blocked: u64,
        datagrams_dropped_too_large: u64,
        datagrams_dropped_unsupported: u64,
    }
    let line = Line {
        event: "stopped",
        connections: report.connections,
        handshakes_failed: report.handshakes_failed,
        refused: report.refused,
        streams: report.streams,
        bytes_echoed: report.bytes_echoed,
        datagrams_echoed: report.datagrams_echoed,
        datagrams_dropped_blocked: report.datagrams_blocked,
        datagrams_dropped_too_large: report.datagrams_too_large,
        datagrams_dropped_unsupported: report.datagrams_unsupported,
    };
    json_line(&line, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the commands that a banner shows, without the pin.
    fn commands(addresses: &[&str], names: &[&str], authority: Option<&Path>) -> Vec<String> {
        let address = |text: &&str| text.parse().expect("it is an address");
        let listening = Listening {
            addresses: &addresses.iter().map(address).collect::<Vec<_>>(),
            baseline_servers: &[],
            names: &names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
            expires: OffsetDateTime::UNIX_EPOCH,
            pin: Pin::of_public_key(b"a key"),
            authority,
            client_authorities: &[],
        };
        let mut banner = Vec::new();
        listening_text(&listening, &mut banner).expect("memory takes bytes");
        let banner = String::from_utf8(banner).expect("it is text");
        let command = |line: &str| {
            let (_, command) = line.split_once("   qecho client ")?;
            Some(command.split(" --pin").next()?.to_owned())
        };
        banner.lines().filter_map(command).collect()
    }

    #[test]
    fn the_commands_to_paste_name_what_is_listened_on() {
        let ours = Some(Path::new("rootCA.pem"));
        let local = ["localhost"];
        let cases: [(&[&str], &[&str], _, &[&str]); 7] = [
            (
                &["127.0.0.1:4433", "[::1]:4433"],
                &local,
                ours,
                &["localhost", "HOST"],
            ),
            (&["[::1]:9"], &local, ours, &["localhost:9", "HOST:9"]),
            (&["0.0.0.0:9"], &local, ours, &["localhost:9", "HOST:9"]),
            (
                &["127.0.0.1:8", "192.0.2.1:9"],
                &local,
                ours,
                &["localhost:8", "192.0.2.1:9"],
            ),
            (&["[2001:db8::1]:9"], &local, ours, &["[2001:db8::1]:9"]),
            (
                &["0.0.0.0:9"],
                &["*.a.example", "b.example"],
                None,
                &["b.example:9", "HOST:9"],
            ),
            (&["127.0.0.1:9"], &["::1"], None, &["[::1]:9", "HOST:9"]),
        ];
        for (addresses, names, authority, expected) in cases {
            assert_eq!(
                commands(addresses, names, authority),
                expected,
                "{addresses:?}"
            );
        }
    }
}

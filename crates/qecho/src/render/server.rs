//! What a server shows.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::Path,
};

use qecho_cert::Pin;
use qecho_tools::{
    PORT,
    server::{Notice, NoticeKind, Report},
};
use serde::Serialize;
use time::{OffsetDateTime, macros::format_description};

use super::{Payload, counted, json_line};

/// What a server says when it is ready.
#[derive(Debug)]
pub(crate) struct Listening<'a> {
    pub(crate) addresses: &'a [SocketAddr],
    pub(crate) names: &'a [String],
    pub(crate) expires: OffsetDateTime,
    pub(crate) pin: Pin,
    /// The local CA, if it signed the certificate.
    pub(crate) authority: Option<&'a Path>,
}

impl Listening<'_> {
    fn port(&self) -> u16 {
        self.addresses.first().map_or(PORT, SocketAddr::port)
    }

    /// The arguments by which a client reaches the server as `host`.
    fn place(&self, host: &str) -> String {
        match self.port() {
            PORT => host.to_owned(),
            port => format!("{host}:{port}"),
        }
    }
}

/// Writes where the server listens, who it is and how it is reached.
pub(crate) fn listening_text(listening: &Listening<'_>, out: &mut dyn Write) -> io::Result<()> {
    let addresses: Vec<_> = listening
        .addresses
        .iter()
        .map(SocketAddr::to_string)
        .collect();
    let expires = listening
        .expires
        .format(format_description!("[year]-[month]-[day]"))
        .map_err(io::Error::other)?;
    writeln!(out, "qecho {} echo server", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "  listening    {}", addresses.join(", "))?;
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
    let name = match listening.authority {
        Some(_) => "localhost",
        None => listening.names.first().map_or("HOST", String::as_str),
    };
    writeln!(out, "  client       qecho client {}", listening.place(name))?;
    writeln!(
        out,
        "  from afar    qecho client {} --pin {}",
        listening.place("HOST"),
        listening.pin
    )?;
    let only_loopback = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
    if listening.addresses.iter().all(only_loopback) {
        writeln!(
            out,
            "               (after `qecho server --listen '*:{}'` here)",
            listening.port()
        )?;
    } else {
        writeln!(
            out,
            "  open         anyone who reaches this port can have data echoed; limits per address are on"
        )?;
    }
    writeln!(out)
}

/// Writes the first line of `server --format json`.
pub(crate) fn listening_json(listening: &Listening<'_>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        event: &'static str,
        addresses: Vec<String>,
        spki_sha256: String,
        ca: Option<&'a Path>,
        names: &'a [String],
        expires_unix: i64,
    }
    let pin = listening.pin.to_string();
    let addresses = listening.addresses.iter();
    let line = Line {
        event: "listening",
        addresses: addresses.map(SocketAddr::to_string).collect(),
        spki_sha256: pin.trim_start_matches("sha256:").to_owned(),
        ca: listening.authority,
        names: listening.names,
        expires_unix: listening.expires.unix_timestamp(),
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
        NoticeKind::Closed { reason } => writeln!(out, "{reason}"),
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
        alpn: Option<Payload<'a>>,
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
            line.alpn = alpn.as_deref().map(Payload::from);
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
        streams: report.streams,
        bytes_echoed: report.bytes_echoed,
        datagrams_echoed: report.datagrams_echoed,
        datagrams_dropped_blocked: report.datagrams_blocked,
        datagrams_dropped_too_large: report.datagrams_too_large,
        datagrams_dropped_unsupported: report.datagrams_unsupported,
    };
    json_line(&line, out)
}

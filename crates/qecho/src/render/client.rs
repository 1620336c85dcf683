//! What a client shows.

use std::io::{self, Write};

use qecho_echo::client::{Connected, Echoed, Failure, Report};
use qecho_packet::text;
use serde::Serialize;

use super::{
    Payload, alpn, alpn_name, cipher_suite, counted, json_line, key_exchange, microseconds,
};

/// Writes whom the client has reached, and who vouches for it.
pub(crate) fn connected_text(
    connected: &Connected,
    anchor: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        " connected to {} in {}, {}, verified by {anchor}",
        connected.address,
        text::duration(connected.elapsed),
        alpn(&connected.handshake),
    )
}

/// Writes whom the client has reached as JSON.
pub(crate) fn connected_json(
    connected: &Connected,
    anchor: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        event: &'static str,
        address: String,
        verified_by: &'a str,
        handshake_us: f64,
        quic_version: u32,
        cipher_suite: String,
        key_exchange: String,
        alpn: Option<String>,
    }
    let handshake = &connected.handshake;
    let line = Line {
        event: "connected",
        address: connected.address.to_string(),
        verified_by: anchor,
        handshake_us: microseconds(connected.elapsed),
        quic_version: handshake.version,
        cipher_suite: cipher_suite(handshake),
        key_exchange: key_exchange(handshake),
        alpn: handshake.alpn.as_deref().map(alpn_name),
    };
    json_line(&line, out)
}

/// Writes a message that came back.
pub(crate) fn echoed_text(echoed: &Echoed, out: &mut dyn Write) -> io::Result<()> {
    let bytes = counted(echoed.data.len(), "byte");
    let time = text::duration(echoed.echo_time);
    match std::str::from_utf8(&echoed.data) {
        Ok(text) => writeln!(out, "echo: \"{}\", {bytes} in {time}", text::shown(text)),
        Err(_) => writeln!(out, "echo: {bytes}, no text, in {time}"),
    }
}

/// Writes a message that came back as JSON.
pub(crate) fn echoed_json(echoed: &Echoed, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        event: &'static str,
        number: u64,
        bytes: usize,
        echo_time_us: f64,
        #[serde(flatten)]
        payload: Payload<'a>,
    }
    let line = Line {
        event: "echo",
        number: echoed.number,
        bytes: echoed.data.len(),
        echo_time_us: microseconds(echoed.echo_time),
        payload: Payload::from(&echoed.data[..]),
    };
    json_line(&line, out)
}

/// Writes that a DATAGRAM frame did not come back.
pub(crate) fn lost_text(number: u64, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "lost: datagram {number} did not come back")
}

/// Writes that a DATAGRAM frame did not come back as JSON.
pub(crate) fn lost_json(number: u64, out: &mut dyn Write) -> io::Result<()> {
    json_line(
        &serde_json::json!({ "event": "lost", "number": number }),
        out,
    )
}

/// Writes that the server wanted no ALPN `echo`, as JSON.
pub(crate) fn without_alpn_json(out: &mut dyn Write) -> io::Result<()> {
    json_line(&serde_json::json!({ "event": "without_alpn" }), out)
}

/// Writes that everything is done as JSON.
pub(crate) fn done_json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line {
        event: &'static str,
        messages: u64,
        bytes_sent: u64,
        bytes_received: u64,
    }
    let line = Line {
        event: "done",
        messages: report.messages,
        bytes_sent: report.bytes_sent,
        bytes_received: report.bytes_received,
    };
    json_line(&line, out)
}

/// Writes why it went wrong as JSON.
pub(crate) fn failure_json(
    failure: &Failure,
    reason: &str,
    hint: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        event: &'static str,
        kind: &'static str,
        reason: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
    }
    let kind = match failure {
        Failure::Dial(_) => "not_connected",
        Failure::Closed(_) | Failure::Gone => "connection_lost",
        Failure::NotEchoed { .. } | Failure::EndedEarly { .. } => "not_echoed",
        Failure::Differs { .. } | Failure::TooMuch { .. } => "differs",
        Failure::Reset { .. } => "reset",
        Failure::Stopped { .. } => "stopped",
        Failure::NoEcho { .. }
        | Failure::NoProgress { .. }
        | Failure::NoFin { .. }
        | Failure::NoStream { .. } => "timeout",
        Failure::Lost { .. } => "lost",
        Failure::NoDatagrams | Failure::DatagramTooLarge { .. } => "datagram",
        _ => "broken",
    };
    let line = Line {
        event: "error",
        kind,
        reason,
        hint,
    };
    json_line(&line, out)
}

//! A client's connection and echoes.

use std::io::{self, Write};

use qecho_echo::client::{Connected, Echoed, Failure, Report};
use qecho_packet::text::{self, counted};

use super::{Object, Render, alpn, alpn_name, cipher_suite, key_exchange, microseconds};

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

/// Returns whom the client has reached as JSON.
pub(crate) fn connected_json(connected: &Connected, anchor: &str) -> Object {
    let handshake = &connected.handshake;
    Object::event("connected")
        .with("address", connected.address)
        .with("verified_by", anchor)
        .with("handshake_us", microseconds(connected.elapsed))
        .with("quic_version", handshake.version)
        .with("cipher_suite", cipher_suite(handshake))
        .with("key_exchange", key_exchange(handshake))
        .with("alpn", handshake.alpn.as_deref().map(alpn_name))
}

impl Render for Echoed {
    fn is_prose(&self) -> bool {
        false
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let bytes = counted(self.data.len(), "byte");
        let time = text::duration(self.echo_time);
        match std::str::from_utf8(&self.data) {
            Ok(text) => writeln!(out, "echo: \"{}\", {bytes} in {time}", text::shown(text)),
            Err(_) => writeln!(out, "echo: {bytes}, no text, in {time}"),
        }
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let object = Object::event("echo")
            .with("number", self.number)
            .with("bytes", self.data.len())
            .with("echo_time_us", microseconds(self.echo_time));
        let object = match std::str::from_utf8(&self.data) {
            Ok(text) => object.with("text", text),
            Err(_) => {
                let digits = self.data.iter().map(|byte| format!("{byte:02x}"));
                object.with("hex", digits.collect::<String>())
            }
        };
        object.line(out)
    }
}

/// A DATAGRAM frame that did not come back.
pub(crate) struct LostDatagram {
    pub(crate) number: u64,
}

impl Render for LostDatagram {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "lost: datagram {} did not come back", self.number)
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        Object::event("lost").with("number", self.number).line(out)
    }
}

/// Returns that everything is done as JSON.
pub(crate) fn done_json(report: &Report) -> Object {
    Object::event("done")
        .with("messages", report.messages)
        .with("bytes_sent", report.bytes_sent)
        .with("bytes_received", report.bytes_received)
        .with_schema()
}

/// Returns why it went wrong as JSON.
pub(crate) fn failure_json(failure: &Failure, reason: &str, hint: Option<&str>) -> Object {
    let kind = match failure {
        Failure::Dial(_) => "not_connected",
        Failure::Closed(_) | Failure::Gone => "connection_lost",
        Failure::NotEchoed { .. } | Failure::EndedEarly { .. } => "not_echoed",
        Failure::Differs { .. } | Failure::TooMuch { .. } => "differs",
        Failure::Reset { .. } => "reset",
        Failure::Stopped { .. } | Failure::StoppedAfterEnd { .. } => "stopped",
        Failure::NoEcho { .. }
        | Failure::NoProgress { .. }
        | Failure::NoFin { .. }
        | Failure::NoStream { .. } => "timeout",
        Failure::Lost { .. } => "lost",
        Failure::NoDatagrams | Failure::DatagramTooLarge { .. } => "datagram",
        _ => "broken",
    };
    Object::event("error")
        .with("kind", kind)
        .with("reason", reason)
        .with_some("hint", hint)
}

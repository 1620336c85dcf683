//! A server's banner, its notices, and its counts at the end.

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
use qecho_packet::text::{self, counted};
use time::OffsetDateTime;

use self::reach::is_loopback;
use super::{Object, Render, alpn_name, day, path_text, path_texts, pin_digits};

/// Addresses and identity of a server that is ready.
#[derive(Debug)]
pub(crate) struct Listening<'a> {
    pub(crate) addresses: &'a [SocketAddr],
    /// Transports that are echoed beside QUIC, each with its address.
    pub(crate) baseline_servers: &'a [(&'static str, SocketAddr)],
    /// Addresses of metrics and health, if they are served.
    pub(crate) metrics: &'a [SocketAddr],
    pub(crate) names: &'a [String],
    pub(crate) expires: OffsetDateTime,
    pub(crate) pin: Pin,
    /// The local CA, if it signed the certificate.
    pub(crate) authority: Option<&'a Path>,
    /// CAs of the only clients that are let in; empty for everybody.
    pub(crate) client_authorities: &'a [PathBuf],
}

impl Render for Listening<'_> {
    /// Writes where the server listens, who it is and how it is reached.
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let addresses: Vec<_> = self.addresses.iter().map(SocketAddr::to_string).collect();
        let expires = day(self.expires)?;
        writeln!(out, "qecho {} echo server", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "  listening    {}", addresses.join(", "))?;
        if !self.baseline_servers.is_empty() {
            let also = self.baseline_servers.iter();
            let also: Vec<_> = also.map(|(name, at)| format!("{name} {at}")).collect();
            writeln!(out, "  also         {}", also.join(", "))?;
        }
        if let Some(address) = self.metrics.first() {
            let who = match self.metrics.iter().all(is_loopback) {
                true => "",
                false => "; anyone who reaches it can read them",
            };
            writeln!(out, "  metrics      http://{address}/metrics{who}")?;
        }
        let names = self.names.join(", ");
        match self.authority {
            Some(path) => {
                writeln!(
                    out,
                    "  certificate  {names}; until {expires}, renewed while the server runs"
                )?;
                writeln!(
                    out,
                    "  local CA     {}, for other programs",
                    text::path(path)
                )?;
            }
            None => writeln!(out, "  certificate  {names}; until {expires}")?,
        }
        if !self.client_authorities.is_empty() {
            let paths = path_texts(self.client_authorities).join(", ");
            writeln!(
                out,
                "  clients      only with a certificate that {paths} vouches for"
            )?;
        }
        reach_text(self, out)?;
        writeln!(out)
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let some = |is_empty: bool| (!is_empty).then_some(());
        let client_ca = some(self.client_authorities.is_empty());
        let also = some(self.baseline_servers.is_empty());
        let metrics = some(self.metrics.is_empty());
        Object::event("listening")
            .with("addresses", self.addresses)
            .with("spki_sha256", pin_digits(&self.pin))
            .with("ca", self.authority.map(path_text))
            .with("names", self.names)
            .with("expires_unix", self.expires.unix_timestamp())
            .with_some(
                "client_ca",
                client_ca.map(|()| path_texts(self.client_authorities)),
            )
            .with_some("also", also.map(|()| self.baseline_servers))
            .with_some("metrics", metrics.map(|()| self.metrics))
            .line(out)
    }
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

impl Render for Notice {
    fn is_prose(&self) -> bool {
        false
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(peer) = self.peer {
            write!(out, "{peer}  ")?;
        }
        match &self.kind {
            NoticeKind::Connected { alpn: None } => writeln!(out, "connected, no ALPN"),
            NoticeKind::Connected { alpn: Some(name) } => {
                let name = text::name(&String::from_utf8_lossy(name));
                writeln!(out, "connected, ALPN {name}")
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
                let bytes = counted(*bytes, "byte");
                match text {
                    Some(text) => writeln!(out, "received \"{text}\", {bytes}"),
                    None => writeln!(out, "received {bytes}, no text"),
                }
            }
            NoticeKind::Refused { reason } => writeln!(out, "refused: {reason}"),
            NoticeKind::HandshakeFailed { reason } => writeln!(out, "handshake failed: {reason}"),
            NoticeKind::Closed { reason } => writeln!(out, "connection ended: {reason}"),
            NoticeKind::LeftOut(count) => writeln!(out, "… and {count} more lines, not shown"),
            _ => Ok(()),
        }
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let event = |name| {
            Object::event(name)
                .with_some("connection", self.connection)
                .with_some("peer", self.peer)
        };
        let object = match &self.kind {
            NoticeKind::Connected { alpn } => {
                event("connected").with_some("alpn", alpn.as_deref().map(alpn_name))
            }
            NoticeKind::StreamOpened(id) => event("stream_opened").with("stream", id.value()),
            NoticeKind::StreamClosed(id) => event("stream_closed").with("stream", id.value()),
            NoticeKind::Received {
                stream,
                text,
                bytes,
            } => event("received")
                .with_some("stream", stream.map(|id| id.value()))
                .with_some("text", text.as_deref())
                .with("bytes", bytes),
            NoticeKind::Refused { reason } => event("refused").with("reason", reason),
            NoticeKind::HandshakeFailed { reason } => {
                event("handshake_failed").with("reason", reason)
            }
            NoticeKind::Closed { reason } => event("closed").with("reason", reason),
            NoticeKind::LeftOut(count) => event("left_out").with("count", count),
            _ => return Ok(()),
        };
        object.line(out)
    }
}

impl Render for Report {
    /// Writes what the server did in its life.
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "stopped: {}, {}, {} and {} echoed",
            counted(self.connections, "connection"),
            counted(self.streams, "stream"),
            counted(self.bytes_echoed, "byte"),
            counted(self.datagrams_echoed, "datagram")
        )?;
        if self.handshakes_failed() + self.refused() > 0 {
            writeln!(
                out,
                "turned away: {} refused, {} failed",
                counted(self.refused(), "client"),
                counted(self.handshakes_failed(), "handshake")
            )?;
        }
        if self.closed_for_memory() > 0 {
            writeln!(
                out,
                "closed for want of memory: {}",
                counted(self.closed_for_memory(), "connection")
            )?;
        }
        let dropped =
            self.datagrams_blocked + self.datagrams_too_large + self.datagrams_unsupported;
        if dropped > 0 {
            writeln!(
                out,
                "dropped datagrams: {} queue full, {} too large, {} to peers that take none",
                self.datagrams_blocked, self.datagrams_too_large, self.datagrams_unsupported
            )?;
        }
        Ok(())
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        Object::event("stopped")
            .with("connections", self.connections)
            .with("handshakes_failed", self.handshakes_failed())
            .with("refused", self.refused())
            .with("closed_for_memory", self.closed_for_memory())
            .with("streams", self.streams)
            .with("bytes_echoed", self.bytes_echoed)
            .with("datagrams_echoed", self.datagrams_echoed)
            .with("datagrams_dropped_blocked", self.datagrams_blocked)
            .with("datagrams_dropped_too_large", self.datagrams_too_large)
            .with("datagrams_dropped_unsupported", self.datagrams_unsupported)
            .with_schema()
            .line(out)
    }
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
            metrics: &[],
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
        listening.text(&mut banner).expect("memory takes bytes");
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

//! Everything that is seen; all of it is written into a writer that is given.

pub(crate) mod cert;
pub(crate) mod client;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod json;
pub(crate) mod ping;
pub(crate) mod relay;
pub(crate) mod server;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use qecho_cert::Pin;
use qecho_engine::Handshake;
use qecho_packet::text;
use time::{OffsetDateTime, UtcOffset, macros::format_description};

pub(crate) use self::json::Object;

/// Something that a command shows, in the format that was asked for.
pub(crate) trait Render {
    /// Writes it for people.
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;

    /// Tells whether the text is words for people, and no content that somebody sent.
    fn is_prose(&self) -> bool {
        true
    }

    /// Writes it as JSON.
    fn json(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// A path as text, also one that is no Unicode: what is none in it is replaced,
/// since JSON has no other texts.
fn path_text(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

fn path_texts(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(path_text).collect()
}

/// The name of an application protocol as JSON has it: names are ASCII, and
/// what is not is replaced.
fn alpn_name(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// The day of an instant, in UTC.
fn day(at: OffsetDateTime) -> io::Result<String> {
    at.to_offset(UtcOffset::UTC)
        .format(format_description!("[year]-[month]-[day]"))
        .map_err(io::Error::other)
}

/// The digits of a pin, as JSON has them.
fn pin_digits(pin: &Pin) -> String {
    pin.to_string().trim_start_matches("sha256:").to_owned()
}

/// Microseconds with their fraction.
fn microseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

/// The agreed application protocol, in words.
fn alpn(handshake: &Handshake) -> String {
    match &handshake.alpn {
        None => "no ALPN".into(),
        Some(name) => format!("ALPN {}", text::name(&String::from_utf8_lossy(name))),
    }
}

/// A cipher suite by its name in RFC 8446 §B.4.
fn cipher_suite(handshake: &Handshake) -> String {
    let name = format!("{:?}", handshake.cipher_suite);
    name.replacen("TLS13_", "TLS_", 1)
}

/// The key exchange by the name of its group.
fn key_exchange(handshake: &Handshake) -> String {
    match handshake.key_exchange {
        None => "resumed".into(),
        Some(group) => format!("{group:?}"),
    }
}

//! What is seen: everything here writes into a writer that it is given.

pub(crate) mod bench;
pub(crate) mod cert;
pub(crate) mod client;
pub(crate) mod demo;
pub(crate) mod page;
pub(crate) mod ping;
pub(crate) mod relay;
pub(crate) mod sequence;
pub(crate) mod server;
pub(crate) mod story;
pub(crate) mod trace;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use qecho_cert::Pin;
use qecho_engine::Handshake;
use serde::{Serialize, Serializer};
use time::{OffsetDateTime, UtcOffset, macros::format_description};

/// Writes one JSON object and ends its line.
fn json_line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// A path as text, also one that is no Unicode: what is none in it is replaced, since
/// JSON has no other texts.
struct PathText<'a>(&'a Path);

impl Serialize for PathText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.display())
    }
}

fn path_texts(paths: &[PathBuf]) -> Vec<PathText<'_>> {
    paths.iter().map(|path| PathText(path)).collect()
}

/// Bytes as text if they are UTF-8, else as hexadecimal digits.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Payload<'a> {
    Text(&'a str),
    Hex(String),
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(_) => Self::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
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

/// A number of things.
fn counted(count: impl TryInto<u64>, thing: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {thing}"),
        count => format!("{count} {thing}s"),
    }
}

/// Microseconds with their fraction.
fn microseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

/// The agreed application protocol, in words.
fn alpn(handshake: &Handshake) -> String {
    match &handshake.alpn {
        None => "no ALPN".into(),
        Some(name) => format!("ALPN {}", String::from_utf8_lossy(name).escape_debug()),
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

//! Certificates that change while the server runs: its own, and those of its clients' CAs.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use qecho_cert::Pin;
use serde::Serialize;
use time::OffsetDateTime;

use crate::render::{PathText, day, json_line, path_texts, pin_digits};

/// A certificate whose files have changed.
#[derive(Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) names: &'a [String],
    pub(crate) expires: OffsetDateTime,
    pub(crate) pin: Pin,
    /// Why the old one is kept, if it is; that is told on stderr, too.
    pub(crate) kept_for: Option<&'a str>,
}

/// CAs of clients whose files have changed.
#[derive(Debug)]
pub(crate) struct Clients<'a> {
    pub(crate) authorities: &'a [PathBuf],
    /// Why the old ones are kept, if they are; that is told on stderr, too.
    pub(crate) kept_for: Option<&'a str>,
}

/// Writes which certificate is shown from now on.
pub(crate) fn identity_text(reloaded: &Identity<'_>, out: &mut dyn Write) -> io::Result<()> {
    if reloaded.kept_for.is_some() {
        return Ok(());
    }
    let names = reloaded.names.join(", ");
    let expires = day(reloaded.expires)?;
    let pin = reloaded.pin;
    writeln!(out, "new certificate: {names}; until {expires}, pin {pin}")
}

/// Writes which certificate is shown from now on as JSON.
pub(crate) fn identity_json(reloaded: &Identity<'_>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        event: &'static str,
        names: &'a [String],
        expires_unix: i64,
        spki_sha256: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    }
    let line = Line {
        event: match reloaded.kept_for {
            None => "certificate_reloaded",
            Some(_) => "certificate_kept",
        },
        names: reloaded.names,
        expires_unix: reloaded.expires.unix_timestamp(),
        spki_sha256: pin_digits(&reloaded.pin),
        reason: reloaded.kept_for,
    };
    json_line(&line, out)
}

/// Writes which CAs vouch for clients from now on.
pub(crate) fn clients_text(reloaded: &Clients<'_>, out: &mut dyn Write) -> io::Result<()> {
    if reloaded.kept_for.is_some() {
        return Ok(());
    }
    writeln!(out, "new CAs of clients: {}", paths(reloaded.authorities))
}

/// Writes which CAs vouch for clients from now on as JSON.
pub(crate) fn clients_json(reloaded: &Clients<'_>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        event: &'static str,
        client_ca: Vec<PathText<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    }
    let line = Line {
        event: match reloaded.kept_for {
            None => "client_ca_reloaded",
            Some(_) => "client_ca_kept",
        },
        client_ca: path_texts(reloaded.authorities),
        reason: reloaded.kept_for,
    };
    json_line(&line, out)
}

/// Returns the names of files for a sentence.
pub(crate) fn paths(paths: &[PathBuf]) -> String {
    let paths = paths.iter().map(|path| path.display().to_string());
    paths.collect::<Vec<_>>().join(", ")
}

//! A certificate that changes while the server runs.

use std::io::{self, Write};

use qecho_cert::Pin;
use serde::Serialize;
use time::OffsetDateTime;

use crate::render::{day, json_line, pin_digits};

/// A certificate whose files have changed.
#[derive(Debug)]
pub(crate) struct Reloaded<'a> {
    pub(crate) names: &'a [String],
    pub(crate) expires: OffsetDateTime,
    pub(crate) pin: Pin,
    /// Why the old one is kept, if it is; that is told on stderr, too.
    pub(crate) kept_for: Option<&'a str>,
}

/// Writes which certificate is shown from now on.
pub(crate) fn reloaded_text(reloaded: &Reloaded<'_>, out: &mut dyn Write) -> io::Result<()> {
    if reloaded.kept_for.is_some() {
        return Ok(());
    }
    let names = reloaded.names.join(", ");
    let expires = day(reloaded.expires)?;
    let pin = reloaded.pin;
    writeln!(out, "new certificate: {names}; until {expires}, pin {pin}")
}

/// Writes which certificate is shown from now on as JSON.
pub(crate) fn reloaded_json(reloaded: &Reloaded<'_>, out: &mut dyn Write) -> io::Result<()> {
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

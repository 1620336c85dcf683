//! Certificates that change while the server runs: its own, and those of its clients' CAs.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use qecho_cert::Pin;
use time::OffsetDateTime;

use crate::render::{Object, Render, day, path_texts, pin_digits};

/// A certificate whose files have changed.
#[derive(Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) names: &'a [String],
    pub(crate) expires: OffsetDateTime,
    pub(crate) pin: Pin,
    /// Reason to keep the old one, if it is kept; stderr tells it, too.
    pub(crate) kept_for: Option<&'a str>,
}

/// CAs of clients whose files have changed.
#[derive(Debug)]
pub(crate) struct Clients<'a> {
    pub(crate) authorities: &'a [PathBuf],
    /// Reason to keep the old ones, if they are kept; stderr tells it, too.
    pub(crate) kept_for: Option<&'a str>,
}

impl Render for Identity<'_> {
    /// Writes which certificate is shown from now on.
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.kept_for.is_some() {
            return Ok(());
        }
        let names = self.names.join(", ");
        let (expires, pin) = (day(self.expires)?, self.pin);
        writeln!(out, "new certificate: {names}; until {expires}, pin {pin}")
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let event = match self.kept_for {
            None => "certificate_reloaded",
            Some(_) => "certificate_kept",
        };
        Object::event(event)
            .with("names", self.names)
            .with("expires_unix", self.expires.unix_timestamp())
            .with("spki_sha256", pin_digits(&self.pin))
            .with_some("reason", self.kept_for)
            .line(out)
    }
}

impl Render for Clients<'_> {
    /// Writes which CAs vouch for clients from now on.
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.kept_for.is_some() {
            return Ok(());
        }
        let paths = path_texts(self.authorities).join(", ");
        writeln!(out, "new CAs of clients: {paths}")
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let event = match self.kept_for {
            None => "client_ca_reloaded",
            Some(_) => "client_ca_kept",
        };
        Object::event(event)
            .with("client_ca", path_texts(self.authorities))
            .with_some("reason", self.kept_for)
            .line(out)
    }
}

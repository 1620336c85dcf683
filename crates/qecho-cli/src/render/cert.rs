//! Certificates and authorities, as `qecho cert` shows them.

mod shown;
mod store;

use std::{
    io::{self, Write},
    path::Path,
};

use qecho_cert::{CertificateDetails, CertificateFiles, Pin};
use qecho_packet::text;

use super::{Object, Render, day, path_text, pin_digits};

pub(crate) use self::{
    shown::{JudgedCertificate, ListTitles, ListedCertificate, ShownCertificate, Verdict},
    store::{StoreChange, StoreStep, TrustState},
};

/// A certificate that was made, and where it is.
pub(crate) struct NewCertificate<'a> {
    pub(crate) files: &'a CertificateFiles,
    pub(crate) details: &'a CertificateDetails,
    pub(crate) authority: Option<&'a Path>,
    /// The pin of the certificate that was in its place, if it has another key.
    pub(crate) replaced: Option<Pin>,
}

/// An authority, and where it is.
pub(crate) struct ShownAuthority<'a> {
    pub(crate) path: Option<&'a Path>,
    pub(crate) details: &'a CertificateDetails,
    /// Whether the system's store has it, where that can be known.
    pub(crate) installed: Option<bool>,
}

impl Render for NewCertificate<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let NewCertificate { files, details, .. } = self;
        row("certificate", text::path(&files.certificate), out)?;
        row("key", text::path(&files.key), out)?;
        if let Some(chain) = &files.chain {
            row("chain", text::path(chain), out)?;
        }
        row("names", details.names.join(", "), out)?;
        row("expires", day(details.not_after)?, out)?;
        row("SHA-256", &details.sha256, out)?;
        row("pin", details.pin, out)?;
        match self.authority {
            Some(path) => row("CA", text::path(path), out),
            None => Ok(()),
        }
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let NewCertificate { files, details, .. } = self;
        Object::event("certificate_made")
            .with_schema()
            .with("certificate", path_text(&files.certificate))
            .with("key", path_text(&files.key))
            .with_some("chain", files.chain.as_ref().map(path_text))
            .with("names", &details.names)
            .with("expires_unix", details.not_after.unix_timestamp())
            .with("sha256", &details.sha256)
            .with("spki_sha256", pin_digits(&details.pin))
            .with("ca", self.authority.map(path_text))
            .with_some(
                "replaced_spki_sha256",
                self.replaced.as_ref().map(pin_digits),
            )
            .line(out)
    }
}

impl Render for ShownAuthority<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let details = self.details;
        if let Some(path) = self.path {
            row("CA", text::path(path), out)?;
        }
        row("name", &details.subject, out)?;
        row("key", details.key_type, out)?;
        row("expires", day(details.not_after)?, out)?;
        row("may sign", scope(details), out)?;
        row("SHA-256", &details.sha256, out)?;
        row("pin", details.pin, out)?;
        match self.installed {
            Some(true) => row("installed", "in the system's store", out),
            Some(false) => row("installed", "no; `qecho cert install` does it", out),
            None => Ok(()),
        }
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let details = self.details;
        Object::event("authority")
            .with_schema()
            .with("ca", self.path.map(path_text))
            .with("subject", &details.subject)
            .with("key_type", details.key_type.to_string())
            .with("expires_unix", details.not_after.unix_timestamp())
            .with("permitted", &details.permitted)
            .with("excluded", &details.excluded)
            .with("sha256", &details.sha256)
            .with("spki_sha256", pin_digits(&details.pin))
            .with("installed", self.installed)
            .line(out)
    }
}

/// Says what an authority may sign for.
fn scope(details: &CertificateDetails) -> String {
    let permitted = details.permitted.join(", ");
    let excluded = details.excluded.join(", ");
    match (permitted.is_empty(), excluded.is_empty()) {
        (true, true) => "for every name".to_owned(),
        (true, false) => format!("for every name except {excluded}"),
        (false, true) => format!("for {permitted} alone"),
        (false, false) => format!("for {permitted} alone; not for {excluded}"),
    }
}

fn row(title: &str, value: impl std::fmt::Display, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{title:<11}  {value}")
}

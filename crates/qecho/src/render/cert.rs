//! What is seen of certificates.

mod shown;
mod store;

use std::{
    io::{self, Write},
    path::Path,
};

use qecho_cert::{CertificateDetails, CertificateFiles, Pin};
use serde::Serialize;

use super::{PathText, day, json_line, pin_digits};

pub(crate) use self::shown::{
    Listed, Shown, Verdict, listed_json, listed_text, shown_json, shown_text, verdict_json,
    verdict_text,
};
pub(crate) use self::store::{Change, State, change_json, change_text, step_json, step_text};

/// A certificate that was made, and where it is.
pub(crate) struct Made<'a> {
    pub(crate) files: &'a CertificateFiles,
    pub(crate) details: &'a CertificateDetails,
    pub(crate) authority: Option<&'a Path>,
    /// The pin of the certificate that was in its place, if it has another key.
    pub(crate) replaced: Option<Pin>,
}

/// An authority, and where it is.
pub(crate) struct AuthorityShown<'a> {
    pub(crate) path: Option<&'a Path>,
    pub(crate) details: &'a CertificateDetails,
    /// Whether the system's store has it, where that can be known.
    pub(crate) installed: Option<bool>,
}

/// Writes what was made.
pub(crate) fn made_text(made: &Made<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Made { files, details, .. } = made;
    row("certificate", files.certificate.display(), out)?;
    row("key", files.key.display(), out)?;
    if let Some(chain) = &files.chain {
        row("chain", chain.display(), out)?;
    }
    row("names", details.names.join(", "), out)?;
    row("expires", day(details.not_after)?, out)?;
    row("SHA-256", &details.sha256, out)?;
    row("pin", details.pin, out)?;
    match made.authority {
        Some(path) => row("CA", path.display(), out),
        None => Ok(()),
    }
}

/// Writes what was made as JSON.
pub(crate) fn made_json(made: &Made<'_>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        certificate: PathText<'a>,
        key: PathText<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        chain: Option<PathText<'a>>,
        names: &'a [String],
        expires_unix: i64,
        sha256: &'a str,
        spki_sha256: String,
        ca: Option<PathText<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        replaced_spki_sha256: Option<String>,
    }
    let Made { files, details, .. } = made;
    let line = Line {
        certificate: PathText(&files.certificate),
        key: PathText(&files.key),
        chain: files.chain.as_deref().map(PathText),
        names: &details.names,
        expires_unix: details.not_after.unix_timestamp(),
        sha256: &details.sha256,
        spki_sha256: pin_digits(&details.pin),
        ca: made.authority.map(PathText),
        replaced_spki_sha256: made.replaced.as_ref().map(pin_digits),
    };
    json_line(&line, out)
}

/// Writes what an authority is.
pub(crate) fn authority_text(shown: &AuthorityShown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let details = shown.details;
    if let Some(path) = shown.path {
        row("CA", path.display(), out)?;
    }
    row("name", &details.subject, out)?;
    row("key", details.key_type, out)?;
    row("expires", day(details.not_after)?, out)?;
    row("may sign", scope(details), out)?;
    row("SHA-256", &details.sha256, out)?;
    row("pin", details.pin, out)?;
    match shown.installed {
        Some(true) => row("installed", "in the system's store", out),
        Some(false) => row("installed", "no; `qecho cert install` does it", out),
        None => Ok(()),
    }
}

/// Writes what an authority is as JSON.
pub(crate) fn authority_json(shown: &AuthorityShown<'_>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        ca: Option<PathText<'a>>,
        subject: &'a str,
        key_type: String,
        expires_unix: i64,
        permitted: &'a [String],
        excluded: &'a [String],
        sha256: &'a str,
        spki_sha256: String,
        installed: Option<bool>,
    }
    let details = shown.details;
    let line = Line {
        ca: shown.path.map(PathText),
        subject: &details.subject,
        key_type: details.key_type.to_string(),
        expires_unix: details.not_after.unix_timestamp(),
        permitted: &details.permitted,
        excluded: &details.excluded,
        sha256: &details.sha256,
        spki_sha256: pin_digits(&details.pin),
        installed: shown.installed,
    };
    json_line(&line, out)
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

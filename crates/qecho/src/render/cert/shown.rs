//! Certificates that are there.

use std::{
    io::{self, Write},
    path::Path,
};

use qecho_cert::CertificateDetails;
use serde::Serialize;
use time::OffsetDateTime;

use super::{row, scope};
use crate::render::{PathText, counted, day, json_line, pin_digits};

/// A certificate of a chain, and who trusts it.
pub(crate) struct Shown<'a> {
    /// From 0, the leaf.
    pub(crate) position: usize,
    pub(crate) count: usize,
    pub(crate) details: &'a CertificateDetails,
    pub(crate) verdicts: &'a [Verdict],
    pub(crate) now: OffsetDateTime,
}

/// Who vouches for a certificate under a name, or why nobody does.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) name: String,
    pub(crate) outcome: Result<String, String>,
}

/// A certificate in a list.
pub(crate) struct Listed<'a> {
    /// Whose authority it is, if it is one of this machine.
    pub(crate) role: Option<&'static str>,
    pub(crate) path: &'a Path,
    pub(crate) details: &'a CertificateDetails,
    pub(crate) now: OffsetDateTime,
}

/// Writes all that a certificate says.
pub(crate) fn shown_text(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let details = shown.details;
    if shown.count > 1 {
        let number = shown.position + 1;
        writeln!(out, "certificate {number} of {}", shown.count)?;
    }
    if !details.names.is_empty() {
        row("names", details.names.join(", "), out)?;
    }
    if !details.subject.is_empty() {
        row("subject", &details.subject, out)?;
    }
    row("issuer", &details.issuer, out)?;
    let since = day(details.not_before)?;
    let left = left(details.not_after, shown.now)?;
    row("valid", format!("from {since}; {left}"), out)?;
    row("key", details.key_type, out)?;
    match details.is_authority {
        true => row("may sign", scope(details), out)?,
        false => row("for", purposes(details).join(" and "), out)?,
    }
    row("serial", &details.serial, out)?;
    row("SHA-256", &details.sha256, out)?;
    row("pin", details.pin, out)?;
    for verdict in shown.verdicts {
        let name = &verdict.name;
        match &verdict.outcome {
            Ok(anchor) => row("trusted", format!("for {name}, by {anchor}"), out)?,
            Err(reason) => row("not trusted", format!("for {name}: {reason}"), out)?,
        }
    }
    Ok(())
}

/// Writes all that a certificate says as JSON.
pub(crate) fn shown_json(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        position: usize,
        names: &'a [String],
        subject: &'a str,
        issuer: &'a str,
        not_before_unix: i64,
        expires_unix: i64,
        key_type: String,
        is_ca: bool,
        permitted: &'a [String],
        excluded: &'a [String],
        purposes: Vec<&'static str>,
        serial: &'a str,
        sha256: &'a str,
        spki_sha256: String,
        trust: Vec<VerdictLine<'a>>,
    }
    let details = shown.details;
    let line = Line {
        position: shown.position,
        names: &details.names,
        subject: &details.subject,
        issuer: &details.issuer,
        not_before_unix: details.not_before.unix_timestamp(),
        expires_unix: details.not_after.unix_timestamp(),
        key_type: details.key_type.to_string(),
        is_ca: details.is_authority,
        permitted: &details.permitted,
        excluded: &details.excluded,
        purposes: purposes(details),
        serial: &details.serial,
        sha256: &details.sha256,
        spki_sha256: pin_digits(&details.pin),
        trust: shown.verdicts.iter().map(VerdictLine::of).collect(),
    };
    json_line(&line, out)
}

#[derive(Serialize)]
struct VerdictLine<'a> {
    host: &'a str,
    trusted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> VerdictLine<'a> {
    fn of(verdict: &'a Verdict) -> Self {
        Self {
            host: &verdict.name,
            trusted: verdict.outcome.is_ok(),
            verified_by: verdict.outcome.as_deref().ok(),
            reason: verdict.outcome.as_ref().err().map(String::as_str),
        }
    }
}

/// Writes that a certificate is accepted.
pub(crate) fn verdict_text(
    verdict: &Verdict,
    details: &CertificateDetails,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Ok(anchor) = &verdict.outcome else {
        return Ok(());
    };
    let until = day(details.not_after)?;
    writeln!(
        out,
        "ok: good for {} until {until}, verified by {anchor}",
        verdict.name
    )
}

/// Writes whether a certificate is accepted as JSON.
pub(crate) fn verdict_json(
    verdict: &Verdict,
    details: &CertificateDetails,
    out: &mut dyn Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(flatten)]
        verdict: VerdictLine<'a>,
        names: &'a [String],
        expires_unix: i64,
    }
    let line = Line {
        verdict: VerdictLine::of(verdict),
        names: &details.names,
        expires_unix: details.not_after.unix_timestamp(),
    };
    json_line(&line, out)
}

/// Writes a line of a list.
pub(crate) fn listed_text(listed: &Listed<'_>, out: &mut dyn Write) -> io::Result<()> {
    let details = listed.details;
    let what = match (listed.role, details.is_authority) {
        (Some(role), _) => format!("CA, {role}"),
        (None, true) => format!("CA, {}", details.subject),
        (None, false) => details.names.join(", "),
    };
    let end = day(details.not_after)?;
    let left = match (details.not_after - listed.now).whole_days() {
        _ if details.not_after < listed.now => "expired".to_owned(),
        days => counted(days.unsigned_abs(), "day"),
    };
    writeln!(out, "{end}  {left:>9}  {}  {what}", listed.path.display())
}

/// Writes a line of a list as JSON.
pub(crate) fn listed_json(listed: &Listed<'_>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        file: PathText<'a>,
        is_ca: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<&'static str>,
        names: &'a [String],
        issuer: &'a str,
        expires_unix: i64,
        expired: bool,
        key_type: String,
        sha256: &'a str,
        spki_sha256: String,
    }
    let details = listed.details;
    let line = Line {
        file: PathText(listed.path),
        is_ca: details.is_authority,
        role: listed.role,
        names: &details.names,
        issuer: &details.issuer,
        expires_unix: details.not_after.unix_timestamp(),
        expired: details.not_after < listed.now,
        key_type: details.key_type.to_string(),
        sha256: &details.sha256,
        spki_sha256: pin_digits(&details.pin),
    };
    json_line(&line, out)
}

/// Says how long a certificate is good, or since when no more.
fn left(not_after: OffsetDateTime, now: OffsetDateTime) -> io::Result<String> {
    let end = day(not_after)?;
    Ok(match (not_after - now).whole_days() {
        _ if not_after < now => format!("expired on {end}"),
        0 => format!("until {end}, less than a day"),
        days => format!("until {end}, {}", counted(days.unsigned_abs(), "day")),
    })
}

fn purposes(details: &CertificateDetails) -> Vec<&'static str> {
    [
        (details.for_servers, "servers"),
        (details.for_clients, "clients"),
    ]
    .into_iter()
    .filter_map(|(is, purpose)| is.then_some(purpose))
    .collect()
}

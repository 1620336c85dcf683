//! Certificates that are there.

use std::{
    io::{self, Write},
    path::Path,
};

use qecho_cert::CertificateDetails;
use qecho_packet::text::{self, counted};
use time::OffsetDateTime;

use super::{row, scope};
use crate::render::{Object, Render, day, path_text, pin_digits};

/// A certificate of a chain, and who trusts it.
pub(crate) struct ShownCertificate<'a> {
    /// From 0, the leaf.
    pub(crate) position: usize,
    pub(crate) count: usize,
    pub(crate) details: &'a CertificateDetails,
    pub(crate) verdicts: &'a [Verdict],
    pub(crate) now: OffsetDateTime,
}

/// Trust in a certificate under a name: the anchor, or the reason against it.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) name: String,
    pub(crate) outcome: Result<String, String>,
}

/// A verdict on a certificate.
pub(crate) struct JudgedCertificate<'a> {
    pub(crate) verdict: &'a Verdict,
    pub(crate) details: &'a CertificateDetails,
}

/// Titles of the columns of a list, of which JSON has none.
pub(crate) struct ListTitles;

/// A certificate in a list.
pub(crate) struct ListedCertificate<'a> {
    /// Owner of the authority, if it is one of this machine.
    pub(crate) role: Option<&'static str>,
    pub(crate) path: &'a Path,
    pub(crate) details: &'a CertificateDetails,
    pub(crate) now: OffsetDateTime,
}

impl Render for ShownCertificate<'_> {
    /// Writes all that a certificate says.
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let details = self.details;
        if self.count > 1 {
            let number = self.position + 1;
            writeln!(out, "certificate {number} of {}", self.count)?;
        }
        if !details.names.is_empty() {
            row("names", details.names.join(", "), out)?;
        }
        if !details.subject.is_empty() {
            row("subject", &details.subject, out)?;
        }
        row("issuer", &details.issuer, out)?;
        let since = day(details.not_before)?;
        let left = left(details.not_after, self.now)?;
        row("valid", format!("from {since}; {left}"), out)?;
        row("key", details.key_type, out)?;
        match details.is_authority {
            true => row("may sign", scope(details), out)?,
            false => row("for", purposes(details).join(" and "), out)?,
        }
        if !details.malformed.is_empty() {
            row("malformed", details.malformed.join(", "), out)?;
        }
        row("serial", &details.serial, out)?;
        row("SHA-256", &details.sha256, out)?;
        row("pin", details.pin, out)?;
        for verdict in self.verdicts {
            let name = &verdict.name;
            match &verdict.outcome {
                Ok(anchor) => row("trusted", format!("for {name}, by {anchor}"), out)?,
                Err(reason) => row("not trusted", format!("for {name}: {reason}"), out)?,
            }
        }
        Ok(())
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let details = self.details;
        Object::event("certificate")
            .with_schema()
            .with("position", self.position)
            .with("names", &details.names)
            .with("subject", &details.subject)
            .with("issuer", &details.issuer)
            .with("not_before_unix", details.not_before.unix_timestamp())
            .with("expires_unix", details.not_after.unix_timestamp())
            .with("key_type", details.key_type.to_string())
            .with("is_ca", details.is_authority)
            .with("permitted", &details.permitted)
            .with("excluded", &details.excluded)
            .with("purposes", purposes(details))
            .with("malformed", &details.malformed)
            .with("serial", &details.serial)
            .with("sha256", &details.sha256)
            .with("spki_sha256", pin_digits(&details.pin))
            .with(
                "trust",
                self.verdicts
                    .iter()
                    .map(Verdict::object)
                    .collect::<Vec<_>>(),
            )
            .line(out)
    }
}

impl Verdict {
    fn object(&self) -> Object {
        Object::default()
            .with("host", &self.name)
            .with("trusted", self.outcome.is_ok())
            .with_some("verified_by", self.outcome.as_ref().ok())
            .with_some("reason", self.outcome.as_ref().err())
    }
}

impl Render for JudgedCertificate<'_> {
    /// Writes that a certificate is accepted, if it is.
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Verdict { name, outcome } = self.verdict;
        let Ok(anchor) = outcome else {
            return Ok(());
        };
        let until = day(self.details.not_after)?;
        writeln!(
            out,
            "ok: good for {name} until {until}, verified by {anchor}"
        )
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        Object::event("verified")
            .with_schema()
            .and(self.verdict.object())
            .with("names", &self.details.names)
            .with("expires_unix", self.details.not_after.unix_timestamp())
            .line(out)
    }
}

impl Render for ListTitles {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "expires          left  file  names, or whose CA")
    }

    fn json(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl Render for ListedCertificate<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let details = self.details;
        let what = match (self.role, details.is_authority) {
            (Some(role), _) => format!("CA, {role}"),
            (None, true) => format!("CA, {}", details.subject),
            (None, false) => details.names.join(", "),
        };
        let end = day(details.not_after)?;
        let left = match (details.not_after - self.now).whole_days() {
            _ if details.not_after < self.now => "expired".to_owned(),
            days => counted(days.unsigned_abs(), "day"),
        };
        writeln!(out, "{end}  {left:>9}  {}  {what}", text::path(self.path))
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let details = self.details;
        Object::event("listed")
            .with_schema()
            .with("file", path_text(self.path))
            .with("is_ca", details.is_authority)
            .with_some("role", self.role)
            .with("names", &details.names)
            .with("issuer", &details.issuer)
            .with("expires_unix", details.not_after.unix_timestamp())
            .with("expired", details.not_after < self.now)
            .with("key_type", details.key_type.to_string())
            .with("sha256", &details.sha256)
            .with("spki_sha256", pin_digits(&details.pin))
            .line(out)
    }
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

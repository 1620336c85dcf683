//! `qecho cert list`.

use std::{io::ErrorKind, path::PathBuf, time::SystemTime};

use anyhow::Context;
use qecho_cert::{CertificateDetails, CertificateListing, folder, read_chain};
use qecho_packet::text;

use super::super::show;
use crate::{
    args::ListArguments,
    exit::{ExitStatus, Failure},
    render,
    stderr::say,
};

/// Lists the CAs of this machine and the certificates of a folder.
pub(super) fn run(arguments: &ListArguments) -> Result<ExitStatus, Failure> {
    let folder = &arguments.folder;
    let listing = CertificateListing::of(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let now = SystemTime::now().into();
    let authorities = authorities();
    if !(authorities.is_empty() && listing.certificates.is_empty()) {
        show(&render::cert::ListTitles, arguments.format)?;
    }
    for (role, path, details) in authorities {
        let row = render::cert::ListedCertificate {
            role: Some(role),
            path: &path,
            details: &details,
            now,
        };
        show(&row, arguments.format)?;
    }
    for (path, details) in &listing.certificates {
        // In the current folder a name is enough.
        let path = path.strip_prefix(".").unwrap_or(path);
        let row = render::cert::ListedCertificate {
            role: None,
            path,
            details,
            now,
        };
        show(&row, arguments.format)?;
    }
    for path in &listing.broken {
        say(format_args!(
            "{} says to hold a certificate, but it is malformed",
            text::path(path)
        ));
    }
    if listing.left_out > 0 {
        say(format_args!(
            "{} more files were not looked at",
            listing.left_out
        ));
    }
    Ok(ExitStatus::Done)
}

/// Finds the CAs of this machine that are there; those that cannot be used are
/// told of.
fn authorities() -> Vec<(&'static str, PathBuf, CertificateDetails)> {
    let variables = &folder::process_variable;
    let places = [
        ("qecho's, for loopback", folder::data_folder(variables)),
        ("your own", folder::user_authority_folder(variables)),
        ("mkcert's", folder::mkcert_folder(variables)),
    ];
    let mut found = Vec::new();
    for (role, folder) in places {
        let Some(folder) = folder else { continue };
        let path = folder.join("rootCA.pem");
        if path
            .metadata()
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            continue;
        }
        let details = read_chain(&path)
            .map_err(anyhow::Error::new)
            .and_then(|chain| Ok(CertificateDetails::of(&chain[0])?));
        match details {
            Ok(details) => found.push((role, path, details)),
            Err(error) => say(text::line(&format!(
                "the CA in {}: {error:#}",
                folder.display()
            ))),
        }
    }
    found
}

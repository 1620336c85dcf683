//! `qecho cert new`.

use std::{fs, io, path::PathBuf, time::SystemTime};

use anyhow::{Context, anyhow};
use qecho_cert::{
    Authority, AuthorityOrigin, CertificateDetails, CertificateFiles, CertificateFilesError,
    IssueError, IssueRequest, IssuedCertificate, KeyType, NameConstraints, Pin, SubjectAltName,
    Validity, folder, read_chain,
};
use qecho_packet::text;

use super::{super::show, open_or_create};
use crate::{
    args::{Format, LifeArguments, NewArguments},
    exit::{ExitStatus, Failure},
    render,
    stderr::say,
};

/// Makes a certificate and its key.
pub(super) fn run(arguments: &NewArguments) -> Result<ExitStatus, Failure> {
    let files = files(arguments);
    refuse_links(&files)?;
    let (authority, origin) = open_or_create(&arguments.root, &NameConstraints::Unconstrained)?;
    if let (AuthorityOrigin::Created, Some(path)) = (origin, authority.certificate_path()) {
        say(format_args!(
            "made a CA of your own, which may sign for every name: {}\n\
             nothing trusts it yet but qecho, for loopback names; `qecho cert install` changes that",
            text::path(path)
        ));
    }
    let request = IssueRequest::new(arguments.names.clone(), validity(&arguments.life))
        .with_clients(arguments.client);
    let key = match arguments.ed25519 {
        true => KeyType::Ed25519,
        false => KeyType::EcdsaP256,
    };
    let owner = folder::owner(&folder::process_variable);
    let issued = authority
        .issue(&request, key, owner.as_deref(), SystemTime::now())
        .map_err(|error| explain_issue(&authority, error))?;
    let replaced = ReplacedFiles::at(&files);
    write(&files, &issued, |kind| match kind {
        io::ErrorKind::PermissionDenied => {
            Some("name files in a folder of yours by --cert-file and --key-file")
        }
        // A DNS name may be as long, without what is put behind it.
        io::ErrorKind::InvalidFilename => {
            Some("give the files shorter names by --cert-file and --key-file")
        }
        _ => None,
    })?;
    replaced.note();
    note_odd_names(&arguments.names);
    report(&authority, &issued, &files, replaced.pin, arguments.format)
}

/// Refuses to write through a symbolic link: a file elsewhere would be replaced, which is
/// perhaps no certificate at all. A certificate that is renewed is known to be one.
fn refuse_links(files: &CertificateFiles) -> Result<(), Failure> {
    for path in [&files.certificate, &files.key]
        .into_iter()
        .chain(&files.chain)
    {
        if let Ok(target) = fs::read_link(path) {
            let error = anyhow!(
                "cannot write {}: it is a symbolic link, and {} would be replaced",
                path.display(),
                target.display()
            );
            return Err(Failure::from(error)
                .hint("remove the link, or name other files by --cert-file and --key-file"));
        }
    }
    Ok(())
}

/// Files that were in the place of new ones: as with mkcert they go, but not unsaid.
struct ReplacedFiles {
    paths: Vec<PathBuf>,
    /// Pin that clients may have been told to ask for.
    pin: Option<Pin>,
}

impl ReplacedFiles {
    fn at(files: &CertificateFiles) -> Self {
        let mut paths = vec![files.certificate.clone(), files.key.clone()];
        paths.extend(files.chain.clone());
        paths.dedup();
        // What is no file is not replaced, and may never end.
        paths.retain(|path| path.is_file());
        let certificate = paths
            .contains(&files.certificate)
            .then(|| read_chain(&files.certificate).ok());
        let details = certificate
            .flatten()
            .and_then(|chain| CertificateDetails::of(&chain[0]).ok());
        Self {
            paths,
            pin: details.map(|details| details.pin),
        }
    }

    fn note(&self) {
        if self.paths.is_empty() {
            return;
        }
        let paths: Vec<_> = self.paths.iter().map(text::path).collect();
        let paths = paths.join(", ");
        say(&match self.pin {
            None => format!("replaced {paths}"),
            Some(pin) => format!(
                "replaced {paths}: the key is new, {pin} is no longer its pin; \
                 `qecho cert renew --keep-key` would have kept both"
            ),
        });
    }
}

/// Reads how long a certificate shall be good.
pub(super) fn validity(arguments: &LifeArguments) -> Validity {
    match arguments.days {
        Some(days) => Validity::Days(days),
        None if arguments.short_lived => Validity::Short,
        None => Validity::Default,
    }
}

fn files(arguments: &NewArguments) -> CertificateFiles {
    let mut files = CertificateFiles::for_names(&arguments.names, arguments.client);
    if let Some(path) = &arguments.cert_file {
        files.certificate = path.clone();
    }
    if let Some(path) = &arguments.key_file {
        files.key = path.clone();
    }
    if arguments.chain {
        files.chain = Some(CertificateFiles::chain_beside(&files.certificate));
    }
    files
}

/// Writes the files, or none of them; `hint` knows what to do about an error of the system.
pub(super) fn write(
    files: &CertificateFiles,
    issued: &IssuedCertificate,
    hint: impl Fn(io::ErrorKind) -> Option<&'static str>,
) -> Result<(), Failure> {
    files.write(issued).map_err(|error| {
        let hint = match &error {
            CertificateFilesError::Write(_, source) => hint(source.kind()),
            _ => None,
        };
        Failure::from(anyhow::Error::new(error)).maybe_hint(hint)
    })
}

/// Finds what to do about a CA that does not sign.
pub(super) fn explain_issue(authority: &Authority, error: IssueError) -> Failure {
    let forbidden = matches!(error, IssueError::NotPermitted { .. });
    let failure = Failure::from(anyhow::Error::new(error).context("cannot make this certificate"));
    if !forbidden {
        return failure;
    }
    match CertificateDetails::of(authority.certificate_der()) {
        Ok(details) if !details.permitted.is_empty() => failure.hint(format!(
            "this CA may sign for {}; another is made by `qecho cert ca new --ca-root DIR`",
            details.permitted.join(", ")
        )),
        _ => failure,
    }
}

/// Tells what was made.
pub(super) fn report(
    authority: &Authority,
    issued: &IssuedCertificate,
    files: &CertificateFiles,
    replaced: Option<Pin>,
    format: Format,
) -> Result<ExitStatus, Failure> {
    let details =
        CertificateDetails::of(issued.certificate()).context("cannot read the new certificate")?;
    let made = render::cert::NewCertificate {
        files,
        details: &details,
        authority: authority.certificate_path(),
        replaced,
    };
    show(&made, format)?;
    Ok(ExitStatus::Done)
}

fn note_odd_names(names: &[SubjectAltName]) {
    for name in names.iter().filter(|name| name.is_like_an_address()) {
        say(format_args!(
            "warning: {name} looks like an IP address, but is none: clients do not call a host so"
        ));
    }
    for name in names.iter().filter(|name| name.is_wildcard()) {
        let text = name.to_string();
        let domain = text.trim_start_matches("*.");
        if !domain.contains('.') {
            say(format_args!(
                "warning: many clients take no wildcard as wide as {text}"
            ));
        }
        say(format_args!(
            "note: {text} is for one level: neither for {domain} nor for a.b.{domain}"
        ));
    }
}

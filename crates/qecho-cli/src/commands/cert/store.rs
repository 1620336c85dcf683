//! `qecho cert install` and `uninstall`.

use std::{
    io::ErrorKind,
    path::Path,
    process::{Command, Stdio},
    time::SystemTime,
};

use anyhow::{Context, anyhow, bail};
use qecho_cert::{
    CertificateDetails, folder, read_chain,
    store::{
        AuthorityReference, NssProfile, StoreCommand, StoredAuthority, SystemStore, nss_profiles,
    },
};
use qecho_packet::text;
use rustls::pki_types::CertificateDer;

use super::{super::show, root_folder};
use crate::{
    args::{RootArgument, StoreArgument, StoreArguments},
    exit::{ExitStatus, Failure},
    render::cert::{StoreChange, StoreStep, TrustState},
    stderr::say,
};

/// A store, and what brings it there.
enum Store {
    System(SystemStore),
    Profile(NssProfile),
}

/// The authority that is meant.
struct Authority {
    certificate: CertificateDer<'static>,
    reference: AuthorityReference,
}

/// Makes stores trust the CA, or forget it.
pub(super) fn run(arguments: &StoreArguments, wanted: TrustState) -> Result<ExitStatus, Failure> {
    let authority = authority(arguments, wanted)?;
    let mut failures = Vec::new();
    for store in stores(arguments, wanted)? {
        if arguments.dry_run {
            let is_here = arguments.system.is_none();
            if !is_here || store.is_in(wanted, &authority) != Some(true) {
                for step in &store.steps(&authority.reference, wanted) {
                    let sudo = step.as_root && (!is_here || !is_root());
                    show(&StoreStep { step, sudo }, arguments.format)?;
                }
            }
            continue;
        }
        match bring(&store, &authority, wanted) {
            Ok(changed) => {
                let change = StoreChange {
                    folder: store.folder(),
                    state: wanted,
                    changed,
                };
                show(&change, arguments.format)?;
            }
            Err(error) => {
                // The others may do.
                failures.push(error.context(format!("cannot change {}", store.title())));
            }
        }
    }
    let more = failures.len().saturating_sub(1);
    let Some(first) = failures.into_iter().next() else {
        return Ok(ExitStatus::Done);
    };
    let error = match more {
        0 => first,
        1 => anyhow!("{first:#}; and one more store could not be changed"),
        _ => anyhow!("{first:#}; and {more} more stores could not be changed"),
    };
    Err(Failure::from(error)
        .hint("--dry-run prints the commands; --store chooses among the stores"))
}

/// Reads the certificate of the CA that is meant; its key is not needed.
fn authority(arguments: &StoreArguments, wanted: TrustState) -> Result<Authority, Failure> {
    let folder = root_folder(&arguments.root)?;
    let path = std::path::absolute(folder.join("rootCA.pem"))
        .with_context(|| format!("cannot find the folder {}", folder.display()))?;
    let chain = read_chain(&path).map_err(|error| {
        let hint = match (wanted, &arguments.root.choice) {
            (TrustState::Absent, _) => {
                "its certificate tells what to remove: put a copy (the system's store may have \
                 one, qecho_*) into DIR/rootCA.pem, and name --ca-root DIR"
            }
            (_, Some(RootArgument::Mkcert)) => "mkcert makes it with its first certificate",
            _ => "`qecho cert ca new` makes one; --ca-root DIR names another",
        };
        Failure::from(anyhow::Error::new(error).context("cannot use the CA")).hint(hint)
    })?;
    let details = CertificateDetails::of(&chain[0])
        .with_context(|| format!("cannot use the CA in {}", path.display()))?;
    if !details.is_authority {
        return Err(anyhow!("the certificate in {} is not a CA's", path.display()).into());
    }
    if wanted == TrustState::Trusted && details.not_after < SystemTime::now() {
        let day = details.not_after.date();
        return Err(anyhow!("the CA in {} expired on {day}", path.display()).into());
    }
    Ok(Authority {
        reference: AuthorityReference::new(&path, &details),
        certificate: chain[0].clone(),
    })
}

fn stores(arguments: &StoreArguments, wanted: TrustState) -> Result<Vec<Store>, Failure> {
    let mut stores = Vec::new();
    if arguments.store != StoreArgument::Nss {
        let system = arguments
            .system
            .or_else(|| SystemStore::detect(&|path| path.is_dir()));
        let system = system.ok_or_else(|| {
            Failure::from(anyhow!("this system's store is not known")).hint(
                "--store nss is for browsers alone; your system's manual says how it adds a CA",
            )
        })?;
        stores.push(Store::System(system));
    }
    if arguments.store != StoreArgument::System && arguments.system != Some(SystemStore::Windows) {
        let found = nss_profiles(&folder::process_variable);
        for folder in &found.outdated {
            say(format_args!(
                "skipped {}, a browser's store from before 2018 (cert8.db): start that browser \
                 in a version of today, which makes a new one, and run this again",
                text::path(folder)
            ));
        }
        if found.profiles.is_empty() {
            say_that_no_browser_has_started(arguments, wanted)?;
        }
        stores.extend(found.profiles.into_iter().map(Store::Profile));
    }
    Ok(stores)
}

/// Browsers make their stores when they start for the first time, and not before.
fn say_that_no_browser_has_started(
    arguments: &StoreArguments,
    wanted: TrustState,
) -> Result<(), Failure> {
    let none = "there is no store of Firefox or Chromium yet";
    let hint = "start the browser once, which makes it, and run this again";
    match (wanted, arguments.store) {
        (TrustState::Trusted, StoreArgument::Nss) => {
            return Err(Failure::from(anyhow!(none)).hint(hint));
        }
        (TrustState::Trusted, _) => say(format_args!("{none}: {hint}")),
        (TrustState::Absent, StoreArgument::Nss) => say(none),
        (TrustState::Absent, _) => {}
    }
    Ok(())
}

impl Store {
    /// Returns the folder of a browser's store.
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::System(_) => None,
            Self::Profile(profile) => Some(profile.folder()),
        }
    }

    fn title(&self) -> String {
        match self.folder() {
            None => "the system's store".to_owned(),
            Some(folder) => text::path(folder),
        }
    }

    fn steps(&self, reference: &AuthorityReference, wanted: TrustState) -> Vec<StoreCommand> {
        match (self, wanted) {
            (Self::System(system), TrustState::Trusted) => system.install(reference),
            (Self::System(system), TrustState::Absent) => system.uninstall(reference),
            (Self::Profile(profile), TrustState::Trusted) => vec![profile.install(reference)],
            (Self::Profile(profile), TrustState::Absent) => {
                let found = find(profile, reference).filter(StoredAuthority::is_present);
                profile.uninstall(&found.unwrap_or_else(|| StoredAuthority::assumed(reference)))
            }
        }
    }

    /// Tells whether it is in a state already; `None` where nobody can know.
    fn is_in(&self, state: TrustState, authority: &Authority) -> Option<bool> {
        let Authority {
            certificate,
            reference,
        } = authority;
        let is_there = match (self, state) {
            (Self::System(system), TrustState::Trusted) => system.trusts(certificate)?,
            (Self::System(system), TrustState::Absent) => {
                system.has_trace(reference, certificate)?
            }
            (Self::Profile(profile), TrustState::Trusted) => find(profile, reference)?.is_trusted(),
            (Self::Profile(profile), TrustState::Absent) => find(profile, reference)?.is_present(),
        };
        Some(is_there == (state == TrustState::Trusted))
    }
}

/// Looks for an authority in a store of NSS; `None` where that cannot be read.
fn find(profile: &NssProfile, reference: &AuthorityReference) -> Option<StoredAuthority> {
    let list = profile.list();
    let mut command = Command::new(list.program);
    let output = command.args(&list.arguments).stdin(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success())?;
    let listing = String::from_utf8_lossy(&output.stdout);
    Some(StoredAuthority::parse(&listing, reference))
}

/// Brings a store to the wanted state; tells whether it was in another.
fn bring(store: &Store, authority: &Authority, wanted: TrustState) -> anyhow::Result<bool> {
    if store.is_in(wanted, authority) == Some(true) {
        return Ok(false);
    }
    for step in store.steps(&authority.reference, wanted) {
        take(&step)?;
    }
    // A tool that says nothing may have done nothing.
    match store.is_in(wanted, authority) {
        Some(false) => bail!("its tool ended well, but nothing has changed"),
        _ => Ok(true),
    }
}

/// Runs a command, as root where it takes that.
fn take(step: &StoreCommand) -> anyhow::Result<()> {
    let needs_sudo = step.as_root && !is_root();
    if step.as_root {
        say(format_args!("as root: {step}"));
    }
    let mut command = match needs_sudo {
        true => {
            let mut command = Command::new("sudo");
            command.arg("--").arg(step.program);
            command
        }
        false => Command::new(step.program),
    };
    command.args(&step.arguments);
    // sudo asks for a password on the terminal; what tools tell is for us.
    let output = command.stdin(Stdio::inherit()).output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(missing(step, needs_sudo)),
        Err(error) => return Err(error).with_context(|| format!("cannot run {}", step.program)),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().rfind(|line| !line.trim().is_empty());
    match said {
        // Firefox's primary password; its tool asks for it.
        Some(line) if line.contains("SEC_ERROR_BAD_PASSWORD") => bail!(
            "it has a password of its own, which was wrong or could not be asked for: \
             run this at a terminal"
        ),
        Some(line) => {
            // Many begin with their own name.
            let line = line.trim().trim_start_matches(step.program);
            let line = line.trim_start_matches(": ");
            bail!("{} failed: {line}", step.program)
        }
        None => bail!("{} failed, {}", step.program, output.status),
    }
}

fn missing(step: &StoreCommand, needs_sudo: bool) -> String {
    match (needs_sudo, step.program) {
        (true, _) => "it takes root, and sudo is not there".to_owned(),
        (false, "certutil") => {
            "certutil is not there (package libnss3-tools, nss-tools or nss)".to_owned()
        }
        (false, program) => format!("{program} is not there"),
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

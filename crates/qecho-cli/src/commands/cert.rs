//! `qecho cert`.

mod authority;
mod list;
mod new;
mod renew;
mod server;
mod show;
mod store;
mod verify;

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use anyhow::{Context, anyhow};
use qecho_cert::{
    Authority, AuthorityError, AuthorityOrigin, LocalAuthority, NameConstraints, StorageError,
    TrustSettings, TrustVerifier, folder,
};

use crate::{
    args::{AuthorityCommand, CertCommand, RootArgument, RootArguments},
    exit::{ExitStatus, Failure},
    render::cert::TrustState,
};

/// Does what was asked about certificates.
pub(super) fn run(command: &CertCommand) -> Result<ExitStatus, Failure> {
    match command {
        CertCommand::New(arguments) => new::run(arguments),
        CertCommand::List(arguments) => list::run(arguments),
        CertCommand::Show(arguments) => show::run(arguments),
        CertCommand::Verify(arguments) => verify::run(arguments),
        CertCommand::Renew(arguments) => renew::run(arguments),
        CertCommand::Install(arguments) => store::run(arguments, TrustState::Trusted),
        CertCommand::Uninstall(arguments) => store::run(arguments, TrustState::Absent),
        CertCommand::Ca(AuthorityCommand::New(arguments)) => authority::make(arguments),
        CertCommand::Ca(AuthorityCommand::Show(arguments)) => authority::show(arguments),
    }
}

/// Finds the folder of the CA that is meant.
fn root_folder(root: &RootArguments) -> Result<PathBuf, Failure> {
    let variables = &folder::process_variable;
    let found = match &root.choice {
        Some(RootArgument::Folder(folder)) => Some(folder.clone()),
        Some(RootArgument::Mkcert) => folder::mkcert_folder(variables),
        None => folder::user_authority_folder(variables),
    };
    found.ok_or_else(|| {
        Failure::from(anyhow!("cannot find the folder of the CA: HOME is not set"))
            .hint("name it by --ca-root DIR")
    })
}

/// Opens the CA that is meant; one's own is made if it is not there.
fn open_or_create(
    root: &RootArguments,
    constraints: &NameConstraints,
) -> Result<(Authority, AuthorityOrigin), Failure> {
    let folder = root_folder(root)?;
    let now = SystemTime::now();
    if root.choice == Some(RootArgument::Mkcert) {
        let authority = Authority::open(&folder, now).map_err(|error| explain(root, error))?;
        return Ok((authority, AuthorityOrigin::Existing));
    }
    let owner = folder::owner(&folder::process_variable);
    Authority::open_or_create_for(constraints, &folder, owner.as_deref(), now)
        .map_err(|error| explain(root, error))
}

/// Opens the CA that is meant, which must be there.
fn open(root: &RootArguments) -> Result<Authority, Failure> {
    Authority::open(&root_folder(root)?, SystemTime::now()).map_err(|error| explain(root, error))
}

/// Finds what to do about a CA that cannot be used.
fn explain(root: &RootArguments, error: AuthorityError) -> Failure {
    let hint = match &error {
        AuthorityError::NotThere { .. } => match root.choice {
            Some(RootArgument::Mkcert) => Some("mkcert makes it with its first certificate"),
            _ => Some("`qecho cert ca new` makes one"),
        },
        AuthorityError::KeyMissing { .. } => Some(
            "without its key a CA signs nothing: bring the key back, or name another CA by --ca-root DIR",
        ),
        AuthorityError::Storage(StorageError::CreateFolder { .. } | StorageError::Write { .. }) => {
            Some("name a writable folder by --ca-root DIR or QECHO_HOME")
        }
        _ => None,
    };
    let failure = Failure::from(anyhow::Error::new(error).context("cannot use the CA"));
    failure.maybe_hint(hint)
}

/// Makes the verifier that decides as `qecho client` does.
fn verifier(ca_files: &[PathBuf]) -> anyhow::Result<Arc<TrustVerifier>> {
    let local = LocalAuthority::of_this_machine(&folder::process_variable);
    let settings = TrustSettings::default()
        .with_ca_files(ca_files.to_vec())
        .with_local_authorities(local);
    TrustVerifier::new(settings).context("cannot decide whom to trust")
}

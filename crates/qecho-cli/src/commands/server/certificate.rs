//! The certificate that the server shows.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use anyhow::{Context, anyhow};
use qecho_cert::{
    Authority, AuthorityOrigin, AutomaticLeaf, ReloadingIdentity, ServerIdentity, folder,
};
use qecho_packet::text;

use crate::{args::ServerArguments, exit::Failure, stderr::say};

const FOLDER_HINT: &str = "name a writable folder by QECHO_HOME";

/// Identity of a server, and the files that it comes from.
pub(super) struct LoadedIdentity {
    pub(super) identity: Arc<dyn ServerIdentity>,
    /// The same, if it comes from files that may change.
    pub(super) files: Option<Arc<ReloadingIdentity>>,
}

/// Loads the certificate that was named, or makes one for localhost.
pub(super) fn load(arguments: &ServerArguments) -> Result<LoadedIdentity, Failure> {
    if let (Some(certificate), Some(key)) = (&arguments.cert, &arguments.key) {
        let identity = ReloadingIdentity::load(certificate, key)
            .map_err(|error| anyhow::Error::new(error).context("cannot use this certificate"))?;
        let files = Arc::new(identity);
        warn_if_expired(&files);
        return Ok(LoadedIdentity {
            identity: files.clone(),
            files: Some(files),
        });
    }
    let hint = format!("{FOLDER_HINT}, or a certificate by --cert and --key");
    let (authority, folder) = local_authority().map_err(|failure| failure.hint(&hint))?;
    let clock = Arc::new(SystemTime::now);
    let leaf = AutomaticLeaf::open_or_create(Arc::new(authority), &folder, clock)
        .context("cannot make a certificate for localhost");
    Ok(LoadedIdentity {
        identity: Arc::new(leaf.map_err(|error| Failure::from(error).hint(&hint))?),
        files: None,
    })
}

/// Opens the local CA, or makes one and says so; returns its folder, too.
pub(in crate::commands) fn local_authority() -> Result<(Authority, PathBuf), Failure> {
    let folder = folder::data_folder(&folder::process_variable).ok_or_else(|| {
        Failure::from(anyhow!(
            "cannot find a folder for the local CA: HOME is not set"
        ))
        .hint(FOLDER_HINT)
    })?;
    let owner = folder::owner(&folder::process_variable);
    let (authority, origin) =
        Authority::open_or_create(&folder, owner.as_deref(), SystemTime::now())
            .context("cannot open the local CA")
            .map_err(|error| Failure::from(error).hint(FOLDER_HINT))?;
    if let (AuthorityOrigin::Created, Some(path)) = (origin, authority.certificate_path()) {
        say(format_args!(
            "made a local CA, good for localhost alone: {}",
            text::path(path)
        ));
    }
    Ok((authority, folder))
}

/// Says that a certificate has had its time; a client that pins its key does not mind.
pub(super) fn warn_if_expired(identity: &ReloadingIdentity) {
    let expires = identity.expires();
    if expires < SystemTime::now() {
        let day = expires.date();
        say(format_args!(
            "warning: the certificate expired on {day}: clients refuse it, unless they pin its key"
        ));
    }
}

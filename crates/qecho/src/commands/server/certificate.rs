//! The certificate that the server shows, and what becomes of it while it runs.

use std::{
    io::{self, Write},
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, anyhow};
use qecho_cert::{
    Authority, AutomaticLeaf, IdentityError, Look, Origin, ReloadingIdentity, ServerIdentity,
    folder,
};

use crate::{
    args::{Format, ServerArguments},
    ending::Failure,
    render,
};

/// How often the files of a certificate are looked at. Where and how they are kept
/// (links, network file systems, containers) makes no difference to a look.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What the server shows.
pub(super) struct Shown {
    pub(super) identity: Arc<dyn ServerIdentity>,
    /// The same, if it comes from files that may change.
    pub(super) files: Option<Arc<ReloadingIdentity>>,
}

/// Follows what becomes of a certificate's files.
pub(super) struct Follower {
    files: Arc<ReloadingIdentity>,
    format: Format,
    wake: SyncSender<()>,
    woken: Receiver<()>,
}

impl Follower {
    pub(super) fn new(files: Arc<ReloadingIdentity>, format: Format) -> Self {
        // One order to read the files again is as good as many.
        let (wake, woken) = sync_channel(1);
        Self {
            files,
            format,
            wake,
            woken,
        }
    }

    /// Returns what has the files read again at once, and tells that it did.
    pub(super) fn reloader(&self) -> impl Fn() -> bool + Send + 'static {
        let wake = self.wake.clone();
        move || {
            // A full queue means that it is about to happen.
            let _ = wake.try_send(());
            true
        }
    }

    /// Follows the files on a thread of its own, for as long as the process lives.
    pub(super) fn start(self) -> anyhow::Result<()> {
        thread::Builder::new()
            .name("certificate".into())
            .spawn(move || self.follow())
            .context("cannot start a thread")?;
        Ok(())
    }

    fn follow(self) {
        // Kept, so that the queue never ends.
        let Self {
            files,
            format,
            wake: _wake,
            woken,
        } = self;
        loop {
            let outcome = match woken.recv_timeout(LOOK_INTERVAL) {
                Ok(()) => files.reload(),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => match files.look() {
                    Look::Unchanged | Look::Changing => continue,
                    Look::Reloaded => Ok(()),
                    Look::Kept(error) => Err(error),
                },
            };
            // With stdout gone there is nobody to tell, but the work goes on.
            let _ = tell(&files, format, outcome);
        }
    }
}

fn tell(
    files: &ReloadingIdentity,
    format: Format,
    outcome: Result<(), IdentityError>,
) -> io::Result<()> {
    let reason = outcome.err().map(|error| {
        let error = anyhow::Error::new(error);
        format!("{error:#}")
    });
    if let Some(reason) = &reason {
        writeln!(
            io::stderr(),
            "qecho: cannot use the new certificate, and keeps the old one: {reason}"
        )?;
    }
    let reloaded = render::server::Reloaded {
        names: &files.names(),
        expires: files.expires(),
        pin: files.pin(),
        kept_for: reason.as_deref(),
    };
    let mut out = io::stdout().lock();
    match format {
        Format::Text => render::server::reloaded_text(&reloaded, &mut out)?,
        Format::Json => render::server::reloaded_json(&reloaded, &mut out)?,
    }
    out.flush()
}

/// Loads the certificate that was named, or makes one for localhost.
pub(super) fn load(arguments: &ServerArguments) -> Result<Shown, Failure> {
    if let (Some(certificate), Some(key)) = (&arguments.cert, &arguments.key) {
        let identity = ReloadingIdentity::load(certificate, key)
            .map_err(|error| anyhow::Error::new(error).context("cannot use this certificate"))?;
        let files = Arc::new(identity);
        return Ok(Shown {
            identity: files.clone(),
            files: Some(files),
        });
    }
    let hint = "name a writable folder by QECHO_HOME, or a certificate by --cert and --key";
    let folder = folder::data_folder(&folder::process_variable).ok_or_else(|| {
        Failure::from(anyhow!(
            "cannot find a folder for the local CA: HOME is not set"
        ))
        .hint(hint)
    })?;
    let identity = automatic_leaf(&folder).map_err(|error| Failure::from(error).hint(hint))?;
    Ok(Shown {
        identity,
        files: None,
    })
}

fn automatic_leaf(folder: &Path) -> anyhow::Result<Arc<dyn ServerIdentity>> {
    let owner = folder::owner(&folder::process_variable);
    let (authority, origin) =
        Authority::open_or_create(folder, owner.as_deref(), SystemTime::now())
            .context("cannot open the local CA")?;
    if let (Origin::Created, Some(path)) = (origin, authority.certificate_path()) {
        // With stderr gone there is nobody to tell.
        let _ = writeln!(
            io::stderr(),
            "made a local CA, good for localhost alone: {}",
            path.display()
        );
    }
    let clock = Arc::new(SystemTime::now);
    let leaf = AutomaticLeaf::open_or_create(Arc::new(authority), folder, clock)
        .context("cannot make a certificate for localhost")?;
    Ok(Arc::new(leaf))
}

//! Follows the files that the server was given, for as long as it runs: its
//! certificate's, and those of the CAs of its clients.

use std::{
    error::Error,
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use qecho_cert::{ClientVerifier, PollResult, ReloadingIdentity, ServerIdentity};
use qecho_monitor::{Monitor, Reload, service_manager};

use super::{
    super::{show, spawn},
    certificate::warn_if_expired,
};
use crate::{args::Format, render::server::reloaded, stderr::say_failure};

/// Time from one look at the files to the next. The way in which they are kept (links, network file
/// systems, containers) makes no difference to a look.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Certificates from files that may change.
#[derive(Clone, Default)]
pub(super) struct WatchedFiles {
    pub(super) identity: Option<Arc<ReloadingIdentity>>,
    pub(super) clients: Option<Arc<ClientVerifier>>,
}

/// Follows what becomes of the files.
pub(super) struct FileWatcher {
    files: WatchedFiles,
    format: Format,
    monitor: Monitor,
    wake: SyncSender<()>,
    woken: Receiver<()>,
}

impl FileWatcher {
    /// Returns `None` where there is nothing to follow.
    pub(super) fn new(files: WatchedFiles, format: Format, monitor: Monitor) -> Option<Self> {
        if files.identity.is_none() && files.clients.is_none() {
            return None;
        }
        // One order to read the files again is as good as many.
        let (wake, woken) = sync_channel(1);
        Some(Self {
            files,
            format,
            monitor,
            wake,
            woken,
        })
    }

    /// Returns what has the files read again at once.
    pub(super) fn reloader(&self) -> impl Fn() + Send + 'static {
        let wake = self.wake.clone();
        move || {
            // A full queue means that it is about to happen.
            let _ = wake.try_send(());
        }
    }

    /// Follows the files on a thread of its own, for as long as the process lives.
    pub(super) fn start(self) -> anyhow::Result<()> {
        spawn("reload", move || self.watch())
    }

    fn watch(self) {
        // Kept, so that the queue never ends.
        let Self {
            files,
            format,
            monitor,
            wake: _wake,
            woken,
        } = self;
        loop {
            let asked = match woken.recv_timeout(LOOK_INTERVAL) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // Once it was told that the server ends, a manager takes it as that.
            let told = asked && monitor.is_ready();
            if told {
                service_manager::reloading();
            }
            let identity = files.identity.as_deref().and_then(|identity| {
                let outcome = match asked {
                    true => identity.reload(),
                    false => news(identity.poll())?,
                };
                monitor.note_reload(Reload::Certificate, outcome.is_ok());
                Some((identity, outcome))
            });
            let clients = files.clients.as_deref().and_then(|clients| {
                let outcome = match asked {
                    true => clients.reload(),
                    false => news(clients.poll())?,
                };
                monitor.note_reload(Reload::ClientCa, outcome.is_ok());
                Some((clients, outcome))
            });
            // Whoever reads the output may take his time.
            if told && monitor.is_ready() {
                service_manager::ready();
            }
            // With stdout gone there is nobody to tell, but the work goes on.
            if let Some((identity, outcome)) = identity {
                let _ = tell_identity(identity, format, outcome);
            }
            if let Some((clients, outcome)) = clients {
                let _ = tell_clients(clients, format, outcome);
            }
        }
    }
}

/// Returns what there is to tell after a look.
fn news<E>(look: PollResult<E>) -> Option<Result<(), E>> {
    match look {
        PollResult::Unchanged | PollResult::Changing => None,
        PollResult::Reloaded => Some(Ok(())),
        PollResult::Failed(error) => Some(Err(error)),
    }
}

fn tell_identity(
    identity: &ReloadingIdentity,
    format: Format,
    outcome: Result<(), impl Error + Send + Sync + 'static>,
) -> io::Result<()> {
    let reason = complain("certificate, and keeps the old one", outcome);
    warn_if_expired(identity);
    let news = reloaded::Identity {
        names: &identity.names(),
        expires: identity.expires(),
        pin: identity.pin(),
        kept_for: reason.as_deref(),
    };
    show(&news, format)
}

fn tell_clients(
    clients: &ClientVerifier,
    format: Format,
    outcome: Result<(), impl Error + Send + Sync + 'static>,
) -> io::Result<()> {
    let reason = complain("CAs of clients, and keeps the old ones", outcome);
    let news = reloaded::Clients {
        authorities: clients.paths(),
        kept_for: reason.as_deref(),
    };
    show(&news, format)
}

/// Says on stderr what cannot be used, and returns why.
fn complain(what: &str, outcome: Result<(), impl Error + Send + Sync + 'static>) -> Option<String> {
    let reason = format!("{:#}", anyhow::Error::new(outcome.err()?));
    say_failure(format_args!("cannot use the new {what}: {reason}"), None);
    Some(reason)
}

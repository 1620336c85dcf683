//! A running server as it is known to others, and the answers of its shards.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use qecho_echo::server::Echo;
use qecho_io::Server;

use crate::rounds::{Answers, Rounds};

/// Time within which every shard of a healthy server answers: they do in microseconds, and a
/// machine that has much else to do lets a thread wait for some hundredths of a second.
pub const SHARD_PATIENCE: Duration = Duration::from_secs(2);

/// Limits that the server's operator has set, to put beside what there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Bytes of memory, if they are limited.
    pub memory: Option<u64>,
}

/// Files that a server reads again while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Its certificate and key.
    Certificate,
    /// The CAs of its clients.
    ClientCa,
}

impl Reload {
    pub(crate) const ALL: [Self; 2] = [Self::Certificate, Self::ClientCa];
}

/// Watches a server, from any thread. A clone watches the same.
#[derive(Clone, Debug)]
pub struct Monitor(Arc<Watched>);

struct Watched {
    rounds: Rounds,
    limits: Limits,
    expires: Box<dyn Fn() -> i64 + Send + Sync>,
    is_draining: AtomicBool,
    /// By the kind of file, those that were taken, and those that were not.
    reloads: [[AtomicU64; 2]; Reload::ALL.len()],
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("limits", &self.limits)
            .field("is_draining", &self.is_draining)
            .field("reloads", &self.reloads)
            .finish_non_exhaustive()
    }
}

impl Monitor {
    /// Watches a server that has just been started; `expires` tells when the certificate in use
    /// expires, in seconds since 1970.
    pub fn new(
        server: &Server<Echo>,
        limits: Limits,
        expires: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Watched {
            rounds: Rounds::new(server.inspector()),
            limits,
            expires: Box::new(expires),
            is_draining: AtomicBool::new(false),
            reloads: Default::default(),
        }))
    }

    /// Notes that the server lets nobody in any more.
    pub fn note_draining(&self) {
        self.0.is_draining.store(true, Relaxed);
    }

    /// Notes that files were read again, and whether they are used.
    pub fn note_reload(&self, files: Reload, is_used: bool) {
        self.0.reloads[files as usize][usize::from(!is_used)].fetch_add(1, Relaxed);
    }

    /// Tells whether the server takes connections.
    pub fn is_ready(&self) -> bool {
        !self.0.is_draining.load(Relaxed)
    }

    /// Asks every shard whether it lives.
    ///
    /// # Errors
    /// The indices of the shards that did not answer within [`SHARD_PATIENCE`].
    pub fn health(&self) -> Result<(), Vec<usize>> {
        health(&self.shards())
    }

    /// Returns what each shard has counted, `None` for one that does not answer.
    pub(crate) fn shards(&self) -> Answers {
        self.0.rounds.ask()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.0.limits
    }

    pub(crate) fn certificate_expires(&self) -> i64 {
        (self.0.expires)()
    }

    /// Returns how often files of a kind were used, and how often not.
    pub(crate) fn reloads(&self, files: Reload) -> [u64; 2] {
        let counts = &self.0.reloads[files as usize];
        std::array::from_fn(|place| counts[place].load(Relaxed))
    }
}

/// Tells whether every shard has answered.
///
/// # Errors
/// The indices of those that have not.
pub(crate) fn health(shards: &Answers) -> Result<(), Vec<usize>> {
    let silent = shards.iter().enumerate();
    let silent = silent.filter_map(|(index, answer)| answer.is_none().then_some(index));
    let silent: Vec<_> = silent.collect();
    match silent.is_empty() {
        true => Ok(()),
        false => Err(silent),
    }
}

/// Says for people which shards have not answered.
pub(crate) fn no_answer(silent: &[usize]) -> String {
    let silent: Vec<_> = silent.iter().map(usize::to_string).collect();
    format!("no answer from shard {}", silent.join(", "))
}

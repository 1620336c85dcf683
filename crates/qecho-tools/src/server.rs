//! The echo server.

mod config;
mod echo;
mod notices;
mod report;
mod unsent;

use std::{
    io,
    net::SocketAddr,
    sync::mpsc::SyncSender,
    thread::{self, JoinHandle},
    time::Duration,
};

use qecho_engine::{
    BindError, Mailbox, Shard, TlsError,
    config::{Accepting, ShardConfig},
    event_loop::{self, EventLoop},
};

use crate::listen;

pub use crate::listen::Listen;

pub use self::{
    config::{Config, End},
    echo::{CODE_MESSAGE_ENDED, CODE_NO_UNIDIRECTIONAL_STREAMS, Echo, EchoConnection, Mail},
    notices::{EVENTS_PER_SECOND_MAX, LINES_PER_SECOND_MAX, NOTICES_MAX, Notice, NoticeKind},
    report::Report,
};

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// An address could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The TLS settings cannot work.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gave no thread or file descriptor.
    #[error("cannot start the server's thread")]
    Start(#[source] io::Error),
}

/// A running echo server.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    mailbox: Mailbox<Mail>,
    thread: JoinHandle<io::Result<Echo>>,
}

impl Server {
    /// Binds the addresses and starts serving on a thread of its own.
    ///
    /// What happens is told to `notices`, if there is somebody to read it.
    ///
    /// # Errors
    /// [`ServerError`] if it cannot; nothing keeps running then.
    pub fn start(
        config: &Config,
        notices: Option<SyncSender<Notice>>,
    ) -> Result<Self, ServerError> {
        let sockets = listen::bind(&config.listen)?;
        let addresses: Vec<_> = sockets.iter().map(qecho_engine::Socket::address).collect();
        let accepting = Accepting {
            tls: config.tls.clone(),
            admission: config.admission.clone(),
        };
        let shard_config = ShardConfig {
            secrets: config.secrets.clone(),
            watched: config.sight.is_watched(),
            ..ShardConfig::server(config.transport.clone(), accepting)
        };
        let shard = Shard::new(&shard_config, &addresses, Echo::new(config.end, notices))?;
        let (mailbox, inbox) = event_loop::mailbox().map_err(ServerError::Start)?;
        let event_loop = EventLoop::new(shard, sockets, inbox).tapped(config.sight.taps());
        let thread = thread::Builder::new()
            .name("shard 0".into())
            .spawn(|| event_loop.run())
            .map_err(ServerError::Start)?;
        Ok(Self {
            addresses,
            mailbox,
            thread,
        })
    }

    /// Returns the addresses that are really listened on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns what ends the server from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.mailbox.clone())
    }

    /// Waits until the server has ended.
    ///
    /// # Errors
    /// The system's, if waiting for packets failed.
    pub fn wait(self) -> io::Result<Report> {
        match self.thread.join() {
            Ok(echo) => Ok(echo?.into_report()),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Ends a server.
#[derive(Clone, Debug)]
pub struct Stopper(Mailbox<Mail>);

impl Stopper {
    /// Lets nobody in any more and live streams finish for at most `grace`;
    /// then peers are told `server shutting down`.
    pub fn drain(&self, grace: Duration) {
        // A server that has ended needs no telling.
        let _ = self.0.send(Mail::Drain(grace));
    }
}

//! The echo server.

mod allowance;
mod config;
mod echo;
mod notices;
mod report;
mod unsent;

use std::{
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::mpsc::SyncSender,
    thread::{self, JoinHandle},
    time::Duration,
};

use qecho_engine::{ServerShared, Shard, Steering, TlsError, config::ShardConfig};
use qecho_io::{
    BindError, Mailbox, ShardSockets, Socket, divide,
    event_loop::{self, EventLoop, Inbox, ShardHandle, SpinPermits},
    listen,
};

use self::notices::Notices;

pub use qecho_io::listen::Listen;

pub use self::{
    config::{Config, End},
    echo::{CODE_MESSAGE_ENDED, CODE_NO_UNIDIRECTIONAL_STREAMS, Command, Echo, EchoConnection},
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
    mailboxes: Vec<Mailbox<Command>>,
    threads: Vec<JoinHandle<io::Result<Echo>>>,
    unsteered: Option<io::Error>,
}

/// A shard with all that it takes to run it.
type Prepared = EventLoop<Echo>;

impl Server {
    /// Binds the addresses and starts serving, each shard on a thread of its
    /// own.
    ///
    /// What happens is told to `notices`, if there is somebody to read it.
    ///
    /// # Errors
    /// [`ServerError`] if it cannot; nothing keeps running then.
    pub fn start(
        config: &Config,
        notices: Option<SyncSender<Notice>>,
    ) -> Result<Self, ServerError> {
        Self::start_on(config, listen::bind(&config.listen)?, notices)
    }

    /// As [`start`](Self::start), on sockets that are bound already.
    ///
    /// # Errors
    /// [`ServerError`] if it cannot; nothing keeps running then.
    pub fn start_on(
        config: &Config,
        sockets: Vec<Socket>,
        notices: Option<SyncSender<Notice>>,
    ) -> Result<Self, ServerError> {
        let addresses: Vec<_> = sockets.iter().map(Socket::address).collect();
        let steering = Steering::new(&config.secrets, config.shards);
        let ShardSockets { shards, unsteered } = divide(sockets, &steering);
        let count = NonZeroUsize::new(shards.len()).unwrap_or(NonZeroUsize::MIN);
        let mut mailboxes = Vec::with_capacity(count.get());
        let mut inboxes = Vec::with_capacity(count.get());
        for _ in &shards {
            let (mailbox, inbox) = event_loop::mailbox().map_err(ServerError::Start)?;
            mailboxes.push(mailbox);
            inboxes.push(inbox);
        }
        let members = event_loop::shard_group(mailboxes.iter().map(Mailbox::waker).collect());
        let notices = Notices::new(notices);
        let seats = SpinPermits::of_this_machine();
        let parts = ServerShared::split(count)
            .into_iter()
            .zip(members)
            .zip(inboxes);
        let prepared = shards.into_iter().zip(parts);
        let prepared = prepared.map(|(sockets, ((server_shared, member), inbox))| {
            let echo = Echo::of_shard(config.end, notices.for_another_shard());
            prepare(
                config,
                sockets,
                server_shared,
                member,
                inbox,
                echo,
                seats.clone(),
            )
        });
        let prepared: Vec<Prepared> = prepared.collect::<Result<_, _>>()?;
        let mut threads = Vec::with_capacity(count.get());
        for (index, event_loop) in prepared.into_iter().enumerate() {
            // Those that run already end when the rest is dropped: one of their
            // group has failed.
            let thread = thread::Builder::new()
                .name(format!("shard {index}"))
                .spawn(|| event_loop.run())
                .map_err(ServerError::Start)?;
            threads.push(thread);
        }
        Ok(Self {
            addresses,
            mailboxes,
            threads,
            unsteered,
        })
    }

    /// Returns the addresses that are really listened on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns how many shards there are.
    pub fn shards(&self) -> usize {
        self.threads.len()
    }

    /// Tells why there is one shard alone, if more were asked for.
    pub fn unsteered(&self) -> Option<&io::Error> {
        self.unsteered.as_ref()
    }

    /// Returns what ends the server from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.mailboxes.clone())
    }

    /// Waits until the server has ended; returns what all shards have done.
    ///
    /// # Errors
    /// The system's, if waiting for packets failed.
    pub fn wait(self) -> io::Result<Report> {
        let mut total = Report::default();
        for report in self.wait_for_each()? {
            total += report;
        }
        Ok(total)
    }

    /// Waits until the server has ended; returns what each shard has done.
    ///
    /// # Errors
    /// The system's, if waiting for packets failed.
    pub fn wait_for_each(self) -> io::Result<Vec<Report>> {
        // Every thread is waited for, also when one has failed.
        let ended: Vec<_> = self.threads.into_iter().map(JoinHandle::join).collect();
        let echoes = ended.into_iter().map(|echo| match echo {
            Ok(echo) => Ok(echo?.into_report()),
            Err(panic) => std::panic::resume_unwind(panic),
        });
        echoes.collect()
    }
}

fn prepare(
    config: &Config,
    sockets: Vec<Socket>,
    server_shared: ServerShared,
    member: ShardHandle,
    inbox: Inbox<Command>,
    echo: Echo,
    seats: SpinPermits,
) -> Result<Prepared, TlsError> {
    let addresses: Vec<_> = sockets.iter().map(Socket::address).collect();
    let shard_config = ShardConfig::server(config.transport.clone(), config.tls.clone())
        .with_admission(config.admission.clone())
        .with_secrets(config.secrets.clone())
        .with_server_shared(server_shared)
        .with_packet_tracing(config.observers.is_watched());
    let shard = Shard::new(&shard_config, &addresses, echo)?;
    let event_loop = EventLoop::new(shard, sockets, inbox)
        .with_group(member)
        .spinning(config.spin, seats);
    Ok(event_loop.observed_by(config.observers.datagram_observers()))
}

/// Ends a server.
#[derive(Clone, Debug)]
pub struct Stopper(Vec<Mailbox<Command>>);

impl Stopper {
    /// Lets nobody in any more and live streams finish for at most `grace`;
    /// then peers are told `server shutting down`.
    pub fn drain(&self, grace: Duration) {
        for mailbox in &self.0 {
            // A server that has ended needs no telling.
            let _ = mailbox.send(Command::Drain(grace));
        }
    }
}

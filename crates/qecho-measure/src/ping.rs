//! Pings: measures how long an answer takes, again and again, and how many fail
//! to come.

mod application;
mod config;
mod context;
mod datagram;
mod early;
mod events;
mod frames;
mod handshakes;
mod host;
mod observer;
mod payload;
mod probes;
mod report;
mod stream;
mod versions;
mod workload;

use std::{
    io,
    net::SocketAddr,
    thread::{self, JoinHandle},
};

use qecho_engine::{Shard, TlsError, config::ShardConfig};
use qecho_io::{
    BindError, Mailbox, Socket,
    event_loop::{self, EventLoop, ForwardingLoop, Inbox},
};

use qecho_echo::dial;

pub use self::{
    application::PingApplication,
    config::{
        Config, Destination, HOSTS_MAX, INTERVAL, Mode, SIZE, SIZE_MAX, SIZE_MIN, TIMEOUT,
        UNANSWERED_MAX,
    },
    events::{Command, EventSink, PingEvent},
    observer::PingObserver,
    report::{
        Connected, Counts, EarlyEcho, Ecn, Failure, HandshakeTimes, Lost, Measure, Reply,
        ReplyKind, Report, Transport,
    },
    versions::VersionPing,
};
pub use crate::latency::{LatencyRecorder, LatencySummary};

/// Error that keeps a ping from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PingError {
    /// No local address could be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The TLS settings cannot work.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gave no thread or file descriptor.
    #[error("cannot start the ping's thread")]
    Start(#[source] io::Error),
}

/// A running ping.
#[derive(Debug)]
pub struct Ping {
    mailbox: Mailbox<Command>,
    thread: JoinHandle<io::Result<()>>,
}

/// Handle that ends a ping.
#[derive(Clone, Debug)]
pub struct Stopper(Mailbox<Command>);

impl Ping {
    /// Starts to ping every host, on a thread of its own.
    ///
    /// `sink` is called with each host's index and its events, the last of which
    /// is [`PingEvent::Ended`].
    ///
    /// # Errors
    /// [`PingError`] if it cannot; that nobody answers is an event.
    pub fn start(config: &Config, sink: EventSink) -> Result<Self, PingError> {
        let hosts = config.hosts.iter();
        let targets: Vec<_> = hosts
            .flat_map(|host| host.target.addresses.iter().copied())
            .collect();
        let sockets = dial::bind(&targets)?;
        let (mailbox, inbox) = event_loop::mailbox().map_err(PingError::Start)?;
        let work = match config.mode {
            Mode::VersionNegotiation => ask_for_versions(config, sockets, inbox, sink),
            _ => connect(config, sockets, inbox, &mailbox, sink)?,
        };
        let thread = thread::Builder::new()
            .name("ping".into())
            .spawn(work)
            .map_err(PingError::Start)?;
        Ok(Self { mailbox, thread })
    }

    /// Returns a handle that ends the ping from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.mailbox.clone())
    }

    /// Waits until the hosts have answered the close, or have had their time.
    ///
    /// # Errors
    /// The system's, if waiting for packets failed.
    pub fn wait(self) -> io::Result<()> {
        match self.thread.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Stopper {
    /// Ends the ping; each host reports what came so far.
    pub fn stop(&self) {
        // A ping that has ended needs no command.
        let _ = self.0.send(Command::Stop);
    }
}

type Work = Box<dyn FnOnce() -> io::Result<()> + Send>;

fn connect(
    config: &Config,
    sockets: Vec<Socket>,
    inbox: Inbox<Command>,
    mailbox: &Mailbox<Command>,
    sink: EventSink,
) -> Result<Work, PingError> {
    let application = PingApplication::new(config, sink)?;
    let observer = application.observer().waking(mailbox.waker());
    let shard_config = ShardConfig {
        watched: config.observers.is_watched() || config.mode.observes_packets(),
        ..ShardConfig::client(config.transport.clone())
    };
    let shard = Shard::new(&shard_config, &addresses(&sockets), application)?;
    let mut datagram_observers = config.observers.datagram_observers();
    datagram_observers.push(Box::new(observer));
    let event_loop = EventLoop::new(shard, sockets, inbox).observed_by(datagram_observers);
    Ok(Box::new(|| event_loop.run().map(|_| ())))
}

fn ask_for_versions(
    config: &Config,
    sockets: Vec<Socket>,
    inbox: Inbox<Command>,
    sink: EventSink,
) -> Work {
    let nonce = rand::random();
    let ping = VersionPing::new(config, &addresses(&sockets), nonce, sink);
    let forwarding = ForwardingLoop::new(ping, sockets, inbox);
    Box::new(|| forwarding.run().map(|_| ()))
}

fn addresses(sockets: &[Socket]) -> Vec<SocketAddr> {
    sockets.iter().map(Socket::address).collect()
}

//! Pings: how long an answer takes, again and again, and how many fail to
//! come.

mod application;
mod config;
mod datagram;
mod early;
mod host;
mod onlooker;
mod payload;
mod probes;
mod report;
mod stream;
mod times;
mod versions;
mod work;

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
    application::{Command, Listener, PingApplication},
    config::{
        Config, Destination, HOSTS_MAX, INTERVAL, Mode, SIZE, SIZE_MAX, SIZE_MIN, TIMEOUT,
        UNANSWERED_MAX,
    },
    onlooker::PingObserver,
    report::{
        Connected, Content, Counts, Early, Ecn, Failure, HostEvent, Lost, Measure, Phases,
        PingEvent, Reply, Report, Transport,
    },
    times::{Summary, Times},
    versions::VersionPing,
};

/// Why a ping could not be started.
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

/// Ends a ping.
#[derive(Clone, Debug)]
pub struct Stopper(Mailbox<Command>);

impl Ping {
    /// Starts to ping every host, on a thread of its own.
    ///
    /// The last that `listener` hears is [`PingEvent::Finished`].
    ///
    /// # Errors
    /// [`PingError`] if it cannot; that nobody answers is an event.
    pub fn start(config: &Config, listener: Listener) -> Result<Self, PingError> {
        let hosts = config.hosts.iter();
        let targets: Vec<_> = hosts
            .flat_map(|host| host.target.addresses.iter().copied())
            .collect();
        let sockets = dial::bind(&targets)?;
        let (mailbox, inbox) = event_loop::mailbox().map_err(PingError::Start)?;
        let work = match config.over {
            Mode::VersionNegotiation => ask_for_versions(config, sockets, inbox, listener),
            _ => connect(config, sockets, inbox, &mailbox, listener)?,
        };
        let thread = thread::Builder::new()
            .name("ping".into())
            .spawn(work)
            .map_err(PingError::Start)?;
        Ok(Self { mailbox, thread })
    }

    /// Returns what ends the ping from another thread.
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
    /// Ends the ping; each host says what came so far.
    pub fn stop(&self) {
        // A ping that has ended needs no telling.
        let _ = self.0.send(Command::Stop);
    }
}

type Work = Box<dyn FnOnce() -> io::Result<()> + Send>;

fn connect(
    config: &Config,
    sockets: Vec<Socket>,
    inbox: Inbox<Command>,
    mailbox: &Mailbox<Command>,
    listener: Listener,
) -> Result<Work, PingError> {
    let application = PingApplication::new(config, listener)?;
    let onlooker = application.onlooker().waking(mailbox.waker());
    let traces = config.observers.is_watched() || config.over.looks_into_packets();
    let shard_config = ShardConfig::client(config.transport.clone()).with_packet_tracing(traces);
    let shard = Shard::new(&shard_config, &addresses(&sockets), application)?;
    let mut datagram_observers = config.observers.datagram_observers();
    datagram_observers.push(Box::new(onlooker));
    let event_loop = EventLoop::new(shard, sockets, inbox).observed_by(datagram_observers);
    Ok(Box::new(|| event_loop.run().map(|_| ())))
}

fn ask_for_versions(
    config: &Config,
    sockets: Vec<Socket>,
    inbox: Inbox<Command>,
    listener: Listener,
) -> Work {
    let nonce = rand::random();
    let ping = VersionPing::new(config, &addresses(&sockets), nonce, listener);
    let forwarding = ForwardingLoop::new(ping, sockets, inbox);
    Box::new(|| forwarding.run().map(|_| ()))
}

fn addresses(sockets: &[Socket]) -> Vec<SocketAddr> {
    sockets.iter().map(Socket::address).collect()
}

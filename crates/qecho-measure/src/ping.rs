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

use std::{io, net::SocketAddr};

use qecho_engine::config::ShardConfig;
use qecho_io::{EventLoop, ForwardingLoop, Mailbox, Runner, Socket, StartError};

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

/// A running ping.
#[derive(Debug)]
pub struct Ping(Runner<(), Command>);

const THREAD: &str = "the ping's thread";

/// Ends a ping.
#[derive(Clone, Debug)]
pub struct Stopper(Mailbox<Command>);

impl Ping {
    /// Starts to ping every host, on a thread of its own.
    ///
    /// The last that `listener` hears is [`PingEvent::Finished`].
    ///
    /// # Errors
    /// [`StartError`] if it cannot; that nobody answers is an event.
    pub fn start(config: &Config, listener: Listener) -> Result<Self, StartError> {
        let hosts = config.hosts.iter();
        let targets: Vec<_> = hosts
            .flat_map(|host| host.target.addresses.iter().copied())
            .collect();
        let sockets = dial::bind(&targets)?;
        Ok(Self(match config.over {
            Mode::VersionNegotiation => {
                let nonce = rand::random();
                let ping = VersionPing::new(config, &addresses(&sockets), nonce, listener);
                let forwarding = ForwardingLoop::new(THREAD, ping, sockets)?;
                forwarding.start("ping", |forwarding| forwarding.run().map(drop))?
            }
            _ => {
                let event_loop = connect(config, sockets, listener)?;
                event_loop.start("ping", |event_loop| event_loop.run().map(drop))?
            }
        }))
    }

    /// Returns what ends the ping from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.0.mailbox().clone())
    }

    /// Waits until the hosts have answered the close, or have had their time.
    ///
    /// # Errors
    /// The system's, if waiting for packets failed.
    pub fn wait(self) -> io::Result<()> {
        self.0.join()
    }
}

impl Stopper {
    /// Ends the ping; each host says what came so far.
    pub fn stop(&self) {
        // A ping that has ended needs no telling.
        let _ = self.0.send(Command::Stop);
    }
}

fn connect(
    config: &Config,
    sockets: Vec<Socket>,
    listener: Listener,
) -> Result<EventLoop<PingApplication>, StartError> {
    let application = PingApplication::new(config, listener)?;
    let onlooker = application.onlooker();
    let traces = config.observers.is_watched() || config.over.looks_into_packets();
    let shard_config = ShardConfig::client(config.transport.clone()).with_packet_tracing(traces);
    let event_loop = EventLoop::new(THREAD, &shard_config, sockets, application)?;
    let onlooker = onlooker.waking(event_loop.mailbox().waker());
    let mut datagram_observers = config.observers.datagram_observers();
    datagram_observers.push(Box::new(onlooker));
    Ok(event_loop.observed_by(datagram_observers))
}

fn addresses(sockets: &[Socket]) -> Vec<SocketAddr> {
    sockets.iter().map(Socket::address).collect()
}

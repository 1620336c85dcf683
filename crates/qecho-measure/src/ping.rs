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
mod pause;
mod payload;
mod probes;
mod report;
mod stream;
mod versions;
mod workload;

use std::io;

use qecho_engine::config::ShardConfig;
use qecho_io::{EventLoop, ForwardingLoop, Runner, Socket, StartError};

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

/// A running ping.
#[derive(Debug)]
pub struct Ping(Runner<(), Command>);

const THREAD: &str = "the ping's thread";

impl Ping {
    /// Starts to ping every host, on a thread of its own.
    ///
    /// `sink` is called with each host's index and its events, the last of which
    /// is [`PingEvent::Ended`].
    ///
    /// # Errors
    /// [`StartError`] if it cannot; that nobody answers is an event.
    pub fn start(config: &Config, sink: EventSink) -> Result<Self, StartError> {
        let hosts = config.hosts.iter();
        let targets: Vec<_> = hosts
            .flat_map(|host| host.target.addresses.iter().copied())
            .collect();
        let sockets = dial::bind(&targets)?;
        Ok(Self(match config.mode {
            Mode::VersionNegotiation => {
                let nonce = rand::random();
                let own: Vec<_> = sockets.iter().map(Socket::address).collect();
                let ping = VersionPing::new(config, &own, nonce, sink);
                let forwarding = ForwardingLoop::new(THREAD, ping, sockets)?.with_receive_times();
                forwarding.start("ping", |forwarding| forwarding.run().map(drop))?
            }
            _ => {
                let event_loop = connect(config, sockets, sink)?;
                event_loop.start("ping", |event_loop| event_loop.run().map(drop))?
            }
        }))
    }

    /// Ends the ping; each host reports what came so far.
    pub fn stop(&self) {
        // A ping that has ended needs no command.
        let _ = self.0.mailbox().send(Command::Stop);
    }

    /// Waits until the hosts have answered the close, or have had their time.
    ///
    /// # Errors
    /// The system's, if waiting for packets failed.
    pub fn wait(self) -> io::Result<()> {
        self.0.join()
    }
}

fn connect(
    config: &Config,
    sockets: Vec<Socket>,
    sink: EventSink,
) -> Result<EventLoop<PingApplication>, StartError> {
    let application = PingApplication::new(config, sink)?;
    let observer = application.observer();
    let traces = config.observers.is_traced() || config.mode.observes_packets();
    let shard_config = ShardConfig::client(config.transport.clone()).with_packet_tracing(traces);
    let event_loop = EventLoop::new(THREAD, &shard_config, sockets, application)?;
    let observer = observer.waking(event_loop.mailbox().waker());
    let mut datagram_observers = config.observers.datagram_observers();
    datagram_observers.push(Box::new(observer));
    Ok(event_loop
        .with_receive_times()
        .observed_by(datagram_observers))
}

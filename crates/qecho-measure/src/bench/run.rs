//! One load on real sockets: a generator on each of its threads, and this
//! thread joins what they measure.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::mpsc::{Receiver, Sender, channel},
};

use qecho_echo::dial;
use qecho_engine::{Application, Connector, ServerShared, config::ShardConfig};
use qecho_io::{EventLoop, ReceiveErrors, Runner, Socket, StartError};

use super::{
    THREAD,
    collector::{self, Collector},
    config::{Config, Mode, Sessions},
    error::BenchError,
    events::{Command, EventSink, GeneratorEvent},
    generator::{Generator, ShardPlan},
    outcome::Outcome,
    probe::{Probe, Reached},
    processor::{self, Usage},
    progress::Progress,
    report::{Measurements, Report, Server},
    stopper::Stopper,
};

/// One load, from the first connection to the last.
pub(super) struct Run<'a> {
    pub(super) config: &'a Config,
    pub(super) stopper: &'a Stopper,
    /// State by which the connections of all shards have different numbers.
    pub(super) server_shared: &'a ServerShared,
}

impl Run<'_> {
    /// Makes the load and waits until it is over.
    pub(super) fn run(&self, tell: &mut dyn FnMut(Progress)) -> Result<Report, BenchError> {
        self.stopper.clear();
        let first = self.usage()?;
        let (reached, connector) = self.probe()?;
        if self.config.workload.mode == Mode::Datagram && !reached.takes_datagrams {
            return Err(BenchError::NoDatagrams);
        }
        tell(Progress::Reached(Box::new(reached.clone())));
        let duration = self.config.goal.duration();
        let interval = collector::interval(duration);
        let (told, hear) = channel();
        let mut sockets = 0;
        let mut workers = Vec::new();
        for number in 0..self.config.shards {
            let connections = self.config.connections_of(number).iter().sum();
            let plan = ShardPlan {
                remote: reached.address,
                connector: match self.config.sessions {
                    Sessions::New => connector.without_resumption(),
                    Sessions::Resumed => connector.clone(),
                    Sessions::EarlyData => connector.with_early_data(),
                },
                sockets: self.config.sockets.count(connections),
                number,
                interval,
            };
            sockets += plan.sockets;
            workers.push(self.start(plan, told.clone())?);
        }
        drop(told);
        let mut collector = Collector::new(interval, duration, self.config.shards);
        let usages = self.receive_events(&hear, &mut collector, tell);
        let mut outcomes = Vec::new();
        for worker in workers {
            outcomes.push(worker.join().map_err(BenchError::Wait)?);
        }
        Ok(Report::new(Measurements {
            config: self.config,
            server: server(self.config, &reached),
            probes: 1,
            sockets,
            outcomes: &outcomes,
            collector,
            usages: first.zip(usages),
        }))
    }

    /// Finds where the server answers, on this thread.
    fn probe(&self) -> Result<(Reached, Connector), BenchError> {
        let config = self.config;
        let offers = config
            .alpn
            .offers(&config.verifier, None, config.key_log.as_ref())?;
        let sockets = dial::bind(&config.target.addresses)?;
        let event_loop = self.event_loop(sockets, Probe::new(config, offers))?;
        self.stopper.add(event_loop.mailbox());
        let probe = event_loop.run().map_err(BenchError::Wait)?;
        Ok(probe.into_outcome().ok_or(BenchError::Stopped)??)
    }

    fn event_loop<A: Application>(
        &self,
        sockets: Vec<Socket>,
        application: A,
    ) -> Result<EventLoop<A>, StartError> {
        let observers = &self.config.observers;
        let shard_config = ShardConfig::client(self.config.transport.clone())
            .with_server_shared(self.server_shared.clone())
            .with_packet_tracing(observers.is_traced());
        let event_loop = EventLoop::new(THREAD, &shard_config, sockets, application)?;
        Ok(event_loop.observed_by(observers.datagram_observers()))
    }

    /// Starts one part of the load on a thread of its own.
    fn start(
        &self,
        plan: ShardPlan,
        told: Sender<(usize, GeneratorEvent)>,
    ) -> Result<Runner<Outcome, Command>, StartError> {
        let number = plan.number;
        let any = unspecified(plan.remote);
        let sockets = (0..plan.sockets).map(|_| Socket::bind(any, ReceiveErrors::Yes));
        let sockets = sockets.collect::<Result<Vec<_>, _>>()?;
        let sink: EventSink = Box::new(move |event| {
            // A receiver that is gone needs no event.
            let _ = told.send((number, event));
        });
        let generator = Generator::new(self.config, plan, sink, processor::of_this_thread);
        let mut event_loop = self.event_loop(sockets, generator)?;
        if self.config.workload.mode.is_connecting() {
            // Each handshake has its own time, and there are few datagrams of each.
            event_loop = event_loop.with_receive_times();
        }
        self.stopper.add(event_loop.mailbox());
        event_loop.start(format!("load {number}"), |event_loop| {
            processor::wake_precisely();
            event_loop.run().map(Generator::into_outcome)
        })
    }

    /// Handles the shards' events until all have ended; returns the usage of the
    /// server's process when the measuring began and when it ended.
    pub(super) fn receive_events(
        &self,
        told: &Receiver<(usize, GeneratorEvent)>,
        collector: &mut Collector,
        tell: &mut dyn FnMut(Progress),
    ) -> Option<[Usage; 2]> {
        let (mut ready, mut connections) = (0, 0);
        let (mut begun, mut ended) = (None, None);
        for (_, event) in told {
            match event {
                GeneratorEvent::Ready { live } => {
                    ready += 1;
                    connections += live;
                    if ready == self.config.shards {
                        tell(Progress::Ready { live: connections });
                        self.stopper.send(Command::Begin);
                    }
                }
                GeneratorEvent::Measuring if begun.is_none() => begun = self.usage().ok().flatten(),
                GeneratorEvent::Measured if ended.is_none() => ended = self.usage().ok().flatten(),
                GeneratorEvent::Interval(sample) => {
                    if let Some(row) = collector.add(sample) {
                        tell(Progress::Interval(row));
                    }
                }
                GeneratorEvent::Measuring | GeneratorEvent::Measured => {}
            }
        }
        begun.zip(ended).map(|(begun, ended)| [begun, ended])
    }

    pub(super) fn usage(&self) -> Result<Option<Usage>, BenchError> {
        let usage = |pid| {
            let usage = processor::of_process(pid);
            usage.map_err(|source| BenchError::Process { pid, source })
        };
        self.config.server_pid.map(usage).transpose()
    }
}

/// Returns a server with which nothing was negotiated.
pub(super) fn unnegotiated(config: &Config, address: SocketAddr) -> Server {
    Server {
        name: config.target.server_name.clone(),
        address: address.to_string(),
        alpn: None,
        cipher_suite: String::new(),
        key_exchange: None,
    }
}

/// Returns the server that QUIC has reached, as a report has it.
fn server(config: &Config, reached: &Reached) -> Server {
    let handshake = &reached.handshake;
    let alpn = handshake.alpn.as_deref();
    let suite = format!("{:?}", handshake.cipher_suite);
    Server {
        alpn: alpn.map(|name| String::from_utf8_lossy(name).into_owned()),
        cipher_suite: suite.replacen("TLS13_", "TLS_", 1),
        key_exchange: handshake.key_exchange.map(|group| format!("{group:?}")),
        ..unnegotiated(config, reached.address)
    }
}

/// Returns the address to bind in order to reach another.
pub(super) fn unspecified(remote: SocketAddr) -> SocketAddr {
    match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

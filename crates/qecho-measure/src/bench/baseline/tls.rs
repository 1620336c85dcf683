//! One thread's part of a load over TLS 1.3 on TCP.

mod connection;

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    os::fd::AsFd,
    sync::{Arc, Barrier},
    time::{Duration, Instant},
};

use qecho_engine::TlsError;
use rustix::event::{PollFd, PollFlags};
use rustls::{ClientConfig, pki_types::ServerName};

use self::connection::TlsConnection;
use crate::{
    bench::{
        accounting::{LoadAccounting, Phase},
        config::Config,
        error::BenchError,
        events::GeneratorEvent,
        failure::{ConnectionFailure, ErrorKind, StopReason},
        message::Message,
        outcome::Outcome,
        processor,
        report::Server,
        run::unnegotiated,
        run_clock::RunClock,
        stopper::Stopper,
    },
    tcp::{self, READ},
};

/// Time between two checks for what has waited too long, and for an end.
const TICK: Duration = Duration::from_millis(100);

/// Connections that may fail before the run ends, beside one for each slot.
const FAILURES_MAX: usize = 100;

/// Connections of one thread and the messages on them.
pub(super) struct TlsLoad<'a> {
    stopper: &'a Stopper,
    clock: RunClock,
    remote: SocketAddr,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    /// Whether each message has a connection of its own.
    is_connecting: bool,
    slots: Vec<Option<TlsConnection>>,
    /// Messages of an open loop that wait for a connection to begin.
    waiting: VecDeque<Message>,
    /// The slot that has the latest message of an open loop.
    turn: usize,
    /// The server, with what the first handshake has negotiated.
    server: Server,
    failures: usize,
    checked: Instant,
}

impl<'a> TlsLoad<'a> {
    pub(super) fn new(
        config: &Config,
        stopper: &'a Stopper,
        shard: usize,
        remote: SocketAddr,
        tls: Arc<ClientConfig>,
        interval: Duration,
    ) -> Result<Self, BenchError> {
        let config = Config {
            begin: None,
            ..config.clone()
        };
        let connections = config.share(shard, config.connections as u64);
        let name = config.target.server_name.clone();
        let name = ServerName::try_from(name)
            .map_err(|_| TlsError::from(rustls::Error::UnsupportedNameType))?;
        Ok(Self {
            stopper,
            clock: RunClock::new(&config, shard, interval, processor::of_this_thread),
            remote,
            name,
            tls,
            is_connecting: config.workload.mode.is_connecting(),
            slots: (0..connections).map(|_| None).collect(),
            waiting: VecDeque::new(),
            turn: 0,
            server: unnegotiated(&config, remote),
            failures: 0,
            checked: tcp::clock(),
        })
    }

    /// Connects, waits for the others, warms up, measures, and waits for what
    /// is under way.
    pub(super) fn run(
        mut self,
        barrier: &Barrier,
        tell: &dyn Fn(GeneratorEvent),
    ) -> io::Result<(Outcome, Server)> {
        let mut buffer = vec![0; READ];
        let connected = match self.is_connecting {
            true => Ok(()),
            false => self.connect(&mut buffer),
        };
        let live = self.slots.iter().flatten().count();
        tell(GeneratorEvent::Ready { live });
        // Others wait here, also for one that has failed.
        barrier.wait();
        connected?;
        self.clock.ready();
        self.clock.begin(tcp::clock());
        loop {
            self.send_due();
            self.check_timeouts();
            self.change_phase(tell);
            if self.clock.phase() == Phase::Ended {
                return Ok((self.clock.into_outcome(), self.server));
            }
            self.serve_ready(&mut buffer)?;
        }
    }

    /// Completes the handshakes, as far as there is time.
    fn connect(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let now = tcp::clock();
        self.open_connections(now);
        let until = now + self.clock.accounting.timeout;
        while self.clock.stop_reason().is_none()
            && tcp::clock() < until
            && !self.slots.iter().flatten().all(|peer| peer.is_connected)
        {
            self.check_timeouts();
            self.serve_ready(buffer)?;
        }
        Ok(())
    }

    fn change_phase(&mut self, tell: &dyn Fn(GeneratorEvent)) {
        let now = tcp::clock();
        self.clock.accounting.intervals.advance(now);
        while let Some(phase) = self.clock.advance(now, true) {
            if phase == Phase::Measuring {
                tell(GeneratorEvent::Measuring);
            }
            if matches!(phase, Phase::Warmup | Phase::Measuring) {
                self.each(|peer, accounting| peer.send_pending(now, accounting));
            }
            if phase == Phase::Draining {
                tell(GeneratorEvent::Measured);
            }
        }
        if self.is_connecting && self.clock.phase() != Phase::Ended {
            self.open_connections(now);
        }
        for sample in self.clock.accounting.intervals.take_completed() {
            tell(GeneratorEvent::Interval(sample));
        }
    }

    /// Waits until there is something to do, and serves the connections that are
    /// ready.
    fn serve_ready(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let now = tcp::clock();
        let wait = self.clock.deadline().map_or(TICK, |deadline| {
            deadline.saturating_duration_since(now).min(TICK)
        });
        let slots = self.slots.iter().enumerate();
        let slots = slots.filter_map(|(slot, peer)| Some((slot, peer.as_ref()?)));
        let (slots, mut descriptors): (Vec<_>, Vec<_>) = slots
            .map(|(slot, peer)| {
                let interest = match peer.stream.is_blocked() {
                    true => PollFlags::IN | PollFlags::OUT,
                    false => PollFlags::IN,
                };
                (slot, PollFd::from_borrowed_fd(peer.as_fd(), interest))
            })
            .unzip();
        tcp::wait(&mut descriptors, wait)?;
        let ready = slots.into_iter().zip(&descriptors);
        let ready = ready.filter(|(_, descriptor)| !descriptor.revents().is_empty());
        let ready: Vec<_> = ready.map(|(slot, _)| slot).collect();
        drop(descriptors);
        let now = tcp::clock();
        for slot in ready {
            self.serve(now, slot, buffer);
        }
        Ok(())
    }

    fn serve(&mut self, now: Instant, slot: usize, buffer: &mut [u8]) {
        let Some(mut peer) = self.slots[slot].take() else {
            return;
        };
        if let Err(failure) = peer.serve(now, &mut self.clock.accounting, buffer) {
            return self.fail(&peer, failure);
        }
        if !peer.is_connected && !peer.stream.is_handshaking() {
            peer.is_connected = true;
            self.failures = 0;
            negotiated(&mut self.server, peer.stream.tls());
            let is_warmup = self.clock.phase() == Phase::Warmup;
            let counters = &mut self.clock.accounting.counters;
            counters.totals.connections += 1;
            if !is_warmup {
                counters.connect.record(now - peer.began);
                let kind = peer.stream.tls().handshake_kind();
                let is_resumed = kind == Some(rustls::HandshakeKind::Resumed);
                counters.resumed += u64::from(is_resumed);
            }
        }
        match self.is_connecting && peer.is_connected && peer.messages.len() == 0 {
            true => peer.stream.close(),
            false => self.slots[slot] = Some(peer),
        }
    }

    /// Begins connections, as far as there is room and, if each message has one,
    /// a message for each.
    fn open_connections(&mut self, now: Instant) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].is_some() {
                continue;
            }
            let accounting = &mut self.clock.accounting;
            let mut message = None;
            if self.is_connecting {
                let waiting = self.waiting.pop_front();
                message = waiting.or_else(|| accounting.next(now));
                if message.is_none() {
                    return;
                }
            }
            match TlsConnection::begin(now, self.remote, &self.name, &self.tls, slot) {
                Ok(mut peer) => {
                    if let Some(message) = message {
                        peer.messages.add(accounting.begin_sending(now, message));
                    }
                    self.slots[slot] = Some(peer);
                }
                Err(error) => {
                    accounting.abandon(usize::from(message.is_some()));
                    let reason = error.to_string();
                    self.count(ConnectionFailure::new(ErrorKind::Handshake, reason));
                    return;
                }
            }
        }
    }

    /// Sends what the schedule has.
    fn send_due(&mut self) {
        let now = tcp::clock();
        while let Some(intended) = self.clock.pop_due(now) {
            let Some(message) = self.clock.accounting.grant(now, intended) else {
                continue;
            };
            if self.is_connecting {
                self.waiting.push_back(message);
                continue;
            }
            let count = self.slots.len();
            let mut slots = (1..=count).map(|step| (self.turn + step) % count);
            let Some(slot) = slots.find(|slot| self.slots[*slot].is_some()) else {
                self.clock.accounting.abandon(1);
                continue;
            };
            self.turn = slot;
            self.with(slot, |peer, accounting| {
                peer.messages.add(accounting.begin_sending(now, message));
                peer.write(now, accounting)
            });
        }
    }

    /// Gives up what has waited too long, from time to time.
    fn check_timeouts(&mut self) {
        let now = tcp::clock();
        if now - self.checked < TICK {
            return;
        }
        self.checked = now;
        self.each(|peer, accounting| peer.check_timeout(now, accounting));
        if self.stopper.is_stopped() {
            self.clock.stop(StopReason::Interrupted);
        }
        if !self.is_connecting && self.slots.iter().all(Option::is_none) {
            self.clock.stop(StopReason::NoConnection);
        }
    }

    fn each(
        &mut self,
        mut act: impl FnMut(&mut TlsConnection, &mut LoadAccounting) -> Result<(), ConnectionFailure>,
    ) {
        for slot in 0..self.slots.len() {
            self.with(slot, &mut act);
        }
    }

    fn with(
        &mut self,
        slot: usize,
        act: impl FnOnce(&mut TlsConnection, &mut LoadAccounting) -> Result<(), ConnectionFailure>,
    ) {
        if let Some(peer) = &mut self.slots[slot]
            && let Err(failure) = act(peer, &mut self.clock.accounting)
            && let Some(peer) = self.slots[slot].take()
        {
            self.fail(&peer, failure);
        }
    }

    fn fail(&mut self, peer: &TlsConnection, failure: ConnectionFailure) {
        self.clock.accounting.abandon(peer.messages.len());
        self.count(failure);
    }

    fn count(&mut self, failure: ConnectionFailure) {
        self.clock.accounting.counters.count_failure(failure);
        self.failures += 1;
        if self.failures > FAILURES_MAX + self.slots.len() {
            self.clock.stop(StopReason::OnlyFailures);
        }
    }
}

/// Notes what the first handshake has negotiated.
fn negotiated(server: &mut Server, tls: &rustls::Connection) {
    if server.cipher_suite.is_empty()
        && let Some(suite) = tls.negotiated_cipher_suite()
    {
        let alpn = tls.alpn_protocol();
        server.alpn = alpn.map(|name| String::from_utf8_lossy(name).into_owned());
        let suite = format!("{:?}", suite.suite());
        server.cipher_suite = suite.replacen("TLS13_", "TLS_", 1);
        let group = tls.negotiated_key_exchange_group();
        server.key_exchange = group.map(|group| format!("{:?}", group.name()));
    }
}

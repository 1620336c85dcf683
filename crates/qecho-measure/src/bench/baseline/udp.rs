//! One thread's part of a load over bare UDP, on one socket.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use qecho_engine::{Datagram, Forwarder, ForwarderOutput, Received, SendDatagramError};

use crate::bench::{
    accounting::Phase,
    config::{Config, Workload},
    datagrams::{Carrier, Datagrams},
    events::{Command, EventSink, GeneratorEvent},
    failure::{ConnectionFailure, StopReason},
    outcome::Outcome,
    processor,
    run_clock::RunClock,
};

/// Time between two checks for what is lost.
const TICK: Duration = Duration::from_millis(100);

/// Datagrams that wait for the socket; more wait as messages.
const WAITING_MAX: usize = 1_024;

/// Messages in datagrams of their own.
pub(super) struct UdpLoad {
    clock: RunClock,
    datagrams: Datagrams,
    carrier: UdpCarrier,
    sink: EventSink,
    checked: Option<Instant>,
}

/// Datagrams on their way to and from the socket.
struct UdpCarrier {
    now: Option<Instant>,
    remote: SocketAddr,
    outputs: VecDeque<ForwarderOutput>,
    received: VecDeque<Bytes>,
}

impl Carrier for UdpCarrier {
    fn send(&mut self, data: Bytes) -> Result<(), SendDatagramError> {
        if self.outputs.len() >= WAITING_MAX {
            return Err(SendDatagramError::Blocked);
        }
        let datagram = Datagram::new(0, self.remote, data.into());
        self.outputs.push_back(ForwarderOutput::Send(datagram));
        Ok(())
    }

    fn receive(&mut self) -> Option<Bytes> {
        self.received.pop_front()
    }

    fn now(&self) -> Instant {
        self.now.expect("it is set before each turn's work")
    }
}

impl UdpLoad {
    pub(super) fn new(
        config: &Config,
        shard: usize,
        remote: SocketAddr,
        interval: Duration,
        sink: EventSink,
    ) -> Self {
        // All messages under way on connections and streams are one crowd here.
        let workload = config.workload;
        let connections = config.share(shard, config.connections as u64) as usize;
        let in_flight = workload.in_flight * workload.streams * connections;
        let config = Config {
            workload: Workload {
                in_flight,
                ..workload
            },
            begin: None,
            ..config.clone()
        };
        Self {
            clock: RunClock::new(&config, shard, interval, processor::of_this_thread),
            datagrams: Datagrams::default(),
            carrier: UdpCarrier {
                now: None,
                remote,
                outputs: VecDeque::new(),
                received: VecDeque::new(),
            },
            sink,
            checked: None,
        }
    }

    pub(super) fn into_outcome(self) -> Outcome {
        self.clock.into_outcome()
    }

    fn report_intervals(&mut self) {
        for sample in self.clock.accounting.intervals.take_completed() {
            (self.sink)(GeneratorEvent::Interval(sample));
        }
    }

    /// Gives up what is lost, from time to time.
    fn check_timeouts(&mut self, now: Instant) {
        if self.checked.is_none() {
            self.clock.ready();
            (self.sink)(GeneratorEvent::Ready { live: 1 });
        }
        if self.checked.is_some_and(|checked| now - checked < TICK) {
            return;
        }
        self.checked = Some(now);
        let accounting = &mut self.clock.accounting;
        let (datagrams, timeout) = (&mut self.datagrams, accounting.timeout);
        let expired = accounting.account_for(now, |_, events| {
            datagrams.expire(now, timeout, events);
            Ok(())
        });
        self.count(expired);
    }

    fn change_phase(&mut self, now: Instant) {
        while let Some(phase) = self.clock.advance(now, true) {
            match phase {
                Phase::Measuring => (self.sink)(GeneratorEvent::Measuring),
                Phase::Draining => (self.sink)(GeneratorEvent::Measured),
                _ => {}
            }
        }
        self.report_intervals();
    }

    /// Sends what is due, or what there is room for.
    fn send(&mut self, now: Instant) {
        while let Some(intended) = self.clock.pop_due(now) {
            let granted = self.clock.accounting.grant(now, intended);
            granted
                .into_iter()
                .for_each(|message| self.datagrams.add(message));
        }
        let (datagrams, carrier) = (&mut self.datagrams, &mut self.carrier);
        let accounting = &mut self.clock.accounting;
        let granted = accounting.refill(now, datagrams.len());
        granted.for_each(|message| datagrams.add(message));
        let sent = accounting.account_for(now, |pattern, events| {
            datagrams.send(carrier, pattern, events)
        });
        self.count(sent);
    }

    fn count(&mut self, outcome: Result<(), ConnectionFailure>) {
        if let Err(failure) = outcome {
            self.clock.accounting.counters.count_failure(failure);
        }
    }
}

impl Forwarder for UdpLoad {
    type Command = Command;

    fn handle_datagram(&mut self, now: Instant, received: Received) {
        // Datagrams of others are no echoes.
        if received.remote == self.carrier.remote {
            self.carrier.now = Some(now);
            self.carrier.received.push_back(received.data.freeze());
            let (datagrams, carrier) = (&mut self.datagrams, &mut self.carrier);
            let accounting = &mut self.clock.accounting;
            let taken = accounting.account_for(now, |pattern, events| {
                datagrams.receive(carrier, pattern, events)
            });
            self.count(taken);
        }
    }

    fn handle_timeouts(&mut self, now: Instant) {
        self.carrier.now = Some(now);
        self.check_timeouts(now);
        self.clock.accounting.intervals.advance(now);
        self.change_phase(now);
        if self.clock.phase() != Phase::Ended {
            self.send(now);
        }
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Begin => self.clock.begin(now),
            Command::Stop => self.clock.stop(StopReason::Interrupted),
        }
    }

    fn handle_open_failed(&mut self, _: usize) {}

    fn handle_unsent(&mut self, _: Instant, _: &Datagram, _: &io::Error) {
        // It is lost like any other, when its time is over.
    }

    fn handle_unreachable(&mut self, _: Instant, peer: SocketAddr, reason: &io::Error) {
        let is_meant = peer.ip() == self.carrier.remote.ip()
            && reason.kind() == io::ErrorKind::ConnectionRefused;
        if is_meant && self.clock.accounting.counters.totals.messages == 0 {
            self.clock.stop(StopReason::ServerGone);
        }
    }

    fn poll_output(&mut self) -> Option<ForwarderOutput> {
        self.carrier.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let next_check = self.checked.map(|checked| checked + TICK);
        next_check.into_iter().chain(self.clock.deadline()).min()
    }

    fn is_finished(&self) -> bool {
        self.clock.phase() == Phase::Ended
    }
}

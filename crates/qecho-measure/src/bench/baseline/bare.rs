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
    book::{Book, Stage},
    config::{Config, Goal, Workload},
    datagrams::{Carrier, Datagrams},
    generator::{Command, Listener, Outcome, Told},
    processor,
    report::Stop,
    schedule::Schedule,
};

/// How often it is looked for what is lost.
const TICK: Duration = Duration::from_millis(100);

/// Datagrams that wait for the socket; more wait as messages.
const WAITING_MAX: usize = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ready,
    Warmup,
    Measuring,
    Draining,
    Ended,
}

/// Messages in datagrams of their own, and what came of them.
pub(super) struct BareLoad {
    config: Config,
    number: usize,
    book: Book,
    schedule: Option<Schedule>,
    datagrams: Datagrams,
    socket: Bare,
    listener: Listener,
    phase: Phase,
    until: Option<Instant>,
    ticked: Option<Instant>,
    began: Option<Instant>,
    elapsed: Duration,
    processor: Duration,
    stop: Option<Stop>,
}

/// What goes through the socket.
struct Bare {
    now: Option<Instant>,
    remote: SocketAddr,
    outputs: VecDeque<ForwarderOutput>,
    received: VecDeque<Bytes>,
}

impl Carrier for Bare {
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

impl BareLoad {
    pub(super) fn new(
        config: &Config,
        number: usize,
        remote: SocketAddr,
        interval: Duration,
        listener: Listener,
    ) -> Self {
        let share = |things: u64| {
            let (of, number) = (config.shards as u64, number as u64);
            things / of + u64::from(number < things % of)
        };
        let messages = match config.goal {
            Goal::Messages(count) => Some(share(count.get())),
            Goal::Duration(_) => None,
        };
        // What connections and streams have under way is one crowd here.
        let work = config.work;
        let in_flight = work.in_flight * work.streams * share(config.connections as u64) as usize;
        let config = Config {
            work: Workload { in_flight, ..work },
            ..config.clone()
        };
        let seed = config.seed.wrapping_add(number as u64);
        Self {
            book: Book::new(&config, messages, seed, interval),
            config,
            number,
            schedule: None,
            datagrams: Datagrams::default(),
            socket: Bare {
                now: None,
                remote,
                outputs: VecDeque::new(),
                received: VecDeque::new(),
            },
            listener,
            phase: Phase::Ready,
            until: None,
            ticked: None,
            began: None,
            elapsed: Duration::ZERO,
            processor: Duration::ZERO,
            stop: None,
        }
    }

    pub(super) fn into_outcome(self) -> Outcome {
        Outcome {
            tally: self.book.tally,
            elapsed: self.elapsed,
            late: None,
            processor: self.processor,
            stop: self.stop,
        }
    }

    fn begin(&mut self, now: Instant) {
        let arrival = self.config.arrival.part(self.config.shards);
        let seed = self.config.seed.wrapping_add(self.number as u64);
        self.schedule = Schedule::new(arrival, now, seed);
        self.book.stage = Stage::Warmup;
        self.phase = Phase::Warmup;
        self.until = Some(now + self.config.warmup);
    }

    fn measure(&mut self, now: Instant) {
        self.book.stage = Stage::Measuring;
        self.phase = Phase::Measuring;
        self.began = Some(now);
        self.processor = processor::of_this_thread();
        self.book.intervals.begin(now);
        self.until = match self.config.goal {
            Goal::Duration(duration) => Some(now + duration),
            Goal::Messages(_) => None,
        };
        (self.listener)(Told::Measuring);
    }

    fn end_measuring(&mut self, now: Instant) {
        self.book.stage = Stage::Silent;
        self.schedule = None;
        self.phase = Phase::Draining;
        self.processor = processor::of_this_thread().saturating_sub(self.processor);
        let end = match self.config.goal {
            Goal::Duration(_) => now,
            Goal::Messages(_) => self.book.last.unwrap_or(now),
        };
        self.book.intervals.end_measuring(end);
        self.elapsed = self.began.map_or(Duration::ZERO, |began| end - began);
        self.until = Some(now + self.book.timeout);
        (self.listener)(Told::Measured);
    }

    fn finish(&mut self, now: Instant) {
        self.phase = Phase::Ended;
        self.book.intervals.finish(now);
        self.tell_intervals();
    }

    fn tell_intervals(&mut self) {
        for recent in self.book.intervals.take_over() {
            (self.listener)(Told::Recent(recent));
        }
    }

    /// Goes on to the phase that it is time for.
    fn go_on(&mut self, now: Instant) {
        let is_over = self.until.is_some_and(|until| until <= now);
        if self.stop.is_some() && self.phase != Phase::Ended {
            if self.phase == Phase::Measuring {
                self.end_measuring(now);
            }
            return self.finish(now);
        }
        match self.phase {
            Phase::Warmup if is_over => self.measure(now),
            Phase::Measuring if is_over || self.book.is_spent() => self.end_measuring(now),
            Phase::Draining if is_over || self.book.under_way == 0 => self.finish(now),
            _ => {}
        }
    }

    /// Sends what is due, or what there is room for.
    fn send(&mut self, now: Instant) {
        let until = self.until.map_or(now, |until| until.min(now));
        while let Some(schedule) = &mut self.schedule
            && schedule.due() <= until
        {
            let intended = schedule.due();
            schedule.advance();
            if let Some(message) = self.book.take(now, intended) {
                self.datagrams.add(message);
            }
        }
        let topped = self.datagrams.top_up(&mut self.socket, &mut self.book);
        self.note(topped);
    }

    fn note(&mut self, outcome: Result<(), crate::bench::book::Fault>) {
        if let Err(fault) = outcome {
            self.book.tally.errors.note(fault.kind, || fault.words);
        }
    }
}

impl Forwarder for BareLoad {
    type Command = Command;

    fn handle_datagram(&mut self, now: Instant, received: Received) {
        // Nobody else has a say in what comes back.
        if received.remote == self.socket.remote {
            self.socket.now = Some(now);
            self.socket.received.push_back(received.data.freeze());
            let taken = self.datagrams.receive(&mut self.socket, &mut self.book);
            self.note(taken);
        }
    }

    fn handle_timeouts(&mut self, now: Instant) {
        self.socket.now = Some(now);
        if self.ticked.is_none() {
            (self.listener)(Told::Ready { live: 1 });
        }
        if self.ticked.is_none_or(|ticked| now - ticked >= TICK) {
            self.ticked = Some(now);
            self.datagrams.expire(now, &mut self.book);
        }
        self.book.intervals.advance(now);
        self.tell_intervals();
        self.go_on(now);
        if self.phase != Phase::Ended {
            self.send(now);
        }
    }

    fn handle_command(&mut self, now: Instant, mail: Command) {
        match mail {
            Command::Begin if self.phase == Phase::Ready => self.begin(now),
            Command::Begin => {}
            Command::Stop => drop(self.stop.get_or_insert(Stop::Interrupted)),
        }
    }

    fn handle_open_failed(&mut self, _: usize) {}

    fn handle_unsent(&mut self, _: &Datagram) {
        // It is lost like any other, when its time is over.
    }

    fn handle_unreachable(&mut self, _: Instant, peer: SocketAddr, reason: &io::Error) {
        let is_meant = peer.ip() == self.socket.remote.ip()
            && reason.kind() == io::ErrorKind::ConnectionRefused;
        if is_meant && self.book.tally.totals.messages == 0 {
            self.stop.get_or_insert(Stop::ServerGone);
        }
    }

    fn poll_output(&mut self) -> Option<ForwarderOutput> {
        self.socket.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let due = self.schedule.as_ref().map(Schedule::due);
        let tick = self.ticked.map(|ticked| ticked + TICK);
        [due, tick, self.until].into_iter().flatten().min()
    }

    fn is_finished(&self) -> bool {
        self.phase == Phase::Ended
    }
}

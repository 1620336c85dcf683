//! One thread's part of a load over TLS 1.3 on TCP.

mod peer;

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

pub(super) use self::peer::Agreed;
use self::peer::Peer;
use crate::{
    bench::{
        BenchError, Stopper,
        book::{Book, Fault, Message, Stage},
        config::{Config, Goal},
        generator::{Outcome, Told},
        processor,
        report::{ErrorKind, Stop},
        run::Run,
        schedule::Schedule,
    },
    tcp::{self, ReadBuffer},
};

/// How often it is looked for what has waited too long, and for an end.
const TICK: Duration = Duration::from_millis(100);

/// Connections that may fail before the run ends, beside one for each place.
const FAILURES_MAX: usize = 100;

/// Connections of one thread and the messages on them.
pub(super) struct Load<'a> {
    config: &'a Config,
    stopper: &'a Stopper,
    number: usize,
    remote: SocketAddr,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    book: Book,
    schedule: Option<Schedule>,
    peers: Vec<Option<Peer>>,
    /// Messages of an open loop that wait for a connection to begin.
    waiting: VecDeque<Message>,
    turn: usize,
    agreed: Option<Agreed>,
    failures: usize,
    ticked: Instant,
    stop: Option<Stop>,
}

impl<'a> Load<'a> {
    pub(super) fn new(
        run: &Run<'a>,
        number: usize,
        remote: SocketAddr,
        tls: Arc<ClientConfig>,
        interval: Duration,
    ) -> Result<Self, BenchError> {
        let config = run.config;
        let share =
            |things: usize| things / config.shards + usize::from(number < things % config.shards);
        let name = config.target.server_name.clone();
        let name = ServerName::try_from(name)
            .map_err(|_| TlsError::from(rustls::Error::UnsupportedNameType))?;
        let messages = match config.goal {
            Goal::Messages(count) => Some(share(count.get() as usize) as u64),
            Goal::Duration(_) => None,
        };
        let seed = config.seed.wrapping_add(number as u64);
        Ok(Self {
            config,
            stopper: run.stopper,
            number,
            remote,
            name,
            tls,
            book: Book::new(config, messages, seed, interval),
            schedule: None,
            peers: (0..share(config.connections)).map(|_| None).collect(),
            waiting: VecDeque::new(),
            turn: 0,
            agreed: None,
            failures: 0,
            ticked: tcp::clock(),
            stop: None,
        })
    }

    /// Connects, waits for the others, warms up, measures, and waits for what
    /// is under way.
    pub(super) fn run(
        mut self,
        barrier: &Barrier,
        tell: &dyn Fn(Told),
    ) -> io::Result<(Outcome, Option<Agreed>)> {
        let mut buffer = ReadBuffer::new();
        let timeout = self.config.timeout;
        let mut connected = Ok(());
        if !self.connects() {
            self.fill(tcp::clock());
            let until = tcp::clock() + timeout;
            connected = self.work(&mut buffer, tell, Some(until), |own| {
                own.peers.iter().flatten().all(|peer| peer.connected)
            });
        }
        let live = self.peers.iter().flatten().count();
        tell(Told::Ready { live });
        // Others wait here, also for one that has failed.
        barrier.wait();
        connected?;
        let began = tcp::clock();
        let arrival = self.config.arrival.part(self.config.shards);
        let seed = self.config.seed.wrapping_add(self.number as u64);
        self.schedule = Schedule::new(arrival, began, seed);
        if !self.config.warmup.is_zero() {
            self.enter(Stage::Warmup);
            let until = began + self.config.warmup;
            self.work(&mut buffer, tell, Some(until), |_| false)?;
        }
        self.enter(Stage::Measuring);
        tell(Told::Measuring);
        let measuring = tcp::clock();
        self.book.intervals.begin(measuring);
        let processor = processor::of_this_thread();
        let until = match self.config.goal {
            Goal::Duration(duration) => Some(measuring + duration),
            Goal::Messages(_) => None,
        };
        self.work(&mut buffer, tell, until, |own| own.book.is_spent())?;
        self.book.stage = Stage::Silent;
        self.schedule = None;
        let processor = processor::of_this_thread().saturating_sub(processor);
        let end = match self.config.goal {
            Goal::Duration(_) => tcp::clock(),
            Goal::Messages(_) => self.book.last.unwrap_or(measuring),
        };
        self.book.intervals.end_measuring(end);
        tell(Told::Measured);
        let until = tcp::clock() + timeout;
        self.work(&mut buffer, tell, Some(until), |own| {
            own.book.under_way == 0
        })?;
        self.book.intervals.finish(tcp::clock());
        self.tell_intervals(tell);
        let outcome = Outcome {
            tally: self.book.tally,
            elapsed: end - measuring,
            late: None,
            processor,
            stop: self.stop,
        };
        Ok((outcome, self.agreed))
    }

    /// Tells whether connections are the work.
    fn connects(&self) -> bool {
        self.config.work.way.is_connecting()
    }

    /// Lets messages be sent.
    fn enter(&mut self, stage: Stage) {
        self.book.stage = stage;
        let now = tcp::clock();
        self.each(|peer, book| peer.press_on(now, book));
    }

    /// Works until this is so, or it is time, or there is no more to do.
    fn work(
        &mut self,
        buffer: &mut ReadBuffer,
        tell: &dyn Fn(Told),
        until: Option<Instant>,
        is_done: impl Fn(&Self) -> bool,
    ) -> io::Result<()> {
        loop {
            let now = tcp::clock();
            self.send_due(until.map_or(now, |until| until.min(now)));
            if self.connects() {
                self.fill(now);
            }
            self.tick(now, tell);
            let is_over = until.is_some_and(|until| until <= now);
            if is_over || self.stop.is_some() || is_done(self) {
                return Ok(());
            }
            let due = self.schedule.as_ref().map(Schedule::due);
            let next = [due, until].into_iter().flatten().min();
            let wait = next.map_or(TICK, |next| next.saturating_duration_since(tcp::clock()));
            let ready = self.wait(wait.min(TICK))?;
            let now = tcp::clock();
            for place in ready {
                self.serve(now, place, buffer);
            }
        }
    }

    /// Waits; returns the places that have something to do.
    fn wait(&self, time: Duration) -> io::Result<Vec<usize>> {
        let places = self.peers.iter().enumerate();
        let places = places.filter_map(|(place, peer)| Some((place, peer.as_ref()?)));
        let (places, mut descriptors): (Vec<_>, Vec<_>) = places
            .map(|(place, peer)| {
                let interest = match peer.secured.is_blocked() {
                    true => PollFlags::IN | PollFlags::OUT,
                    false => PollFlags::IN,
                };
                (place, PollFd::from_borrowed_fd(peer.as_fd(), interest))
            })
            .unzip();
        tcp::wait(&mut descriptors, time)?;
        let ready = places.into_iter().zip(&descriptors);
        let ready = ready.filter(|(_, descriptor)| !descriptor.revents().is_empty());
        Ok(ready.map(|(place, _)| place).collect())
    }

    fn serve(&mut self, now: Instant, place: usize, buffer: &mut ReadBuffer) {
        let Some(mut peer) = self.peers[place].take() else {
            return;
        };
        if let Err(fault) = peer.serve(now, &mut self.book, buffer) {
            return self.give_up(&peer, fault);
        }
        if !peer.connected && !peer.secured.is_handshaking() {
            peer.connected = true;
            self.failures = 0;
            self.agreed.get_or_insert_with(|| Agreed::on(&peer.secured));
            self.book.tally.totals.connections += 1;
            if self.book.stage != Stage::Warmup {
                self.book.tally.connect.record(now - peer.began);
                let kind = peer.secured.tls().handshake_kind();
                let is_resumed = kind == Some(rustls::HandshakeKind::Resumed);
                self.book.tally.resumed += u64::from(is_resumed);
            }
        }
        match self.connects() && peer.connected && peer.flow.len() == 0 {
            true => peer.secured.close(),
            false => self.peers[place] = Some(peer),
        }
    }

    /// Begins connections, as far as there is room and, if they are the work,
    /// a message for each.
    fn fill(&mut self, now: Instant) {
        for place in 0..self.peers.len() {
            if self.peers[place].is_some() {
                continue;
            }
            let mut message = None;
            if self.connects() {
                let waiting = self.waiting.pop_front();
                message = waiting.or_else(|| self.book.next(now));
                if message.is_none() {
                    return;
                }
            }
            match Peer::connect(now, self.remote, &self.name, &self.tls, place) {
                Ok(mut peer) => {
                    if let Some(message) = message {
                        peer.flow.add(now, message, &mut self.book);
                    }
                    self.peers[place] = Some(peer);
                }
                Err(error) => {
                    self.book.gave_up(usize::from(message.is_some()));
                    self.note(Fault::new(ErrorKind::Handshake, error.to_string()));
                    return;
                }
            }
        }
    }

    /// Sends what the schedule has before `until`.
    fn send_due(&mut self, until: Instant) {
        let now = tcp::clock();
        while let Some(schedule) = &mut self.schedule
            && schedule.due() <= until
        {
            let intended = schedule.due();
            schedule.advance();
            let Some(message) = self.book.take(now, intended) else {
                continue;
            };
            if self.connects() {
                self.waiting.push_back(message);
                continue;
            }
            let count = self.peers.len();
            let places = (1..=count).map(|step| (self.turn + step) % count);
            let Some(place) = places
                .into_iter()
                .find(|place| self.peers[*place].is_some())
            else {
                self.book.gave_up(1);
                continue;
            };
            self.turn = place;
            self.with(place, |peer, book| {
                peer.flow.add(now, message, book);
                peer.write(book)
            });
        }
    }

    fn tell_intervals(&mut self, tell: &dyn Fn(Told)) {
        for recent in self.book.intervals.take_over() {
            tell(Told::Recent(recent));
        }
    }

    /// Tells the intervals that are over, and looks for what has waited too long.
    fn tick(&mut self, now: Instant, tell: &dyn Fn(Told)) {
        self.book.intervals.advance(now);
        self.tell_intervals(tell);
        if now - self.ticked < TICK {
            return;
        }
        self.ticked = now;
        self.each(|peer, book| peer.check_patience(now, book));
        if self.stopper.is_stopped() {
            self.stop.get_or_insert(Stop::Interrupted);
        }
        let is_deserted = !self.connects() && self.peers.iter().all(Option::is_none);
        if is_deserted {
            self.stop.get_or_insert(Stop::NoConnection);
        }
    }

    fn each(&mut self, mut act: impl FnMut(&mut Peer, &mut Book) -> Result<(), Fault>) {
        for place in 0..self.peers.len() {
            self.with(place, &mut act);
        }
    }

    fn with(&mut self, place: usize, act: impl FnOnce(&mut Peer, &mut Book) -> Result<(), Fault>) {
        if let Some(peer) = &mut self.peers[place]
            && let Err(fault) = act(peer, &mut self.book)
            && let Some(peer) = self.peers[place].take()
        {
            self.give_up(&peer, fault);
        }
    }

    fn give_up(&mut self, peer: &Peer, fault: Fault) {
        self.book.gave_up(peer.flow.len());
        self.note(fault);
    }

    fn note(&mut self, fault: Fault) {
        self.book.tally.errors.note(fault.kind, || fault.words);
        self.failures += 1;
        if self.failures > FAILURES_MAX + self.peers.len() {
            self.stop.get_or_insert(Stop::OnlyFailures);
        }
    }
}

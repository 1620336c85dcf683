//! The client on its shard: dials, works, says how it ended.

use std::{io, net::SocketAddr, time::Instant};

use qecho_engine::{
    Application, CloseReason, Connection, ConnectionKey, Event, ShardContext, TlsError,
};

use super::{
    config::{Config, Message},
    conversation::Conversation,
    pipe::{Pipe, PipeEnds},
    report::{ClientEvent, Connected, Failure, Report},
};
use crate::dial::{CONFIRMATION_WAIT_MAX, Dialer, Progress, UnreachableTimer};

/// Application code of a client that has all it came for.
const CODE_DONE: u64 = 0;
/// Application code of a client that did not get what it came for.
const CODE_FAILED: u64 = 1;

/// What other threads tell a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send this when what was sent before has come back.
    Message(Message),
    /// No message will follow: end the streams and the connection.
    Finish,
    /// End at once.
    Stop,
}

/// What a client does with its connection.
#[derive(Debug)]
enum Work {
    Conversation(Conversation),
    Pipe(Pipe),
}

/// Hears what a client has to tell, on the client's own thread: it must not
/// block.
pub type Listener = Box<dyn FnMut(ClientEvent) + Send>;

/// A client as the application of a shard.
///
/// The last that its listener hears is [`ClientEvent::Ended`].
pub struct ClientApplication {
    dialer: Dialer,
    work: Work,
    listener: Listener,
    live: Option<ConnectionKey>,
    losers: Vec<ConnectionKey>,
    /// How the client ended.
    outcome: Option<Result<Report, Failure>>,
    /// Set when there is something to do that needs the whole shard.
    pressing: Option<Instant>,
    /// When to hang up although the server may lack the end of the handshake.
    hangs_up: Option<Instant>,
    /// Keeps the number of datagrams received on the connection.
    unreachable: UnreachableTimer<u64>,
    /// Whether the keys are still to be updated.
    update_keys: bool,
}

impl ClientApplication {
    /// Makes a client that sends messages one after the other, as they come
    /// by [`Command`].
    ///
    /// # Errors
    /// [`TlsError`] if the TLS settings cannot work.
    pub fn converse(config: &Config, listener: Listener) -> Result<Self, TlsError> {
        let work = Work::Conversation(Conversation::new(config.patience));
        Self::new(config, work, listener)
    }

    /// Makes a client that sends one stream of bytes.
    ///
    /// # Errors
    /// [`TlsError`] if the TLS settings cannot work.
    pub fn pipe(config: &Config, listener: Listener, ends: PipeEnds) -> Result<Self, TlsError> {
        let work = Work::Pipe(Pipe::new(ends, config.patience));
        Self::new(config, work, listener)
    }

    fn new(config: &Config, work: Work, listener: Listener) -> Result<Self, TlsError> {
        let dialer = Dialer::new(
            config.target.clone(),
            config.alpn.offers(
                &config.verifier,
                config.identity.as_ref(),
                config.key_log.as_ref(),
            )?,
            config.timeout,
        );
        Ok(Self {
            dialer,
            work,
            listener,
            live: None,
            losers: Vec::new(),
            outcome: None,
            pressing: None,
            hangs_up: None,
            unreachable: UnreachableTimer::default(),
            update_keys: config.update_keys,
        })
    }

    fn end(&mut self, now: Instant, outcome: Result<Report, Failure>) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
            self.pressing = Some(now);
        }
    }

    fn follow(&mut self, now: Instant, progress: Progress) {
        match progress {
            Progress::Trying => {}
            Progress::WithoutAlpn => (self.listener)(ClientEvent::WithoutAlpn),
            Progress::Failed(failure) => self.end(now, Err(failure.into())),
        }
    }

    fn connected(&mut self, connection: &mut Connection<'_>) {
        self.live = Some(connection.key());
        self.losers = self.dialer.connected(connection.key());
        self.pressing = Some(connection.now());
        if let Some(handshake) = connection.handshake() {
            let connected = Connected {
                address: connection.remote_address(),
                handshake: handshake.clone(),
                elapsed: connection.now() - connection.began(),
            };
            (self.listener)(ClientEvent::Connected(Box::new(connected)));
        }
        self.work_on(connection, None);
    }

    /// Lets the work go on after an event or without one.
    fn work_on(&mut self, connection: &mut Connection<'_>, event: Option<&Event>) {
        if self.outcome.is_some() {
            return;
        }
        let tell = &mut self.listener;
        let outcome = match (&mut self.work, event) {
            (Work::Conversation(work), None) => work.advance(connection, tell),
            (Work::Conversation(work), Some(event)) => work.handle_event(connection, event, tell),
            (Work::Pipe(pipe), None) => pipe.advance(connection),
            (Work::Pipe(pipe), Some(event)) => pipe.handle_event(connection, event),
        };
        if let Err(failure) = outcome {
            self.end(connection.now(), Err(failure));
        } else if self.is_over() {
            let outcome = self.good_end();
            self.end(connection.now(), outcome);
        }
    }

    fn is_over(&self) -> bool {
        match &self.work {
            Work::Conversation(work) => work.is_over(),
            Work::Pipe(pipe) => pipe.is_over(),
        }
    }

    fn report(&self) -> Report {
        match &self.work {
            Work::Conversation(work) => work.report(),
            Work::Pipe(pipe) => pipe.report(),
        }
    }

    fn good_end(&self) -> Result<Report, Failure> {
        let report = self.report();
        match report.lost {
            0 => Ok(report),
            lost => Err(Failure::Lost {
                lost,
                total: report.messages + lost,
            }),
        }
    }

    fn work_on_live(&mut self, context: &mut ShardContext<'_, ()>) {
        let live = self.live.and_then(|key| context.connection(key));
        if let Some((mut connection, ())) = live {
            self.work_on(&mut connection, None);
        }
    }

    fn start_grace(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        peer: SocketAddr,
        why: &io::Error,
    ) {
        let now = context.now();
        let live = self.live.and_then(|key| context.connection(key));
        if let Some((connection, ())) = live
            && why.kind() == io::ErrorKind::ConnectionRefused
            && connection.remote_address().ip() == peer.ip()
        {
            let received = connection.datagrams_received();
            let grace = UnreachableTimer::<u64>::GRACE;
            self.unreachable.start(now, grace, received);
        }
    }

    fn check_unreachable(&mut self, context: &mut ShardContext<'_, ()>) {
        let now = context.now();
        let live = self.live.and_then(|key| context.connection(key));
        if let Some(received) = self.unreachable.take_expired(now)
            && live.is_some_and(|(connection, ())| connection.datagrams_received() == received)
        {
            self.end(now, Err(Failure::Gone));
        }
    }

    /// Tells whether all is done, but nothing has shown that the server has the whole
    /// handshake.
    fn awaits_confirmation(&mut self, context: &mut ShardContext<'_, ()>) -> bool {
        let now = context.now();
        let live = self.live.and_then(|key| context.connection(key));
        let is_open = live.is_some_and(|(connection, ())| !connection.is_confirmed());
        let is_silent = self.report() == Report::default();
        if !is_open || !is_silent || !matches!(self.outcome, Some(Ok(_))) {
            return false;
        }
        now < *self.hangs_up.get_or_insert(now + CONFIRMATION_WAIT_MAX)
    }

    /// Does what needs the whole shard.
    fn press_on(&mut self, context: &mut ShardContext<'_, ()>) {
        for loser in std::mem::take(&mut self.losers) {
            if let Some((mut connection, ())) = context.connection(loser) {
                connection.close(CODE_DONE, "another address answered first");
            }
        }
        if self.live.is_none() && self.outcome.is_none() {
            let progress = self.dialer.handle_failure(context);
            self.follow(context.now(), progress);
        }
        if self.awaits_confirmation(context) {
            return;
        }
        let Some(outcome) = &self.outcome else {
            return;
        };
        self.hangs_up = None;
        match outcome {
            Ok(_) => context.shut_down(CODE_DONE, ""),
            Err(failure) => context.shut_down(CODE_FAILED, &failure.to_string()),
        }
        (self.listener)(ClientEvent::Ended(outcome.clone()));
    }
}

impl Application for ClientApplication {
    type State = ();
    type Command = Command;

    fn start(&mut self, context: &mut ShardContext<'_, ()>) {
        let progress = self.dialer.start(context);
        self.follow(context.now(), progress);
    }

    fn accept(&mut self, _: &mut Connection<'_>) {}

    fn handle_event(&mut self, connection: &mut Connection<'_>, (): &mut (), event: Event) {
        let key = connection.key();
        match event {
            Event::Connected if self.live.is_none() => self.connected(connection),
            Event::Confirmed | Event::Closed(_)
                if self.live == Some(key) && self.hangs_up.is_some() =>
            {
                // A server may refuse a client's certificate, or that there is none.
                if let Event::Closed(reason @ CloseReason::Peer { .. }) = event {
                    self.outcome = Some(Err(Failure::Closed(reason)));
                }
                self.pressing = Some(connection.now());
            }
            Event::Closed(reason) if self.live == Some(key) => {
                self.end(connection.now(), Err(Failure::Closed(reason)));
            }
            Event::Closed(reason)
                if self.outcome.is_none() && self.dialer.closed(key, reason.clone()) =>
            {
                self.pressing = Some(connection.now());
            }
            event if self.live == Some(key) => {
                // Before the work: it may close the connection.
                self.update_keys = self.update_keys && !connection.update_keys();
                self.work_on(connection, Some(&event));
            }
            _ => {}
        }
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, ()>, mail: Command) {
        match (mail, &mut self.work) {
            (Command::Stop, _) => {
                if self.outcome.is_none() || self.hangs_up.is_some() {
                    self.hangs_up = Some(context.now());
                }
                self.end(context.now(), Ok(self.report()));
            }
            (Command::Message(message), Work::Conversation(work)) => work.add(message),
            (Command::Finish, Work::Conversation(work)) => work.complete(),
            // A pipe has its own ends.
            (Command::Message(_) | Command::Finish, Work::Pipe(_)) => {}
        }
        self.work_on_live(context);
    }

    fn handle_wake(&mut self, context: &mut ShardContext<'_, ()>) {
        self.work_on_live(context);
    }

    fn deadline(&self) -> Option<Instant> {
        let work = match &self.work {
            Work::Conversation(work) => work.deadline(),
            Work::Pipe(pipe) => pipe.deadline(),
        };
        let waiting = [self.dialer.deadline(), work, self.unreachable.deadline()]
            .into_iter()
            .flatten();
        let waiting = waiting.min().filter(|_| self.outcome.is_none());
        [self.pressing, self.hangs_up, waiting]
            .into_iter()
            .flatten()
            .min()
    }

    fn handle_deadline(&mut self, context: &mut ShardContext<'_, ()>) {
        let now = context.now();
        let hangs_up = self.hangs_up.is_some_and(|due| due <= now);
        if self.pressing.take().is_some() || hangs_up {
            self.press_on(context);
        }
        if self.outcome.is_some() {
            return;
        }
        if self.live.is_none() {
            let progress = self.dialer.handle_deadline(context);
            self.follow(now, progress);
            return;
        }
        let outcome = match &mut self.work {
            Work::Conversation(work) => work.handle_deadline(now, &mut self.listener),
            Work::Pipe(pipe) => pipe.handle_deadline(now),
        };
        if let Err(failure) = outcome {
            self.end(now, Err(failure));
        }
        self.check_unreachable(context);
        self.work_on_live(context);
    }

    fn handle_unreachable(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        peer: SocketAddr,
        why: &io::Error,
    ) {
        if self.outcome.is_some() {
            return;
        }
        if self.live.is_some() {
            self.start_grace(context, peer, why);
            return;
        }
        for key in self.dialer.unreachable(peer, why) {
            if let Some((mut connection, ())) = context.connection(key) {
                connection.close(CODE_FAILED, "unreachable");
            }
            self.pressing = Some(context.now());
        }
    }
}

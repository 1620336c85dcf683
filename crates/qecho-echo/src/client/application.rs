//! The client as the application of a shard: dials, sends, and tells how it ended.

use std::{io, net::SocketAddr, time::Instant};

use qecho_engine::{
    Application, CloseReason, Connection, ConnectionKey, Event, ShardContext, TlsError,
};

use super::{
    config::{Config, Message},
    conversation::Conversation,
    report::{ClientEvent, Connected, Failure, Report},
    transfer::{Transfer, TransferIo},
};
use crate::dial::{
    CODE_DONE, CODE_FAILED, CONFIRMATION_WAIT_MAX, Dialer, Progress, QuietTimer, UnreachableTimer,
};

/// Command of another thread to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sends a message once those before have come back.
    Message(Message),
    /// Ends the streams and the connection: no message will follow.
    Finish,
    /// Ends at once.
    Stop,
}

/// Task of a client on its connection.
#[derive(Debug)]
enum Task {
    Conversation(Conversation),
    Transfer(Transfer),
}

/// Function that is called with the events of a client, on the client's own thread: it must not
/// block.
pub type Listener = Box<dyn FnMut(ClientEvent) + Send>;

/// A client as the application of a shard.
///
/// The last event is [`ClientEvent::Ended`].
pub struct ClientApplication {
    dialer: Dialer,
    task: Task,
    listener: Listener,
    live: Option<ConnectionKey>,
    /// Outcome of the client, once it has ended.
    outcome: Option<Result<Report, Failure>>,
    /// Instant at which the outcome is to be told and the connection closed.
    ends_at: Option<Instant>,
    /// Instant at which to close the connection although the server may lack the end of the
    /// handshake.
    confirmed_by: Option<Instant>,
    /// Keeps the number of datagrams received on the connection.
    unreachable: UnreachableTimer<u64>,
    quiet: QuietTimer,
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
        let task = Task::Conversation(Conversation::new(config.patience));
        Self::new(config, task, listener)
    }

    /// Makes a client that sends one stream of bytes.
    ///
    /// # Errors
    /// [`TlsError`] if the TLS settings cannot work.
    pub fn transfer(config: &Config, listener: Listener, io: TransferIo) -> Result<Self, TlsError> {
        let task = Task::Transfer(Transfer::new(io, config.patience));
        Self::new(config, task, listener)
    }

    fn new(config: &Config, task: Task, listener: Listener) -> Result<Self, TlsError> {
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
            task,
            listener,
            live: None,
            outcome: None,
            ends_at: None,
            confirmed_by: None,
            unreachable: UnreachableTimer::default(),
            quiet: QuietTimer::default(),
            update_keys: config.update_keys,
        })
    }

    fn end(&mut self, now: Instant, outcome: Result<Report, Failure>) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
            self.dialer.abandon(now);
            self.ends_at = Some(now);
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
        self.dialer.connected(connection);
        if let Some(handshake) = connection.handshake() {
            let connected = Connected {
                address: connection.remote_address(),
                handshake: handshake.clone(),
                elapsed: connection.now() - connection.began(),
            };
            (self.listener)(ClientEvent::Connected(Box::new(connected)));
        }
        self.advance(connection, None);
    }

    /// Lets the task go on after an event or without one.
    fn advance(&mut self, connection: &mut Connection<'_>, event: Option<&Event>) {
        if self.outcome.is_some() {
            return;
        }
        let tell = &mut self.listener;
        let outcome = match (&mut self.task, event) {
            (Task::Conversation(conversation), None) => conversation.advance(connection, tell),
            (Task::Conversation(conversation), Some(event)) => {
                conversation.handle_event(connection, event, tell)
            }
            (Task::Transfer(transfer), None) => transfer.advance(connection),
            (Task::Transfer(transfer), Some(event)) => transfer.handle_event(connection, event),
        };
        if let Err(failure) = outcome {
            self.end(connection.now(), Err(failure));
        } else if self.is_over() {
            let outcome = self.good_end();
            self.end(connection.now(), outcome);
        }
        let awaited = self.awaited();
        self.quiet.follow(connection, awaited);
    }

    /// Returns a number that changes when a part of what is awaited of the server has come;
    /// `None` if nothing is.
    fn awaited(&self) -> Option<u64> {
        match (&self.outcome, &self.task) {
            // The confirmation of the handshake.
            (Some(_), _) => self.confirmed_by.map(|_| 0),
            (None, Task::Conversation(conversation)) => conversation.awaited(),
            (None, Task::Transfer(transfer)) => transfer.awaited(),
        }
    }

    /// Lets the server hear of a client that waits.
    fn follow_silence(&mut self, context: &mut ShardContext<'_, ()>) {
        let awaited = self.awaited();
        match self.live.and_then(|key| context.connection(key)) {
            Some((mut connection, ())) => self.quiet.follow(&mut connection, awaited),
            None => self.quiet.stop(),
        }
    }

    fn is_over(&self) -> bool {
        match &self.task {
            Task::Conversation(conversation) => conversation.is_over(),
            Task::Transfer(transfer) => transfer.is_over(),
        }
    }

    fn report(&self) -> Report {
        match &self.task {
            Task::Conversation(conversation) => conversation.report(),
            Task::Transfer(transfer) => transfer.report(),
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

    fn advance_live(&mut self, context: &mut ShardContext<'_, ()>) {
        let live = self.live.and_then(|key| context.connection(key));
        if let Some((mut connection, ())) = live {
            self.advance(&mut connection, None);
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
        now < *self.confirmed_by.get_or_insert(now + CONFIRMATION_WAIT_MAX)
    }

    /// Tells the outcome and closes the connection, once the handshake is confirmed.
    fn finish(&mut self, context: &mut ShardContext<'_, ()>) {
        if self.awaits_confirmation(context) {
            return;
        }
        let Some(outcome) = &self.outcome else {
            return;
        };
        self.confirmed_by = None;
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
            Event::Connected if self.live.is_none() && self.outcome.is_none() => {
                self.connected(connection);
            }
            Event::Confirmed | Event::Closed(_)
                if self.live == Some(key) && self.confirmed_by.is_some() =>
            {
                // A server may refuse a client's certificate, or that there is none.
                if let Event::Closed(reason @ CloseReason::Peer { .. }) = event {
                    self.outcome = Some(Err(Failure::Closed(reason)));
                }
                self.ends_at = Some(connection.now());
            }
            Event::Closed(reason) if self.live == Some(key) => {
                self.end(connection.now(), Err(Failure::Closed(reason)));
            }
            Event::Closed(reason) if self.outcome.is_none() => {
                self.dialer.closed(connection, &reason);
            }
            event if self.live == Some(key) => {
                // Before the work: it may close the connection.
                self.update_keys = self.update_keys && !connection.update_keys();
                self.advance(connection, Some(&event));
            }
            _ => {}
        }
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, ()>, command: Command) {
        match (command, &mut self.task) {
            (Command::Stop, _) => {
                if self.outcome.is_none() || self.confirmed_by.is_some() {
                    self.confirmed_by = Some(context.now());
                }
                self.end(context.now(), Ok(self.report()));
            }
            (Command::Message(message), Task::Conversation(conversation)) => {
                conversation.add(message)
            }
            (Command::Finish, Task::Conversation(conversation)) => conversation.complete(),
            // A transfer ends with its input.
            (Command::Message(_) | Command::Finish, Task::Transfer(_)) => {}
        }
        self.advance_live(context);
    }

    fn handle_wake(&mut self, context: &mut ShardContext<'_, ()>) {
        self.advance_live(context);
    }

    fn deadline(&self) -> Option<Instant> {
        let task = match &self.task {
            Task::Conversation(conversation) => conversation.deadline(),
            Task::Transfer(transfer) => transfer.deadline(),
        };
        let waiting = [task, self.unreachable.deadline()].into_iter().flatten();
        let waiting = waiting.min().filter(|_| self.outcome.is_none());
        let dialing = self.dialer.deadline();
        let quiet = self.quiet.deadline();
        [dialing, self.ends_at, self.confirmed_by, quiet, waiting]
            .into_iter()
            .flatten()
            .min()
    }

    fn handle_deadline(&mut self, context: &mut ShardContext<'_, ()>) {
        let now = context.now();
        let is_late = self.confirmed_by.is_some_and(|due| due <= now);
        // Before the dialler, which would close its attempts for another reason.
        if self.ends_at.take().is_some() || is_late {
            self.finish(context);
        }
        self.follow_silence(context);
        let progress = self.dialer.handle_deadline(context);
        self.follow(now, progress);
        if self.outcome.is_some() || self.live.is_none() {
            return;
        }
        let outcome = match &mut self.task {
            Task::Conversation(conversation) => {
                conversation.handle_deadline(now, &mut self.listener)
            }
            Task::Transfer(transfer) => transfer.handle_deadline(now),
        };
        if let Err(failure) = outcome {
            self.end(now, Err(failure));
        }
        self.check_unreachable(context);
        self.advance_live(context);
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
        self.dialer.handle_unreachable(context, peer, why);
    }
}

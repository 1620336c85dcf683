//! Connects to a name that may have several addresses (RFC 8305): the next is
//! tried when one fails or is slow, and the first that answers wins.

mod failure;
mod offers;
mod quiet_timer;
mod unreachable;

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use qecho_engine::{CloseReason, ConnectTo, Connection, ConnectionKey, ShardContext};
use qecho_io::{BindError, ReceiveErrors, Socket};

use self::failure::alpn_refused;
pub use self::{
    failure::{DialFailure, Silence},
    offers::{Alpn, Offers},
    quiet_timer::QuietTimer,
    unreachable::UnreachableTimer,
};

/// Time that an address has before the next is tried beside it
/// (RFC 8305 §5); and as much again, once for each, if somebody has answered.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Time before the end of a dialler's patience at which a silent server is asked for its
/// versions, unless that is more than a quarter of its time.
const VERSIONS_PATIENCE: Duration = Duration::from_secs(1);

/// Application code of a client that has all it came for.
pub const CODE_DONE: u64 = 0;

/// Application code of a client that did not get what it came for.
pub const CODE_FAILED: u64 = 1;

/// Time for which a client that has nothing to send leaves its connection open for the
/// handshake to be confirmed ([`Connection::is_confirmed`]): some five probe timeouts
/// of a path of 50 ms, each twice as long as the one before.
///
/// [`Connection::is_confirmed`]: qecho_engine::Connection::is_confirmed
pub const CONFIRMATION_WAIT_MAX: Duration = Duration::from_secs(5);

/// Interval at which a client keeps an idle connection alive, unless the peer's idle timeout is
/// shorter than three of it: well under the shortest that is usual (30 s).
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Server to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name that the certificate must have; an IP address is a name too.
    pub server_name: String,
    /// Its addresses, best first.
    pub addresses: Vec<SocketAddr>,
}

/// Time by which a turn may come too late on a busy machine. If it was later, the program itself stood
/// still: it was stopped (Ctrl-Z, SIGSTOP, a debugger, a frozen container), or had no processor.
pub const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Tells whether the program itself stood still when an answer was due. What came meanwhile is handled
/// after the deadline, in the same turn, and has to be waited for anew.
pub fn stood_still(due: Instant, now: Instant) -> bool {
    now.saturating_duration_since(due) >= PAUSE_MIN
}

/// State of dialling.
#[derive(Debug)]
pub enum Progress {
    /// Attempts are under way, or one has connected.
    Trying,
    /// The server refused ALPN `echo`; dialling began again offering none.
    WithoutAlpn,
    /// No connection came about.
    Failed(DialFailure),
}

/// Attempts to reach a target, of which the first that connects wins.
///
/// The application that dials passes on what happens: connections that have connected or closed,
/// unreachable peers, and the dialler's deadline. What then follows, the dialler does itself: it
/// tries the next address, offers less, and closes the attempts that are not needed any more.
#[derive(Debug)]
pub struct Dialer {
    target: Target,
    offers: Offers,
    timeout: Duration,
    untried: VecDeque<SocketAddr>,
    attempts: Vec<(ConnectionKey, SocketAddr)>,
    /// Attempts that are to be closed.
    unneeded: Vec<ConnectionKey>,
    /// Instant of a turn in which attempts have closed or are to be closed.
    due_now: Option<Instant>,
    has_failed: bool,
    next_attempt: Option<Instant>,
    is_prolonged: bool,
    /// Instant at which servers that have not answered are asked for their versions.
    ask_versions: Option<Instant>,
    give_up: Option<Instant>,
    failures: Vec<DialFailure>,
}

impl Dialer {
    /// Makes a dialler that gives up after `timeout`.
    pub fn new(target: Target, offers: Offers, timeout: Duration) -> Self {
        Self {
            untried: target.addresses.iter().copied().collect(),
            target,
            offers,
            timeout,
            attempts: Vec::new(),
            unneeded: Vec::new(),
            due_now: None,
            has_failed: false,
            next_attempt: None,
            is_prolonged: false,
            ask_versions: None,
            give_up: None,
            failures: Vec::new(),
        }
    }

    /// Returns the addresses that are being tried.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.attempts.iter().map(|(_, address)| *address)
    }

    /// Returns the connections by which attempts are under way.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionKey> {
        self.attempts.iter().map(|(key, _)| *key)
    }

    /// Makes the first attempt.
    pub fn start<S: Default>(&mut self, context: &mut ShardContext<'_, S>) -> Progress {
        let give_up = context.now() + self.timeout;
        self.give_up = Some(give_up);
        self.ask_versions = give_up.checked_sub(VERSIONS_PATIENCE.min(self.timeout / 4));
        self.attempt(context)
    }

    /// Tries the next address that can be tried.
    fn attempt<S: Default>(&mut self, context: &mut ShardContext<'_, S>) -> Progress {
        self.next_attempt = None;
        self.is_prolonged = false;
        while let Some(address) = self.untried.pop_front() {
            let to = ConnectTo {
                remote: address,
                server_name: &self.target.server_name,
                connector: &self.offers.first,
            };
            match context.connect(&to, S::default()) {
                Ok(key) => {
                    self.attempts.push((key, address));
                    if !self.untried.is_empty() {
                        self.next_attempt = Some(context.now() + ATTEMPT_DELAY);
                    }
                    return Progress::Trying;
                }
                Err(error) => self.note(DialFailure::Impossible {
                    reason: error.to_string(),
                }),
            }
        }
        self.progress()
    }

    fn progress(&mut self) -> Progress {
        if !self.attempts.is_empty() {
            return Progress::Trying;
        }
        self.stop_waiting();
        let failures = std::mem::take(&mut self.failures);
        Progress::Failed(DialFailure::of_all(failures))
    }

    fn stop_waiting(&mut self) {
        self.give_up = None;
        self.ask_versions = None;
        self.next_attempt = None;
    }

    fn note(&mut self, failure: DialFailure) {
        self.failures.push(failure);
    }

    /// Notes that the attempts under way were not answered, and ends them; returns the failure
    /// of all.
    pub fn give_up<S>(&mut self, context: &mut ShardContext<'_, S>) -> DialFailure {
        let now = context.now();
        let after = self.timeout;
        for (key, address) in self.attempts.clone() {
            let stray = context.heard_of(address);
            let silence = match context.connection(key) {
                Some((connection, _)) => Silence::of(&connection, stray),
                None => Silence::default(),
            };
            self.note(DialFailure::NoAnswer {
                address,
                after,
                silence,
            });
        }
        self.abandon(now);
        DialFailure::of_all(std::mem::take(&mut self.failures))
    }

    /// Asks every server for its versions that has not answered: it may be there and ignore
    /// this client.
    fn ask_versions<S>(&mut self, context: &mut ShardContext<'_, S>) {
        for (key, address) in &self.attempts {
            let connection = context.connection(*key);
            if connection.is_some_and(|(connection, _)| !connection.is_answered()) {
                context.request_versions(*address);
            }
        }
    }

    /// Returns the instant at which the dialler wants to act.
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.due_now,
            self.next_attempt,
            self.ask_versions,
            self.give_up,
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Does what is due: closes attempts, tries the next address, or gives up.
    pub fn handle_deadline<S: Default>(&mut self, context: &mut ShardContext<'_, S>) -> Progress {
        let now = context.now();
        self.due_now = None;
        self.close_unneeded(context);
        if std::mem::take(&mut self.has_failed) {
            return self.handle_failure(context);
        }
        if let Some(due) = self.give_up.filter(|due| *due <= now) {
            if !stood_still(due, now) {
                return Progress::Failed(self.give_up(context));
            }
            self.give_up = Some(now + self.timeout);
        }
        if self.ask_versions.take_if(|due| *due <= now).is_some() {
            self.ask_versions(context);
        }
        if self.next_attempt.is_some_and(|due| due <= now) {
            if !self.is_prolonged && self.is_answered(context) {
                self.is_prolonged = true;
                self.next_attempt = Some(now + ATTEMPT_DELAY);
                return Progress::Trying;
            }
            return self.attempt(context);
        }
        Progress::Trying
    }

    /// Tells whether anybody has answered, be it in this turn, whose events are
    /// still to come: a process that stood still finds both, answer and deadline.
    fn is_answered<S>(&self, context: &mut ShardContext<'_, S>) -> bool {
        let mut attempts = self.connections();
        attempts.any(|key| {
            let connection = context.connection(key);
            connection.is_some_and(|(connection, _)| connection.datagrams_received() > 0)
        })
    }

    /// Ends the dialling because an attempt has connected.
    pub fn connected(&mut self, winner: &Connection<'_>) {
        self.attempts.retain(|(key, _)| *key != winner.key());
        self.abandon(winner.now());
    }

    /// Ends the dialling; attempts that are under way are closed at the next deadline.
    pub fn abandon(&mut self, now: Instant) {
        self.stop_waiting();
        self.has_failed = false;
        self.untried.clear();
        self.unneeded
            .extend(self.attempts.drain(..).map(|(key, _)| key));
        self.due_now = (!self.unneeded.is_empty()).then_some(now);
    }

    /// Closes the attempts that are not needed any more.
    pub fn close_unneeded<S>(&mut self, context: &mut ShardContext<'_, S>) {
        for key in self.unneeded.drain(..) {
            if let Some((mut connection, _)) = context.connection(key) {
                connection.close(CODE_DONE, "another address answered first");
            }
        }
    }

    /// Notes that a connection has closed, which may have been an attempt.
    pub fn closed(&mut self, connection: &Connection<'_>, reason: &CloseReason) {
        let key = connection.key();
        let Some(position) = self.attempts.iter().position(|(known, _)| *known == key) else {
            return;
        };
        let (_, address) = self.attempts.swap_remove(position);
        let reason = reason.clone();
        self.note(DialFailure::Handshake { address, reason });
        self.has_failed = true;
        self.due_now = Some(connection.now());
    }

    /// Closes the attempts to a peer that cannot be reached, after which it goes on; tells whether
    /// there were any.
    ///
    /// Port 0 means that `peer` is whoever sent the ICMP message: the target
    /// itself or a router on the way to the only one that is being tried. An
    /// address that has failed already may say so again, for each datagram.
    pub fn handle_unreachable<S: Default>(
        &mut self,
        context: &mut ShardContext<'_, S>,
        peer: SocketAddr,
        reason: &io::Error,
    ) -> bool {
        let by_icmp = peer.port() == 0;
        let mut targets = self.target.addresses.iter();
        let from_target = targets.any(|address| address.ip() == peer.ip());
        let only_one = self.attempts.len() == 1;
        let is_meant = |address: SocketAddr| match (by_icmp, from_target) {
            (false, _) => address == peer,
            (true, true) => address.ip() == peer.ip(),
            (true, false) => only_one,
        };
        let (failed, going): (Vec<_>, Vec<_>) = std::mem::take(&mut self.attempts)
            .into_iter()
            .partition(|(_, address)| is_meant(*address));
        self.attempts = going;
        let any = !failed.is_empty();
        for (key, address) in failed {
            self.note(DialFailure::unreachable(address, reason));
            if let Some((mut connection, _)) = context.connection(key) {
                connection.close(CODE_FAILED, "unreachable");
            }
            self.has_failed = true;
            self.due_now = Some(context.now());
        }
        any
    }

    /// Goes on after failed attempts: with the next address, or without ALPN
    /// if that alone was refused.
    fn handle_failure<S: Default>(&mut self, context: &mut ShardContext<'_, S>) -> Progress {
        let failures = self.failures.iter();
        let most_telling = failures.max_by_key(|failure| failure.weight());
        let Some(DialFailure::Handshake { address, reason }) = most_telling else {
            return self.attempt(context);
        };
        let refused = alpn_refused(reason);
        let ends_all = refused || matches!(reason, CloseReason::Violation { .. });
        if let Some(connector) = self.offers.without_alpn.take_if(|_| refused) {
            self.offers.first = connector;
            self.untried.push_front(*address);
            self.failures.clear();
            return match self.attempt(context) {
                Progress::Trying => Progress::WithoutAlpn,
                other => other,
            };
        }
        // Whoever is not to be trusted, or wants another protocol, is not
        // asked at another address.
        if ends_all {
            self.untried.clear();
            return self.progress();
        }
        self.attempt(context)
    }
}

/// Binds a socket for each family that is needed; a host may lack one of
/// them, and that address is then found to be impossible.
///
/// # Errors
/// The first [`BindError`] if no socket can be had.
pub fn bind(targets: &[SocketAddr]) -> Result<Vec<Socket>, BindError> {
    let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let v6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
    let mut sockets = Vec::new();
    let mut failure = None;
    for (local, needed) in [
        (v4, targets.iter().any(SocketAddr::is_ipv4)),
        (v6, targets.iter().any(SocketAddr::is_ipv6)),
    ] {
        if !needed {
            continue;
        }
        match Socket::bind(local, ReceiveErrors::Yes) {
            Ok(socket) => sockets.push(socket),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) if sockets.is_empty() => Err(error),
        _ => Ok(sockets),
    }
}

//! Finds the address at which the server answers, before load is put on it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use qecho_echo::dial::{CODE_DONE, CONFIRMATION_WAIT_MAX, DialFailure, Dialer, Offers, Progress};
use qecho_engine::{
    Application, CloseReason, Connection, ConnectionKey, Connector, Event, Handshake, ShardContext,
};

use super::{config::Config, events::Command};

/// Address at which the server answers, and what was agreed on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reached {
    /// Its address.
    pub address: SocketAddr,
    /// Result of the handshake.
    pub handshake: Handshake,
    /// From the first packet to the completed handshake.
    pub elapsed: Duration,
    /// Whether it refused ALPN `echo` and was asked again without.
    pub without_alpn: bool,
    /// Whether it takes DATAGRAM frames.
    pub takes_datagrams: bool,
}

/// Dials once and hangs up, as the application of a shard.
pub struct Probe {
    dialer: Dialer,
    offers: Offers,
    without_alpn: bool,
    outcome: Option<Result<Reached, DialFailure>>,
    is_stopped: bool,
    /// The attempt that has won.
    winner: Option<ConnectionKey>,
    /// When to hang up: once the handshake is confirmed, or when that has taken too
    /// long.
    hangs_up: Option<Instant>,
}

impl Probe {
    /// Makes a probe that makes these offers.
    pub fn new(config: &Config, offers: Offers) -> Self {
        Self {
            dialer: Dialer::new(config.target.clone(), offers.clone(), config.timeout),
            offers,
            without_alpn: false,
            outcome: None,
            is_stopped: false,
            winner: None,
            hangs_up: None,
        }
    }

    /// Returns how the server was reached, and a connector that offers what it
    /// took; `None` if the probe was stopped.
    ///
    /// # Errors
    /// [`DialFailure`] if the server was not reached.
    pub fn into_outcome(self) -> Option<Result<(Reached, Connector), DialFailure>> {
        let Offers {
            first,
            without_alpn,
        } = self.offers;
        let outcome = self.outcome?;
        Some(outcome.map(|reached| {
            let other = without_alpn.filter(|_| reached.without_alpn);
            (reached, other.unwrap_or(first))
        }))
    }

    fn handle_progress(&mut self, now: Instant, progress: Progress) {
        match progress {
            Progress::Trying => {}
            Progress::WithoutAlpn => self.without_alpn = true,
            Progress::Failed(failure) => self.end(now, Err(failure)),
        }
    }

    fn end(&mut self, now: Instant, outcome: Result<Reached, DialFailure>) {
        let wait = match outcome {
            Ok(_) => CONFIRMATION_WAIT_MAX,
            Err(_) => Duration::ZERO,
        };
        self.outcome.get_or_insert(outcome);
        self.hangs_up = Some(now + wait);
    }

    fn is_over(&self) -> bool {
        self.is_stopped || self.outcome.is_some()
    }
}

impl Application for Probe {
    type State = ();
    type Command = Command;

    fn start(&mut self, context: &mut ShardContext<'_, ()>) {
        let progress = self.dialer.start(context);
        self.handle_progress(context.now(), progress);
    }

    fn accept(&mut self, _: &mut Connection<'_>) {}

    fn handle_event(&mut self, connection: &mut Connection<'_>, (): &mut (), event: Event) {
        let now = connection.now();
        match event {
            Event::Connected if !self.is_over() => {
                let Some(handshake) = connection.handshake().cloned() else {
                    return;
                };
                let reached = Reached {
                    address: connection.remote_address(),
                    handshake,
                    elapsed: now - connection.began(),
                    without_alpn: self.without_alpn,
                    takes_datagrams: connection.datagram_max().is_some(),
                };
                self.winner = Some(connection.key());
                self.dialer.connected(connection);
                self.end(now, Ok(reached));
            }
            Event::Closed(reason) if !self.is_over() => {
                self.dialer.closed(connection, &reason);
            }
            Event::Confirmed | Event::Closed(_) if self.winner == Some(connection.key()) => {
                // A server may want a certificate to be shown.
                if let Event::Closed(reason @ CloseReason::Peer { .. }) = event {
                    let address = connection.remote_address();
                    self.outcome = Some(Err(DialFailure::Handshake { address, reason }));
                }
                self.hangs_up = Some(now);
            }
            _ => {}
        }
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, ()>, command: Command) {
        if command == Command::Stop {
            self.is_stopped = true;
            self.dialer.abandon(context.now());
            self.hangs_up = Some(context.now());
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.hangs_up, self.dialer.deadline()];
        deadlines.into_iter().flatten().min()
    }

    fn handle_deadline(&mut self, context: &mut ShardContext<'_, ()>) {
        // Before the dialler, which would close its attempts for another reason.
        if self.hangs_up.take_if(|due| *due <= context.now()).is_some() {
            context.shut_down(CODE_DONE, "");
        }
        let progress = self.dialer.handle_deadline(context);
        self.handle_progress(context.now(), progress);
    }

    fn handle_unreachable(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        peer: SocketAddr,
        reason: &std::io::Error,
    ) {
        if !self.is_over() {
            self.dialer.handle_unreachable(context, peer, reason);
        }
    }
}

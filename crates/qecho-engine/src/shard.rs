//! The shard: connections, driven by arguments alone.
//!
//! *Single-mutation invariant*: whatever changes a connection marks it dirty,
//! and [`Shard::drive`] drains every dirty connection completely: events to
//! the application, endpoint events both ways, transmits into the outbox, its
//! deadline into the timetable.

mod admission;
mod binding;
mod context;
mod deadlines;
mod entry;
mod events;
mod half_open;
mod inbound;
mod receive;
mod routes;
mod state;
mod telling;
mod transmit;
mod validation;
mod watch;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use bytes::BytesMut;

pub use self::context::{ConnectError, ConnectTo, ShardContext};
pub use self::entry::ConnectionKey;
pub(crate) use self::entry::ConnectionMeta;
pub use self::routes::RouteMtu;
use self::state::ShardState;
use crate::{
    application::Application, config::ShardConfig, crypto::TlsError, event::Event,
    outbox::Datagram, steering::Steering,
};
use qecho_packet::Observation;

/// A UDP datagram that one of the shard's addresses received.
#[derive(Debug)]
pub struct Received {
    /// Which of the shard's addresses received it.
    pub binding: usize,
    /// Who sent it.
    pub remote: SocketAddr,
    /// The address it was sent to, where the system tells it.
    pub local_ip: Option<IpAddr>,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
    /// The UDP payload.
    pub data: BytesMut,
}

/// One thread's share of an endpoint: addresses, connections, application.
///
/// A turn is: `handle_timeouts`, any number of `handle_datagram` and
/// `handle_command`, then [`drive`](Self::drive), and the outbox sent by
/// [`pop_datagram`](Self::pop_datagram) until it is empty. Before it is
/// dropped or waited on, a turn ends with every connection drained.
pub struct Shard<A: Application> {
    application: A,
    core: ShardState<A::State>,
}

impl<A: Application> Shard<A> {
    /// Makes a shard that sends and receives on `addresses`; a binding is
    /// named by its place in this list from here on.
    ///
    /// # Errors
    /// [`TlsError`] if the TLS settings cannot work.
    pub fn new(
        config: &ShardConfig,
        addresses: &[SocketAddr],
        application: A,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            application,
            core: ShardState::new(config, addresses)?,
        })
    }

    /// Starts the application.
    pub fn start(&mut self, now: Instant) {
        self.application
            .start(&mut ShardContext::new(&mut self.core, now));
    }

    /// Returns the application.
    pub fn application(&self) -> &A {
        &self.application
    }

    /// Returns the application and ends the shard without a word to its peers.
    pub fn into_application(self) -> A {
        self.application
    }

    /// Tells how many datagrams of equal length a binding may send at once.
    pub fn set_gso_segments(&mut self, binding: usize, segments: usize) {
        self.core.bindings[binding].gso_segments = segments.max(1);
    }

    /// Lets the shard ask what the routes to its peers can carry; until then,
    /// it takes them for an Ethernet's.
    pub fn set_surveyor(&mut self, surveyor: RouteMtu) {
        self.core.routes.set_surveyor(surveyor);
    }

    /// Returns how packets are divided among the shards of this one's server.
    pub fn steering(&self) -> Steering {
        self.core.steering.0
    }

    /// Returns which of those shards this is.
    pub fn index(&self) -> usize {
        self.core.steering.1
    }

    /// Returns how many connections there are, closing ones included.
    pub fn connections(&self) -> usize {
        self.core.connections()
    }

    /// Returns how many clients are let in but have not completed their
    /// handshake.
    pub fn half_open(&self) -> usize {
        self.core.admission.half_open()
    }

    /// Takes a datagram in.
    pub fn handle_datagram(&mut self, now: Instant, received: Received) {
        if let Some(watch) = &mut self.core.watch {
            let local = self.core.bindings[received.binding].address;
            watch.arrives(&received, local);
        }
        let disposition = self.process(now, received);
        if self.core.watch.is_some() {
            self.core.tell_arrival(now, disposition);
        }
    }

    /// Takes a letter for the application in.
    pub fn handle_command(&mut self, now: Instant, mail: A::Command) {
        self.application
            .handle_command(&mut ShardContext::new(&mut self.core, now), mail);
    }

    /// Passes a waker's wish on to the application.
    pub fn handle_wake(&mut self, now: Instant) {
        self.application
            .handle_wake(&mut ShardContext::new(&mut self.core, now));
    }

    /// Passes on that datagrams to `peer` fail.
    pub fn handle_unreachable(&mut self, now: Instant, peer: SocketAddr, reason: &io::Error) {
        self.application.handle_unreachable(
            &mut ShardContext::new(&mut self.core, now),
            peer,
            reason,
        );
    }

    /// Does what has become due.
    pub fn handle_timeouts(&mut self, now: Instant) {
        while let Some(key) = self.core.deadlines.pop_due(now) {
            let Some(entry) = self.core.entry(key) else {
                continue;
            };
            if entry.meta.is_to_be_forgotten(now) {
                self.core.forget(now, key);
                continue;
            }
            entry.handle_timeout(now);
            self.core.mark_dirty(key);
            if self.core.watch.is_some() {
                self.core.tell_recovery(now, key);
            }
        }
        self.core.handle_lifecycle(now);
        if self.application.deadline().is_some_and(|due| due <= now) {
            self.application
                .handle_deadline(&mut ShardContext::new(&mut self.core, now));
        }
    }

    /// Drains the connections that changed, each once, until the outbox is
    /// full: send it and call again while [`is_dirty`](Self::is_dirty).
    pub fn drive(&mut self, now: Instant) {
        for _ in 0..self.core.dirty.len() {
            if self.core.outbox.is_full() {
                return;
            }
            let Some(key) = self.core.dirty.pop_front() else {
                break;
            };
            self.drive_one(now, key);
        }
        self.core.handle_lifecycle(now);
    }

    fn drive_one(&mut self, now: Instant, key: ConnectionKey) {
        let Some(entry) = self.core.bindings[key.binding()].entry(key) else {
            return;
        };
        entry.meta.dirty = false;
        if std::mem::take(&mut entry.meta.turn_requested) {
            entry.deliver(&mut self.application, now, Event::TurnRequested);
        }
        // It is asked for what it sends until there is nothing, which costs as much as
        // a packet: again only if something has happened since.
        let mut is_first = true;
        loop {
            let Some(entry) = self.core.bindings[key.binding()].entry(key) else {
                return;
            };
            let mut quiet = !entry.poll_events(&mut self.application, now);
            quiet &= !self.core.exchange_endpoint_events(now, key);
            if quiet && !is_first {
                break;
            }
            is_first = false;
            quiet &= !self.core.poll_transmits(now, key);
            if quiet || self.core.outbox.is_full() {
                break;
            }
        }
        self.core.settle(now, key);
    }

    /// Tells whether connections wait to be driven: the next turn must not
    /// wait, unless the outbox is full.
    pub fn is_dirty(&self) -> bool {
        !self.core.dirty.is_empty()
    }

    /// Tells whether the outbox takes no more.
    pub fn is_full(&self) -> bool {
        self.core.outbox.is_full()
    }

    /// Takes the next datagram to send.
    pub fn pop_datagram(&mut self) -> Option<Datagram> {
        self.core.outbox.pop()
    }

    /// Puts back a datagram that the socket did not take.
    pub fn put_back(&mut self, datagram: Datagram) {
        self.core.outbox.put_back(datagram);
    }

    /// Notes that a datagram or batch was sent, or so many bytes of it, or why
    /// not. Who watches hears of it by this alone.
    pub fn note_sent(
        &mut self,
        now: Instant,
        datagram: &mut Datagram,
        outcome: Result<usize, &io::Error>,
    ) {
        if let Some(watch) = &mut self.core.watch {
            watch.sent(now, datagram, outcome);
        }
    }

    /// Takes the next thing that a watched shard has to tell, and when it was.
    pub fn pop_observation(&mut self) -> Option<(Instant, Observation)> {
        self.core.watch.as_mut()?.pop()
    }

    /// Gives back the buffer of a datagram that was sent.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.core.outbox.recycle(buffer);
    }

    /// Tells whether datagrams wait to be sent.
    pub fn has_datagrams(&self) -> bool {
        !self.core.outbox.is_empty()
    }

    /// Returns the instant at which this shard wants to be woken, if any.
    pub fn deadline(&self) -> Option<Instant> {
        [
            self.core.deadlines.first(),
            self.core.lifecycle_deadline(),
            self.application.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Tells whether the shard has shut down and every peer knows, or has had
    /// its time to answer.
    pub fn is_finished(&mut self, now: Instant) -> bool {
        self.core.is_finished(now)
    }
}

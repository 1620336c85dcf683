//! The shard: connections, driven by arguments alone.
//!
//! *Single-mutation invariant*: whatever changes a connection marks it dirty,
//! and [`Shard::drive`] drains every dirty connection completely: events to
//! the application, endpoint events both ways, transmits into the outbox, its
//! deadline into the timetable.

mod events;
mod receive;

use std::{io, net::SocketAddr, time::Instant};

use qecho_packet::Observation;

use crate::{
    application::Application,
    config::ShardConfig,
    connection::ConnectionKey,
    context::ShardContext,
    crypto::TlsError,
    datagram::{Datagram, Received},
    event::Event,
    state::{RouteMtu, ShardState},
    steering::Steering,
};

/// One thread's share of an endpoint: addresses, connections, application.
///
/// A turn is: `handle_timeouts`, any number of `handle_datagram` and
/// `handle_command`, then [`drive`](Self::drive), and the outbox sent by
/// [`pop_datagram`](Self::pop_datagram) until it is empty. Before it is
/// dropped or waited on, a turn ends with every connection drained.
pub struct Shard<A: Application> {
    application: A,
    state: ShardState<A::State>,
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
            state: ShardState::new(config, addresses)?,
        })
    }

    /// Starts the application.
    pub fn start(&mut self, now: Instant) {
        self.application
            .start(&mut ShardContext::new(&mut self.state, now));
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
        self.state.bindings[binding].gso_segments = segments.max(1);
    }

    /// Lets the shard ask what the routes to its peers can carry; until then,
    /// it takes them for an Ethernet's.
    pub fn set_surveyor(&mut self, surveyor: RouteMtu) {
        self.state.routes.set_surveyor(surveyor);
    }

    /// Returns how packets are divided among the shards of this one's server.
    pub fn steering(&self) -> Steering {
        self.state.steering.0
    }

    /// Returns which of those shards this is.
    pub fn index(&self) -> usize {
        self.state.steering.1
    }

    /// Returns how many connections there are, closing ones included.
    pub fn connections(&self) -> usize {
        self.state.connections()
    }

    /// Returns how many clients are let in but have not completed their
    /// handshake.
    pub fn half_open(&self) -> usize {
        self.state.admission.half_open()
    }

    /// Takes a datagram in.
    pub fn handle_datagram(&mut self, now: Instant, received: Received) {
        if let Some(tracing) = &mut self.state.tracing {
            let local = self.state.bindings[received.binding].address;
            tracing.begin_datagram(&received, local);
        }
        let disposition = self.process(now, received);
        if self.state.tracing.is_some() {
            self.state.trace_received(now, disposition);
        }
    }

    /// Takes a letter for the application in.
    pub fn handle_command(&mut self, now: Instant, mail: A::Command) {
        self.application
            .handle_command(&mut ShardContext::new(&mut self.state, now), mail);
    }

    /// Passes a waker's wish on to the application.
    pub fn handle_wake(&mut self, now: Instant) {
        self.application
            .handle_wake(&mut ShardContext::new(&mut self.state, now));
    }

    /// Passes on that datagrams to `peer` fail.
    pub fn handle_unreachable(&mut self, now: Instant, peer: SocketAddr, reason: &io::Error) {
        self.application.handle_unreachable(
            &mut ShardContext::new(&mut self.state, now),
            peer,
            reason,
        );
    }

    /// Does what has become due.
    pub fn handle_timeouts(&mut self, now: Instant) {
        while let Some(key) = self.state.deadlines.pop_due(now) {
            let Some(entry) = self.state.entry(key) else {
                continue;
            };
            if entry.is_to_be_forgotten(now) {
                self.state.forget(now, key);
                continue;
            }
            entry.handle_timeout(now);
            self.state.mark_dirty(key);
            if self.state.tracing.is_some() {
                self.state.trace_recovery(now, key);
            }
        }
        self.state.handle_lifecycle(now);
        if self.application.deadline().is_some_and(|due| due <= now) {
            self.application
                .handle_deadline(&mut ShardContext::new(&mut self.state, now));
        }
    }

    /// Drains the connections that changed, each once, until the outbox is
    /// full: send it and call again while [`is_dirty`](Self::is_dirty).
    pub fn drive(&mut self, now: Instant) {
        for _ in 0..self.state.dirty.len() {
            if self.state.outbox.is_full() {
                return;
            }
            let Some(key) = self.state.dirty.pop_front() else {
                break;
            };
            self.drive_one(now, key);
        }
        self.state.handle_lifecycle(now);
    }

    fn drive_one(&mut self, now: Instant, key: ConnectionKey) {
        let Some(entry) = self.state.bindings[key.binding()].entry(key) else {
            return;
        };
        entry.dirty = false;
        if std::mem::take(&mut entry.meta.turn_requested) {
            entry.deliver(&mut self.application, now, Event::TurnRequested);
        }
        // It is asked for what it sends until there is nothing, which costs as much as
        // a packet: again only if something has happened since.
        let mut is_first = true;
        loop {
            let Some(entry) = self.state.bindings[key.binding()].entry(key) else {
                return;
            };
            let mut quiet = !entry.poll_events(&mut self.application, now);
            quiet &= !self.state.exchange_endpoint_events(now, key);
            if quiet && !is_first {
                break;
            }
            is_first = false;
            quiet &= !self.state.poll_transmits(now, key);
            if quiet || self.state.outbox.is_full() {
                break;
            }
        }
        self.state.settle(now, key);
    }

    /// Tells whether connections wait to be driven: the next turn must not
    /// wait, unless the outbox is full.
    pub fn is_dirty(&self) -> bool {
        !self.state.dirty.is_empty()
    }

    /// Tells whether the outbox takes no more.
    pub fn is_full(&self) -> bool {
        self.state.outbox.is_full()
    }

    /// Takes the next datagram to send.
    pub fn pop_datagram(&mut self) -> Option<Datagram> {
        self.state.outbox.pop()
    }

    /// Puts back a datagram that the socket did not take.
    pub fn put_back(&mut self, datagram: Datagram) {
        self.state.outbox.put_back(datagram);
    }

    /// Notes that a datagram or batch was sent, or so many bytes of it, or why
    /// not. Who watches hears of it by this alone.
    pub fn note_sent(
        &mut self,
        now: Instant,
        datagram: &mut Datagram,
        outcome: Result<usize, &io::Error>,
    ) {
        if let Some(tracing) = &mut self.state.tracing {
            tracing.sent(now, datagram, outcome);
        }
    }

    /// Takes the next thing that a watched shard has to tell, and when it was.
    pub fn pop_observation(&mut self) -> Option<(Instant, Observation)> {
        self.state.tracing.as_mut()?.pop()
    }

    /// Gives back the buffer of a datagram that was sent.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.state.outbox.recycle(buffer);
    }

    /// Tells whether datagrams wait to be sent.
    pub fn has_datagrams(&self) -> bool {
        !self.state.outbox.is_empty()
    }

    /// Returns the instant at which this shard wants to be woken, if any.
    pub fn deadline(&self) -> Option<Instant> {
        [
            self.state.deadlines.first(),
            self.state.lifecycle_deadline(),
            self.application.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Tells whether the shard has shut down and every peer knows, or has had
    /// its time to answer.
    pub fn is_finished(&mut self, now: Instant) -> bool {
        self.state.is_finished(now)
    }
}

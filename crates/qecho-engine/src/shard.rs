//! The shard: connections, driven by arguments alone.
//!
//! *Single-mutation invariant*: whatever changes a connection marks it dirty,
//! and [`Shard::poll_output`] drains every dirty connection completely: events to
//! the application, endpoint events both ways, transmits into the outbox, its
//! deadline into the timetable.

mod events;
mod long_headers;
mod receive;

use std::{io, net::SocketAddr, time::Instant};

use qecho_packet::Observation;

use crate::{
    application::Application,
    config::ShardConfig,
    connection::ConnectionKey,
    context::ShardContext,
    counts::ShardCounts,
    crypto::TlsError,
    datagram::{Datagram, Received},
    event::Event,
    state::{RouteMtu, ShardState},
    steering::Steering,
};

/// One thread's share of an endpoint: addresses, connections, application.
///
/// A turn is [`handle_timeouts`](Self::handle_timeouts), any number of other inputs, and then
/// [`poll_output`](Self::poll_output) until it returns [`Output::Timeout`]. By then, every
/// connection is drained.
pub struct Shard<A: Application> {
    application: A,
    state: ShardState<A::State>,
    /// Whether the connections that changed were drained since the last timeout.
    is_driven: bool,
}

/// Output of a [`Shard`].
#[derive(Debug)]
pub enum Output {
    /// A datagram or batch to send; it is given back by [`Shard::note_sent`] or, if the socket
    /// does not take it now, [`Shard::put_back`].
    Datagram(Datagram),
    /// An observation, and its time; there are none unless
    /// [packets are traced](ShardConfig::with_packet_tracing).
    Observation(Instant, Observation),
    /// Instant at which the shard wants another turn if there is no input before; no later
    /// than now if it has more to do.
    Timeout(Option<Instant>),
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
            is_driven: false,
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

    /// Sets how many datagrams of equal length a binding may send at once.
    pub fn set_gso_segments(&mut self, binding: usize, segments: usize) {
        self.state.bindings[binding].gso_segments = segments.max(1);
    }

    /// Lets the shard ask what the routes to its peers can carry; until then,
    /// it takes them for an Ethernet's.
    pub fn set_route_mtu(&mut self, route_mtu: RouteMtu) {
        self.state.routes.route_mtu = Some(route_mtu);
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
        self.state.entries().count()
    }

    /// Returns how many clients are let in but have not completed their
    /// handshake.
    pub fn half_open(&self) -> usize {
        self.state.admission.half_open()
    }

    /// Returns what was counted beside the connections.
    pub fn counts(&self) -> &ShardCounts {
        &self.state.counts
    }

    /// Tells whether the windows of connections are small, because the process is near its
    /// memory's [limit](ShardConfig::with_memory_max).
    pub fn is_crowded(&self) -> bool {
        self.state
            .memory
            .as_ref()
            .is_some_and(|memory| memory.is_crowded)
    }

    /// Handles a datagram.
    pub fn handle_datagram(&mut self, now: Instant, received: Received) {
        self.trace_datagram(&received);
        let disposition = self.process(now, received);
        if self.state.tracing.is_some() {
            self.state.trace_received(now, disposition);
        }
    }

    /// Handles a datagram that was received at `at`, before or in this turn, and hands its
    /// events to the application at once, so that each of several answers has its own
    /// [time](crate::Connection::received_at). That costs more than
    /// [`handle_datagram`](Self::handle_datagram), where those of a turn go together.
    pub fn handle_datagram_at(&mut self, now: Instant, at: Instant, received: Received) {
        self.trace_datagram(&received);
        let disposition = self.process(now, received);
        if let Some(key) = disposition.connection()
            && let Some(entry) = self.state.bindings[key.binding()].entry(key)
        {
            entry.meta.received_at = Some(at);
            entry.poll_events(&mut self.application, now);
            entry.meta.received_at = None;
        }
        if self.state.tracing.is_some() {
            self.state.trace_received(at, disposition);
        }
    }

    fn trace_datagram(&mut self, received: &Received) {
        if let Some(tracing) = &mut self.state.tracing {
            let local = self.state.bindings[received.binding].address;
            tracing.begin_datagram(received, local);
        }
    }

    /// Notes how many bytes of memory the process holds, for its
    /// [limit](ShardConfig::with_memory_max): at every
    /// [`MEMORY_LOOK_INTERVAL`](crate::limits::MEMORY_LOOK_INTERVAL), about.
    pub fn note_resident_memory(&mut self, now: Instant, bytes: u64) {
        let Self {
            application, state, ..
        } = self;
        state.note_resident(now, bytes, |state| application.held_bytes(state));
    }

    /// Hands a command to the application.
    pub fn handle_command(&mut self, now: Instant, command: A::Command) {
        self.application
            .handle_command(&mut ShardContext::new(&mut self.state, now), command);
    }

    /// Tells the application that a waker was used.
    pub fn handle_wake(&mut self, now: Instant) {
        self.application
            .handle_wake(&mut ShardContext::new(&mut self.state, now));
    }

    /// Tells the application that datagrams to `peer` fail.
    pub fn handle_unreachable(&mut self, now: Instant, peer: SocketAddr, reason: &io::Error) {
        self.application.handle_unreachable(
            &mut ShardContext::new(&mut self.state, now),
            peer,
            reason,
        );
    }

    /// Begins a turn by what has become due.
    pub fn handle_timeouts(&mut self, now: Instant) {
        self.state.outbox.release();
        self.is_driven = false;
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

    /// Returns the next output of this turn.
    pub fn poll_output(&mut self, now: Instant) -> Output {
        loop {
            let tracing = self.state.tracing.as_mut();
            if let Some((at, observation)) = tracing.and_then(|tracing| tracing.pop()) {
                return Output::Observation(at, observation);
            }
            if let Some(datagram) = self.state.outbox.pop() {
                return Output::Datagram(datagram);
            }
            if std::mem::take(&mut self.is_driven) {
                return Output::Timeout(self.deadline(now));
            }
            // Also while nothing can be sent: what was received is the application's, and
            // timers go on.
            self.drive(now);
            self.is_driven = self.state.outbox.is_held() || !self.state.outbox.is_full();
        }
    }

    /// Drains the connections that changed, each once, until the outbox is full.
    fn drive(&mut self, now: Instant) {
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

    /// Puts back a datagram that its socket does not take now: it is the next to be sent, and
    /// nothing else is in this turn.
    pub fn put_back(&mut self, datagram: Datagram) {
        self.state.outbox.put_back(datagram);
    }

    /// Notes how many bytes of a datagram or batch were sent, or why none: packets are traced
    /// as sent by this alone. Its buffer is used again.
    pub fn note_sent(
        &mut self,
        now: Instant,
        datagram: Datagram,
        outcome: Result<usize, &io::Error>,
    ) {
        if let (Some(tracing), Some(name)) = (&mut self.state.tracing, datagram.trace) {
            tracing.sent(now, name, outcome);
        }
        self.state.outbox.recycle(datagram.contents);
    }

    fn deadline(&self, now: Instant) -> Option<Instant> {
        if !self.state.dirty.is_empty() && !self.state.outbox.is_held() {
            return Some(now);
        }
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

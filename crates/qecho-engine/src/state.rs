//! The shard without its application.

mod admission;
mod binding;
mod deadlines;
mod entry;
mod half_open;
mod inbound;
mod keep_alive;
mod memory;
mod outbox;
mod routes;
mod strangers;
mod tracing;
mod transmit;
mod validation;

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use qecho_packet::CloseReason;
use quinn_proto::{Endpoint, EndpointEvent, ServerConfig, Transmit, VarInt};

use self::{
    admission::Admission, binding::Binding, deadlines::Deadlines, memory::MemoryBound,
    outbox::Outbox, routes::Routes, strangers::Strangers, tracing::PacketTracing,
};
pub(crate) use self::{
    admission::Decision,
    entry::ConnectionEntry,
    inbound::Disposition,
    validation::{AddressValidation, AmplificationExceptions},
};
pub use self::{routes::RouteMtu, strangers::StrayDatagram};
use crate::{
    config::ShardConfig,
    connection::{Connection, ConnectionKey},
    connection_id::InitialCids,
    counts::ShardCounts,
    crypto::{PacketKeys, TlsError},
    limits::LINGER,
    server_shared::ServerShared,
    steering::Steering,
};

pub(crate) struct ShardState<S> {
    pub(crate) bindings: Vec<Binding<S>>,
    pub(crate) routes: Routes,
    pub(crate) admission: Admission,
    pub(crate) counts: ShardCounts,
    pub(crate) server_shared: ServerShared,
    /// Set if the memory of the process is limited.
    pub(crate) memory: Option<Box<MemoryBound>>,
    pub(crate) deadlines: Deadlines,
    pub(crate) dirty: VecDeque<ConnectionKey>,
    pub(crate) outbox: Outbox,
    pub(crate) initial_cids: InitialCids,
    /// Division of connection IDs among the shards of the server, and index of this one.
    pub(crate) steering: (Steering, usize),
    /// Whether datagrams of several connections may leave as one batch. To a
    /// server that steers by connection ID, the whole batch would go to one
    /// shard: only a server does so.
    joins: bool,
    pub(crate) exceptions: AmplificationExceptions,
    pub(crate) strangers: Strangers,
    /// Wraps the packet keys of all connections.
    pub(crate) keys: PacketKeys,
    /// Set if packets are traced.
    pub(crate) tracing: Option<Box<PacketTracing>>,
    lifecycle: Lifecycle,
}

/// Stage of a shard's life.
enum Lifecycle {
    Running,
    /// Newcomers are refused; live streams may finish.
    Draining {
        until: Instant,
        farewell: CloseFrame,
    },
    /// Every connection was closed; the answers are awaited.
    Closing {
        until: Instant,
    },
    /// The answers have had their time.
    Ended,
}

/// Code and reason of CONNECTION_CLOSE.
#[derive(Clone)]
pub(crate) struct CloseFrame {
    pub(crate) code: u64,
    pub(crate) reason: String,
}

impl<S> ShardState<S> {
    pub(crate) fn new(config: &ShardConfig, addresses: &[SocketAddr]) -> Result<Self, TlsError> {
        let settings = Arc::new(config.transport.clone());
        let bounds_initial = config.tls.is_some() && config.expects_certificates();
        let keys = PacketKeys::new(config.traces_packets, bounds_initial);
        let routes = Routes::new(config, keys.clone())?;
        let bindings = addresses
            .iter()
            .enumerate()
            .map(|(index, address)| {
                let endpoint = Endpoint::new(
                    config.endpoint_config(index),
                    routes.usual_server_config(),
                    true,
                    None,
                );
                Binding {
                    endpoint,
                    address: *address,
                    gso_segments: 1,
                    index,
                    connections: Vec::new(),
                    generation: 0,
                    settings: settings.clone(),
                }
            })
            .collect();
        Ok(Self {
            bindings,
            routes,
            admission: Admission::new(config.admission_settings(), config.server_shared.limits()),
            counts: ShardCounts::default(),
            server_shared: config.server_shared.clone(),
            memory: config.memory_max.map(|most| {
                let server = config.server_shared.clone();
                Box::new(MemoryBound::new(most, server))
            }),
            deadlines: Deadlines::default(),
            dirty: VecDeque::new(),
            exceptions: AmplificationExceptions::default(),
            strangers: Strangers::default(),
            outbox: Outbox::default(),
            steering: (config.steering(), config.server_shared.index()),
            joins: config.tls.is_some(),
            initial_cids: InitialCids::new(config.initial_cid_seed()),
            tracing: keys
                .plaintext()
                .map(|plaintext| Box::new(PacketTracing::new(plaintext.clone()))),
            keys,
            lifecycle: Lifecycle::Running,
        })
    }

    pub(crate) fn entry(&mut self, key: ConnectionKey) -> Option<&mut ConnectionEntry<S>> {
        self.bindings.get_mut(key.binding())?.entry(key)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &ConnectionEntry<S>> {
        self.bindings.iter().flat_map(Binding::entries)
    }

    fn connection_keys(&self) -> Vec<ConnectionKey> {
        self.entries().map(|entry| entry.meta.key).collect()
    }

    pub(crate) fn insert(&mut self, entry: ConnectionEntry<S>) {
        let key = entry.meta.key;
        self.bindings[key.binding()].insert(entry);
        self.mark_dirty(key);
    }

    pub(crate) fn mark_dirty(&mut self, key: ConnectionKey) {
        let Some(entry) = self.entry(key) else {
            return;
        };
        if !std::mem::replace(&mut entry.dirty, true) {
            self.dirty.push_back(key);
        }
    }

    /// Tells whether this shard accepts connections.
    pub(crate) fn is_server(&self) -> bool {
        self.joins
    }

    /// Returns the settings of a connection with a client.
    pub(crate) fn server_config(&mut self, peer: IpAddr) -> Option<Arc<ServerConfig>> {
        match self.begins_small() {
            true => self.routes.crowded_server_config(peer),
            false => self.routes.server_config(peer),
        }
    }

    /// Tells whether connections with clients begin with small windows. Where there may be early
    /// data, their windows are made small afterwards: who was allowed more by an earlier
    /// connection must not be allowed less (RFC 9000 §7.4.1).
    pub(crate) fn begins_small(&self) -> bool {
        let memory = self.memory.as_ref();
        memory.is_some_and(|memory| memory.is_crowded) && !self.routes.allows_early_data()
    }

    /// Queues an answer that belongs to no connection; when the outbox is full
    /// it is lost, as on a network.
    pub(crate) fn respond(&mut self, binding: usize, transmit: Transmit, contents: Vec<u8>) {
        if self.outbox.is_full() {
            self.keys.forget_sealed();
            return self.outbox.recycle(contents);
        }
        let trace = self.tracing.as_mut().map(|tracing| {
            let address = self.bindings[binding].address;
            tracing.queued(None, address, &transmit, &contents)
        });
        self.outbox.push(binding, transmit, contents, trace, 1);
    }

    /// Notes a datagram that belonged to no connection; from where, on a shard that only connects
    /// to others.
    pub(crate) fn note_unclaimed(&mut self, remote: SocketAddr) {
        self.counts.unclaimed += 1;
        if !self.joins {
            self.strangers.note(remote, StrayDatagram::NotQuic);
        }
    }

    /// Traces a datagram that was received, and what it changed.
    pub(crate) fn trace_received(&mut self, now: Instant, disposition: Disposition) {
        let Some(tracing) = &mut self.tracing else {
            return;
        };
        let key = disposition.connection();
        let entry = key.and_then(|key| self.bindings[key.binding()].entry(key));
        tracing.received(now, disposition, entry.map(|entry| &entry.proto));
        if let Some(key) = key {
            self.trace_recovery(now, key);
        }
    }

    /// Traces the recovery metrics of a connection, if they have changed.
    pub(crate) fn trace_recovery(&mut self, now: Instant, key: ConnectionKey) {
        let entry = self.bindings[key.binding()].entry(key);
        if let (Some(tracing), Some(entry)) = (&mut self.tracing, entry) {
            tracing.recovery(now, key, &entry.proto);
        }
    }

    /// Exchanges events with the endpoint; tells whether there were any.
    pub(crate) fn exchange_endpoint_events(&mut self, now: Instant, key: ConnectionKey) -> bool {
        let Binding {
            endpoint,
            connections,
            ..
        } = &mut self.bindings[key.binding()];
        let Some(Some(entry)) = connections.get_mut(key.handle().0) else {
            return false;
        };
        let (mut any, mut is_drained) = (false, false);
        while let Some(event) = entry.proto.poll_endpoint_events() {
            any = true;
            is_drained |= event.is_drained();
            if let Some(answer) = endpoint.handle_event(key.handle(), event) {
                entry.proto.handle_event(answer);
            }
        }
        if is_drained {
            self.remove(now, key);
        }
        any
    }

    /// Forgets a connection before its time.
    pub(crate) fn forget(&mut self, now: Instant, key: ConnectionKey) {
        let endpoint = &mut self.bindings[key.binding()].endpoint;
        endpoint.handle_event(key.handle(), EndpointEvent::drained());
        self.remove(now, key);
    }

    fn remove(&mut self, now: Instant, key: ConnectionKey) {
        let Some(mut entry) = self.bindings[key.binding()].remove(key) else {
            return;
        };
        if let Some(tracing) = &mut self.tracing {
            tracing.closed(now, key, entry.untraced_close.take());
            tracing.removed(now, key);
        }
        self.deadlines.remove(key, &mut entry.scheduled);
        if let Some(permit) = entry.permit.take() {
            self.admission.leave(permit);
        }
    }

    /// Moves what a connection has to send into the outbox; tells whether
    /// that has changed anything.
    pub(crate) fn poll_transmits(&mut self, now: Instant, key: ConnectionKey) -> bool {
        let binding = &mut self.bindings[key.binding()];
        let gso_segments = binding.gso_segments;
        let address = binding.address;
        let Some(entry) = binding.entry(key) else {
            return false;
        };
        let mut any = false;
        let was_closed = entry.proto.is_closed();
        while !self.outbox.is_full() {
            let mut contents = self.outbox.buffer();
            let Some(transmit) = entry.poll_transmit(now, gso_segments, &self.keys, &mut contents)
            else {
                self.outbox.recycle(contents);
                break;
            };
            any = true;
            let tracing = self.tracing.as_mut();
            let trace =
                tracing.map(|tracing| tracing.queued(Some(key), address, &transmit, &contents));
            let joined_max = if self.joins { gso_segments } else { 1 };
            self.outbox
                .push(key.binding(), transmit, contents, trace, joined_max);
        }
        if any && was_closed {
            entry.note_told();
        }
        // Sending can end a connection, when nothing can be sent lawfully.
        any || entry.proto.is_closed() != was_closed
    }

    /// Ends a connection's part of the turn.
    pub(crate) fn settle(&mut self, now: Instant, key: ConnectionKey) {
        let draining = match &self.lifecycle {
            Lifecycle::Draining { farewell, .. } => Some(farewell.clone()),
            _ => None,
        };
        let unfinished = self.outbox.is_full();
        let Some(entry) = self.bindings[key.binding()].entry(key) else {
            return;
        };
        // A handshake that failed counts until its connection has drained:
        // failing must not be the way past the limits.
        if let (Some(_), Some(permit)) = (&entry.meta.handshake, &mut entry.permit) {
            self.admission.handshake_over(permit);
            if entry.reported_closed {
                self.admission.closed(permit, key);
            }
        }
        if entry.reported_closed {
            entry.note_closed(now);
            if entry.is_told() {
                return self.forget(now, key);
            }
        }
        if let Some(tracing) = &mut self.tracing {
            tracing.closed(now, key, entry.untraced_close.take());
        }
        let deadline = entry.deadline();
        self.deadlines.schedule(key, &mut entry.scheduled, deadline);
        let again = entry.meta.turn_requested;
        let closed = entry.reported_closed;
        if let (Some(farewell), false) = (draining, closed) {
            self.close_if_idle(now, key, &farewell);
        }
        if again || unfinished {
            self.mark_dirty(key);
        }
    }

    fn close_if_idle(&mut self, now: Instant, key: ConnectionKey, farewell: &CloseFrame) {
        let Some(entry) = self.entry(key) else {
            return;
        };
        let mut connection = Connection::new(&mut entry.proto, &mut entry.meta, now);
        if !connection.has_open_streams() {
            self.close(now, key, farewell);
        }
    }

    fn close(&mut self, now: Instant, key: ConnectionKey, farewell: &CloseFrame) {
        let Some(entry) = self.entry(key) else {
            return;
        };
        if entry.proto.is_closed() {
            return;
        }
        entry.meta.close_locally(CloseReason::Local);
        let code = VarInt::from_u64(farewell.code).unwrap_or(VarInt::MAX);
        entry
            .proto
            .close(now, code, farewell.reason.clone().into_bytes().into());
        self.mark_dirty(key);
    }

    /// Lets nobody in any more and live streams finish until `until`.
    pub(crate) fn drain(&mut self, until: Instant, farewell: CloseFrame) {
        if !matches!(self.lifecycle, Lifecycle::Running) {
            return;
        }
        self.admission.close_for_good();
        self.lifecycle = Lifecycle::Draining { until, farewell };
        for key in self.connection_keys() {
            self.mark_dirty(key);
        }
    }

    /// Closes every connection and waits a moment for the answers.
    pub(crate) fn shut_down(&mut self, now: Instant, farewell: &CloseFrame) {
        if matches!(self.lifecycle, Lifecycle::Closing { .. } | Lifecycle::Ended) {
            return;
        }
        self.admission.close_for_good();
        for key in self.connection_keys() {
            self.close(now, key, farewell);
        }
        let until = now + LINGER;
        self.lifecycle = Lifecycle::Closing { until };
    }

    pub(crate) fn handle_lifecycle(&mut self, now: Instant) {
        if let Lifecycle::Closing { until } = self.lifecycle
            && until <= now
        {
            self.lifecycle = Lifecycle::Ended;
        }
        let Lifecycle::Draining { until, farewell } = &self.lifecycle else {
            return;
        };
        let all_closed = || self.entries().all(|entry| entry.proto.is_closed());
        if *until <= now || all_closed() {
            let farewell = farewell.clone();
            self.shut_down(now, &farewell);
        }
    }

    pub(crate) fn lifecycle_deadline(&self) -> Option<Instant> {
        match self.lifecycle {
            Lifecycle::Running | Lifecycle::Ended => None,
            Lifecycle::Draining { until, .. } | Lifecycle::Closing { until } => Some(until),
        }
    }

    pub(crate) fn is_finished(&self, now: Instant) -> bool {
        let until = match self.lifecycle {
            Lifecycle::Running | Lifecycle::Draining { .. } => return false,
            Lifecycle::Closing { until } => until,
            Lifecycle::Ended => return true,
        };
        until <= now
            || (self.outbox.is_empty()
                && self.dirty.is_empty()
                && self.entries().all(ConnectionEntry::is_settled))
    }
}

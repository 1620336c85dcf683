//! The shard: connections, driven by arguments alone.
//!
//! *Single-mutation invariant*: whatever changes a connection marks it dirty,
//! and [`Shard::drive`] drains every dirty connection completely: events to
//! the application, endpoint events both ways, transmits into the outbox, its
//! deadline into the timetable.

mod admission;
mod arrival;
mod binding;
mod control;
mod core;
mod deadlines;
mod entry;
mod telling;
mod watch;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use bytes::BytesMut;
use quinn_proto::{DatagramEvent, EcnCodepoint, EndpointEvent, Incoming};

pub use self::control::{ConnectError, ConnectTo, Control};
pub use self::entry::ConnectionKey;
pub(crate) use self::entry::Meta;
use self::{admission::Decision, arrival::Fate, core::Core, entry::Entry};
use crate::{
    application::{Application, TurnedAway},
    config::ShardConfig,
    connection::Connection,
    crypto::TlsError,
    event::{CloseReason, Event},
    observation::Observation,
    outbox::Datagram,
    stream_id::Side,
};

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
/// `handle_mail`, then [`drive`](Self::drive), and the outbox sent by
/// [`pop_datagram`](Self::pop_datagram) until it is empty. Before it is
/// dropped or waited on, a turn ends with every connection drained.
pub struct Shard<A: Application> {
    application: A,
    core: Core<A::State>,
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
            core: Core::new(config, addresses)?,
        })
    }

    /// Starts the application.
    pub fn start(&mut self, now: Instant) {
        self.application
            .start(&mut Control::new(&mut self.core, now));
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
        let fate = self.process(now, received);
        if self.core.watch.is_some() {
            self.core.tell_arrival(now, fate);
        }
    }

    fn process(&mut self, now: Instant, received: Received) -> Fate {
        let Received {
            binding,
            remote,
            local_ip,
            ecn,
            data,
        } = received;
        let mut response = self.core.outbox.buffer();
        let endpoint = &mut self.core.bindings[binding].endpoint;
        let ecn = EcnCodepoint::from_bits(ecn);
        match endpoint.handle(now, remote, local_ip, ecn, data, &mut response) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                self.core.outbox.recycle(response);
                let key = self.core.bindings[binding].key(handle);
                let Some(entry) = key.and_then(|key| self.core.entry(key)) else {
                    return Fate::Unknown;
                };
                let was_closed = entry.proto.is_closed();
                entry.proto.handle_event(event);
                entry.heard(now);
                let key = entry.meta.key;
                self.core.mark_dirty(key);
                Fate::Handed(key, was_closed)
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                self.admit(now, binding, incoming, response)
            }
            Some(DatagramEvent::Response(transmit)) => {
                self.core.respond(binding, transmit, response);
                Fate::Unknown
            }
            None => {
                self.core.outbox.recycle(response);
                Fate::Unknown
            }
        }
    }

    /// Decides on a client's first packet in the turn it arrives.
    fn admit(
        &mut self,
        now: Instant,
        binding: usize,
        incoming: Incoming,
        mut response: Vec<u8>,
    ) -> Fate {
        let peer = incoming.remote_address();
        let remote = peer.ip();
        let validated = incoming.remote_address_validated();
        let endpoint = &mut self.core.bindings[binding].endpoint;
        match self.core.admission.decide(remote, validated) {
            Decision::Accept => {}
            Decision::Retry => {
                match endpoint.retry(incoming, &mut response) {
                    Ok(transmit) => self.core.respond(binding, transmit, response),
                    Err(error) => {
                        let transmit = endpoint.refuse(error.into_incoming(), &mut response);
                        self.core.respond(binding, transmit, response);
                        return Fate::Refused;
                    }
                }
                return Fate::Retried;
            }
            Decision::Refuse => {
                let transmit = endpoint.refuse(incoming, &mut response);
                self.core.respond(binding, transmit, response);
                self.application.turned_away(now, peer, &TurnedAway::Full);
                return Fate::Refused;
            }
        }
        let original_destination = *incoming.orig_dst_cid();
        match endpoint.accept(incoming, now, &mut response, None) {
            Ok((handle, mut proto)) => {
                self.core.outbox.recycle(response);
                // A first packet that closes its own connection leaves one
                // whose only timer is the idle timeout.
                if proto.is_closed() {
                    endpoint.handle_event(handle, EndpointEvent::drained());
                    return Fate::Failed;
                }
                let ticket = self.core.admission.enter(remote, validated);
                let mut meta = self.core.bindings[binding].meta(handle, now);
                meta.admit(ticket, now);
                let key = meta.key;
                if let Some(watch) = &mut self.core.watch {
                    let addresses = (self.core.bindings[binding].address, peer);
                    watch.began(now, key, addresses, Side::Server, &original_destination);
                    meta.number = watch.number(key);
                }
                let state = self
                    .application
                    .accept(&mut Connection::new(&mut proto, &mut meta, now));
                self.core.insert(Entry { proto, meta, state });
                Fate::Admitted(key)
            }
            Err(error) => {
                match error.response {
                    Some(transmit) => self.core.respond(binding, transmit, response),
                    None => self.core.outbox.recycle(response),
                }
                let reason = TurnedAway::Handshake(error.cause.into());
                self.application.turned_away(now, peer, &reason);
                Fate::Failed
            }
        }
    }

    /// Takes a letter for the application in.
    pub fn handle_mail(&mut self, now: Instant, mail: A::Mail) {
        self.application
            .handle_mail(&mut Control::new(&mut self.core, now), mail);
    }

    /// Passes a waker's wish on to the application.
    pub fn handle_wake(&mut self, now: Instant) {
        self.application
            .handle_wake(&mut Control::new(&mut self.core, now));
    }

    /// Passes on that datagrams to `peer` fail.
    pub fn handle_unreachable(&mut self, now: Instant, peer: SocketAddr, reason: &io::Error) {
        self.application
            .handle_unreachable(&mut Control::new(&mut self.core, now), peer, reason);
    }

    /// Does what has become due.
    pub fn handle_timeouts(&mut self, now: Instant) {
        while let Some(key) = self.core.deadlines.pop_due(now) {
            let Some(entry) = self.core.entry(key) else {
                continue;
            };
            entry.handle_timeout(now);
            self.core.mark_dirty(key);
            if self.core.watch.is_some() {
                self.core.tell_recovery(now, key);
            }
        }
        self.core.handle_lifecycle(now);
        if self.application.deadline().is_some_and(|due| due <= now) {
            self.application
                .handle_deadline(&mut Control::new(&mut self.core, now));
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
        if std::mem::take(&mut entry.meta.again) {
            entry.deliver(&mut self.application, now, Event::Again);
        }
        loop {
            let Some(entry) = self.core.bindings[key.binding()].entry(key) else {
                return;
            };
            let mut quiet = !entry.poll_events(&mut self.application, now);
            quiet &= !self.core.exchange_endpoint_events(now, key);
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

impl<S> Entry<S> {
    /// Hands an event to the application.
    fn deliver<A: Application<State = S>>(
        &mut self,
        application: &mut A,
        now: Instant,
        event: Event,
    ) {
        if self.meta.reported_closed {
            return;
        }
        if let Event::Closed(reason) = &event {
            self.meta.reported_closed = true;
            self.meta.untold_close = Some(Box::new(reason.clone()));
        }
        let mut connection = Connection::new(&mut self.proto, &mut self.meta, now);
        application.handle_event(&mut connection, &mut self.state, event);
    }

    /// Hands everything that happened to the application; tells whether there
    /// was anything.
    fn poll_events<A: Application<State = S>>(
        &mut self,
        application: &mut A,
        now: Instant,
    ) -> bool {
        let mut any = false;
        while let Some(event) = self.proto.poll() {
            any = true;
            self.translate(application, now, event);
        }
        if let Some(reason) = self.meta.take_local_close() {
            any = true;
            self.deliver(application, now, Event::Closed(reason));
        }
        any
    }

    fn translate<A: Application<State = S>>(
        &mut self,
        application: &mut A,
        now: Instant,
        event: quinn_proto::Event,
    ) {
        use quinn_proto::{Event as Proto, StreamEvent as Stream};
        let event = match event {
            Proto::HandshakeDataReady => return,
            Proto::Connected => {
                self.note_handshake();
                Event::Connected
            }
            Proto::ConnectionLost { reason } => Event::Closed(CloseReason::from(reason)),
            Proto::DatagramReceived => Event::DatagramReceived,
            Proto::DatagramsUnblocked => Event::DatagramsUnblocked,
            Proto::Stream(Stream::Opened { dir }) => {
                while let Some(id) = self.accept_stream(dir) {
                    self.deliver(application, now, Event::Opened(id));
                    self.meta.allow_streams(&mut self.proto, id.direction());
                }
                return;
            }
            Proto::Stream(Stream::Readable { id }) => Event::Readable(id.into()),
            Proto::Stream(Stream::Writable { id }) => Event::Writable(id.into()),
            Proto::Stream(Stream::Finished { id }) => Event::Finished(id.into()),
            Proto::Stream(Stream::Stopped { id, error_code }) => {
                Event::Stopped(id.into(), error_code.into_inner())
            }
            Proto::Stream(Stream::Available { dir }) => Event::StreamsAvailable(dir.into()),
        };
        self.deliver(application, now, event);
    }
}

//! Received datagrams: a connection's, a new client's, or nobody's.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use qecho_packet::{CloseReason, Dir, Side, StreamId, close::PROTOCOL_VIOLATION};
use quinn_proto::{
    ConnectionEvent, ConnectionHandle, DatagramEvent, EcnCodepoint, EndpointEvent, Event, Incoming,
    ReadableError, Transmit, VarInt,
};

use super::{Shard, long_headers};
use crate::{
    application::{Application, RejectReason},
    connection::{Connection, ConnectionKey, ConnectionMeta},
    connection_limits::Refusal,
    crypto::PacketSigns,
    datagram::Received,
    limits::LONG_HEADER_DATAGRAM_MAX,
    proto::{ToOurs, ToProto},
    state::{
        AddressValidation, AmplificationExceptions, ConnectionEntry, Decision, Disposition,
        ShardState, StrayDatagram,
    },
};

impl<A: Application> Shard<A> {
    pub(super) fn process(&mut self, now: Instant, received: Received) -> Disposition {
        let Received {
            binding,
            remote,
            local_ip,
            ecn,
            data,
        } = received;
        let size = data.len();
        if !self.can_be_meant(remote, &data) {
            self.state.counts.oversized += 1;
            return Disposition::Oversized;
        }
        if self.state.strangers.take_answer(remote, &data) {
            return Disposition::Unknown;
        }
        let mut response = self.state.outbox.buffer();
        if data.first().is_some_and(|first| first & 0x80 != 0) {
            let is_server = self.state.is_server();
            if is_server && long_headers::negotiates(&data, &mut response) {
                let transmit = Transmit {
                    destination: remote,
                    ecn: None,
                    size: response.len(),
                    segment_size: None,
                    src_ip: local_ip,
                };
                self.state.respond(binding, transmit, response);
                self.state.counts.unclaimed += 1;
                return Disposition::Unknown;
            }
            if !is_server && long_headers::has_token(&data) {
                self.state.outbox.recycle(response);
                return Disposition::WithToken;
            }
        }
        let endpoint = &mut self.state.bindings[binding].endpoint;
        let ecn = EcnCodepoint::from_bits(ecn);
        match endpoint.handle(now, remote, local_ip, ecn, data, &mut response) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                self.state.outbox.recycle(response);
                let key = self.state.bindings[binding].key(handle);
                let Some(entry) = key.and_then(|key| self.state.entry(key)) else {
                    self.state.counts.unclaimed += 1;
                    return Disposition::Unknown;
                };
                let was_closed = entry.proto.is_closed();
                let key = entry.meta.key;
                self.state.hand_over(now, key, remote, size, event);
                Disposition::Handed(key, was_closed)
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                self.admit(now, (binding, size), incoming, response)
            }
            Some(DatagramEvent::Response(transmit)) => {
                self.state.respond(binding, transmit, response);
                self.state.note_unclaimed(remote);
                Disposition::Unknown
            }
            None => {
                self.state.outbox.recycle(response);
                self.state.note_unclaimed(remote);
                Disposition::Unknown
            }
        }
    }

    /// Tells whether a datagram is no larger than one that somebody can have a reason to
    /// send.
    fn can_be_meant(&mut self, remote: SocketAddr, data: &[u8]) -> bool {
        let has_long_header = data.first().is_some_and(|first| first & 0x80 != 0);
        match has_long_header {
            true => data.len() <= LONG_HEADER_DATAGRAM_MAX,
            false => self.state.routes.can_bring(remote.ip(), data.len()),
        }
    }

    /// Lets those go that are in the way of a client from `remote`.
    fn make_room(&mut self, now: Instant, remote: IpAddr) {
        while let Some(key) = self.state.admission.in_the_way(now, remote) {
            if self.state.end_handshake_count(key) {
                continue;
            }
            if let Some(entry) = self.state.entry(key) {
                entry.give_up_handshake(now, CloseReason::CrowdedOut);
                entry.poll_events(&mut self.application, now);
                self.state.poll_transmits(now, key);
            }
            self.state.forget(now, key);
        }
    }

    /// Decides on a client's first packet in the turn it arrives.
    fn admit(
        &mut self,
        now: Instant,
        (binding, size): (usize, usize),
        incoming: Incoming,
        mut response: Vec<u8>,
    ) -> Disposition {
        let peer = incoming.remote_address();
        let remote = peer.ip();
        let validated = incoming.remote_address_validated();
        match self.state.admission.decide(remote, validated) {
            Decision::Accept => {}
            Decision::Retry => return self.state.retry(binding, incoming, response),
            Decision::Refuse(refusal) => {
                return self.refuse(now, (binding, refusal), incoming, response);
            }
        }
        self.make_room(now, remote);
        let mut permit = match self.state.admission.enter(remote, validated) {
            Ok(permit) => permit,
            Err(refusal) => return self.refuse(now, (binding, refusal), incoming, response),
        };
        let original = *incoming.orig_dst_cid();
        let config = self.state.server_config(remote);
        let endpoint = &mut self.state.bindings[binding].endpoint;
        let accepted = endpoint.accept(incoming, now, &mut response, config);
        let signs = self.state.keys.take_signs().unwrap_or_default();
        match accepted {
            Ok((handle, mut proto)) => {
                if proto.is_closed() {
                    self.state.admission.leave(permit);
                    return self.answer_stillborn(now, (binding, handle), proto, response);
                }
                self.state.outbox.recycle(response);
                let mut meta = self.state.meta(binding, handle, now, &mut proto);
                let key = meta.key;
                let deadline = self.state.admission.begin_handshake(&mut permit, now, key);
                let number = self.state.server_shared.next_connection();
                meta.number = Some(number);
                if let Some(tracing) = &mut self.state.tracing {
                    let addresses = (self.state.bindings[binding].address, peer);
                    tracing.started(now, (key, number), addresses, Side::Server, &original);
                }
                let state = self
                    .application
                    .accept(&mut Connection::new(&mut proto, &mut meta, now));
                let mut entry = ConnectionEntry::new(proto, meta, state);
                let validation = AddressValidation::new(now, (peer, validated), size);
                entry.admit(permit, deadline, validation);
                entry.note_refused(signs.refused);
                self.state.insert(entry);
                self.state.counts.accepted += 1;
                Disposition::Admitted(key)
            }
            Err(error) => {
                self.state.admission.leave(permit);
                match error.response {
                    Some(transmit) => self.state.respond(binding, transmit, response),
                    None => self.state.outbox.recycle(response),
                }
                let reason = match signs.refused {
                    0 => RejectReason::Handshake(error.cause.to_ours()),
                    _ => RejectReason::Handshake(too_fragmented()),
                };
                self.application.turned_away(now, peer, &reason);
                Disposition::Failed
            }
        }
    }

    /// Forgets a connection that its first datagram has closed, whose only timer would be the
    /// idle timeout; sends the CONNECTION_CLOSE of an error (RFC 9000 §10.2.3, §11.1).
    fn answer_stillborn(
        &mut self,
        now: Instant,
        (binding, handle): (usize, ConnectionHandle),
        mut proto: quinn_proto::Connection,
        mut response: Vec<u8>,
    ) -> Disposition {
        let peer = proto.remote_address();
        match proto.poll_transmit(now, 1, &mut response) {
            Some(transmit) => self.state.respond(binding, transmit, response),
            None => self.state.outbox.recycle(response),
        }
        while let Some(event) = proto.poll() {
            if let Event::ConnectionLost { reason } = event {
                let reason = RejectReason::Handshake(reason.to_ours());
                self.application.turned_away(now, peer, &reason);
            }
        }
        let endpoint = &mut self.state.bindings[binding].endpoint;
        endpoint.handle_event(handle, EndpointEvent::drained());
        Disposition::Failed
    }

    /// Turns a client away with CONNECTION_REFUSED.
    fn refuse(
        &mut self,
        now: Instant,
        (binding, refusal): (usize, Refusal),
        incoming: Incoming,
        mut response: Vec<u8>,
    ) -> Disposition {
        let peer = incoming.remote_address();
        let endpoint = &mut self.state.bindings[binding].endpoint;
        let transmit = endpoint.refuse(incoming, &mut response);
        self.state.respond(binding, transmit, response);
        let reason = RejectReason::Refused(refusal);
        self.application.turned_away(now, peer, &reason);
        Disposition::Refused
    }
}

impl<S> ShardState<S> {
    /// Lets a client first prove its address, or turns it away if it cannot.
    fn retry(&mut self, binding: usize, incoming: Incoming, mut response: Vec<u8>) -> Disposition {
        let endpoint = &mut self.bindings[binding].endpoint;
        let (transmit, disposition) = match endpoint.retry(incoming, &mut response) {
            Ok(transmit) => {
                self.counts.retries += 1;
                (transmit, Disposition::Retried)
            }
            Err(error) => {
                let transmit = endpoint.refuse(error.into_incoming(), &mut response);
                (transmit, Disposition::Refused)
            }
        };
        self.respond(binding, transmit, response);
        disposition
    }

    /// Makes the record of a client's connection.
    fn meta(
        &mut self,
        binding: usize,
        handle: ConnectionHandle,
        now: Instant,
        proto: &mut quinn_proto::Connection,
    ) -> ConnectionMeta {
        let mut meta = self.bindings[binding].meta(handle, now, proto);
        if self.memory.as_ref().is_some_and(|memory| memory.is_crowded) {
            meta.shrink_windows(proto, self.begins_small());
        }
        meta
    }

    /// Counts a handshake as over that is complete, though its connection was not driven yet;
    /// tells whether it was.
    fn end_handshake_count(&mut self, key: ConnectionKey) -> bool {
        let Some(entry) = self.bindings[key.binding()].entry(key) else {
            return false;
        };
        let is_complete = !entry.proto.is_handshaking() && !entry.proto.is_closed();
        match &mut entry.permit {
            Some(permit) if is_complete => self.admission.handshake_over(permit),
            _ => false,
        }
    }

    /// Hands a datagram to its connection.
    fn hand_over(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        remote: SocketAddr,
        size: usize,
        event: ConnectionEvent,
    ) {
        let Some(entry) = self.bindings[key.binding()].entry(key) else {
            return;
        };
        let path = entry.proto.remote_address();
        let is_limited = entry.is_limited || remote != path;
        if remote != path && entry.proto.side().is_client() {
            self.strangers.note(path, StrayDatagram::From(remote));
        }
        match &mut entry.validation {
            Some(validation) if is_limited => validation.received(now, remote, size, path),
            _ => {}
        }
        self.keys.follow_paths(is_limited);
        entry.proto.handle_event(event);
        entry.note_received(now, size);
        let signs = self.keys.take_signs();
        if signs.is_some() || is_limited {
            let paths = (remote, path, &mut self.exceptions);
            entry.note_signs(now, paths, signs.unwrap_or_default());
        }
        self.mark_dirty(key);
    }
}

impl<S> ConnectionEntry<S> {
    /// Notes what the packets of a datagram from `remote` have shown; `path` is where packets
    /// were sent before.
    fn note_signs(
        &mut self,
        now: Instant,
        (remote, path, exceptions): (SocketAddr, SocketAddr, &mut AmplificationExceptions),
        signs: PacketSigns,
    ) {
        if self.note_refused(signs.refused) {
            self.close_for_fragments(now);
        }
        if signs.challenged {
            self.note_challenged(now);
        }
        if let Some(tracker) = signs.crowded {
            tracker.forget_streams(|id| self.is_receiving(id));
        }
        let new_path = self.proto.remote_address();
        if new_path != path {
            self.follow_path();
        }
        let Some(validation) = &mut self.validation else {
            return;
        };
        // RFC 9000 §8.1: a Handshake packet could not be made without what was sent there.
        if signs.handshake && remote == path && self.meta.handshake.is_none() {
            validation.validate(remote);
        }
        for response in signs.path_responses {
            validation.responded(remote, response);
        }
        if new_path != path {
            validation.moved(now, new_path, exceptions);
        }
        self.is_limited = !validation.is_over(new_path);
    }

    /// Tells whether the state machine still takes data on a stream.
    fn is_receiving(&mut self, id: u64) -> bool {
        let id = StreamId::from_value(id);
        if id.direction() == Dir::Unidirectional && id.initiator() == self.proto.side().to_ours() {
            return false;
        }
        let mut stream = self.proto.recv_stream(id.to_proto());
        !matches!(stream.read(true), Err(ReadableError::ClosedStream))
    }

    /// Closes a connection whose peer sends such packets again and again: with an application
    /// code, since the state machine closes with no others for us.
    fn close_for_fragments(&mut self, now: Instant) {
        self.meta.close_locally(too_fragmented());
        self.proto
            .close(now, VarInt::from_u32(0), TOO_FRAGMENTED.into());
    }
}

const TOO_FRAGMENTED: &str = "packets whose frames leave too many gaps";

fn too_fragmented() -> CloseReason {
    CloseReason::Violation {
        code: PROTOCOL_VIOLATION,
        reason: TOO_FRAGMENTED.into(),
    }
}

//! What becomes of a datagram: a connection's, a new client's, or nobody's.

use std::time::Instant;

use quinn_proto::{DatagramEvent, EcnCodepoint, EndpointEvent, Incoming};

use super::{Received, Shard, admission::Decision, arrival::Fate, entry::Entry};
use crate::{
    application::{Application, TurnedAway},
    connection::Connection,
    stream_id::Side,
};

impl<A: Application> Shard<A> {
    pub(super) fn process(&mut self, now: Instant, received: Received) -> Fate {
        let Received {
            binding,
            remote,
            local_ip,
            ecn,
            data,
        } = received;
        let size = data.len();
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
                entry.heard(now, size);
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
                return self.refuse(now, binding, incoming, response);
            }
        }
        let Some(ticket) = self.core.admission.enter(remote, validated) else {
            return self.refuse(now, binding, incoming, response);
        };
        let original_destination = *incoming.orig_dst_cid();
        let config = self.core.routes.server_config(remote);
        let endpoint = &mut self.core.bindings[binding].endpoint;
        match endpoint.accept(incoming, now, &mut response, config) {
            Ok((handle, mut proto)) => {
                self.core.outbox.recycle(response);
                // A first packet that closes its own connection leaves one
                // whose only timer is the idle timeout.
                if proto.is_closed() {
                    endpoint.handle_event(handle, EndpointEvent::drained());
                    self.core.admission.leave(ticket);
                    return Fate::Failed;
                }
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
                self.core.admission.leave(ticket);
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

    /// Turns a client away with CONNECTION_REFUSED.
    fn refuse(
        &mut self,
        now: Instant,
        binding: usize,
        incoming: Incoming,
        mut response: Vec<u8>,
    ) -> Fate {
        let peer = incoming.remote_address();
        let endpoint = &mut self.core.bindings[binding].endpoint;
        let transmit = endpoint.refuse(incoming, &mut response);
        self.core.respond(binding, transmit, response);
        self.application.turned_away(now, peer, &TurnedAway::Full);
        Fate::Refused
    }
}

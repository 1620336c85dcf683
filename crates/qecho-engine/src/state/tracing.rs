//! Tracing: what is in the packets, and what becomes of connections, as observations.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::SocketAddr,
    time::Instant,
};

use qecho_packet::{
    CloseReason, DecodedDatagram, DecodedPacket, DecryptedPacket, Direction, Observation,
    RecoveryMetrics, Side,
    wire::{self, ConnectionId, Header, PacketNumber},
};
use quinn_proto::{ConnectionId as ProtoId, Transmit};

use super::inbound::{ConnectionAfter, Disposition, InboundDatagram};
use crate::{
    connection::ConnectionKey,
    crypto::{Plaintext, SealedPacket},
    datagram::Received,
    limits::UNSENT_TRACED_MAX,
    proto::recovery,
};

/// Observations of a shard whose packets are traced.
pub(crate) struct PacketTracing {
    plaintext: Plaintext,
    observations: VecDeque<(Instant, Observation)>,
    connections: HashMap<ConnectionKey, TracedConnection>,
    /// The datagram that is being processed.
    inbound: Option<InboundDatagram>,
    /// Datagrams and batches that are not sent yet, in their order, by what the outbox's call
    /// them.
    unsent: VecDeque<(u64, Box<[DecodedDatagram]>)>,
    /// Name of the last of them.
    last_unsent: u64,
}

struct TracedConnection {
    number: u64,
    recovery: RecoveryMetrics,
}

impl PacketTracing {
    pub(super) fn new(plaintext: Plaintext) -> Self {
        Self {
            plaintext,
            observations: VecDeque::new(),
            connections: HashMap::new(),
            inbound: None,
            unsent: VecDeque::new(),
            last_unsent: 0,
        }
    }

    /// Returns the next observation, and its time.
    pub(crate) fn pop(&mut self) -> Option<(Instant, Observation)> {
        self.observations.pop_front()
    }

    fn push(&mut self, now: Instant, observation: Observation) {
        self.observations.push_back((now, observation));
    }

    fn number(&self, key: ConnectionKey) -> Option<u64> {
        self.connections.get(&key).map(|traced| traced.number)
    }

    /// Begins to trace a connection.
    pub(crate) fn started(
        &mut self,
        now: Instant,
        (key, number): (ConnectionKey, u64),
        (local, remote): (SocketAddr, SocketAddr),
        side: Side,
        original_destination: &ProtoId,
    ) {
        let recovery = RecoveryMetrics::default();
        self.connections
            .insert(key, TracedConnection { number, recovery });
        let original_destination = ConnectionId::new(original_destination).unwrap_or_default();
        self.push(
            now,
            Observation::ConnectionStarted {
                connection: number,
                side,
                local,
                remote,
                original_destination,
            },
        );
    }

    /// Keeps a datagram until it is [processed](Self::received).
    pub(crate) fn begin_datagram(&mut self, received: &Received, local: SocketAddr) {
        self.inbound = Some(InboundDatagram::new(received, local));
    }

    /// Traces the datagram that was processed, by the packets that were opened or could not
    /// be; `proto` is the connection that has it, if one has.
    pub(super) fn received(
        &mut self,
        now: Instant,
        disposition: Disposition,
        proto: Option<&quinn_proto::Connection>,
    ) {
        let Some(inbound) = self.inbound.take() else {
            return;
        };
        let mut copies = self.plaintext.copies();
        let mut after = ConnectionAfter {
            connection: None,
            handshaking: false,
            same_address: true,
            turned: std::mem::take(&mut copies.valid_retry),
        };
        let opened = std::mem::take(&mut copies.opened);
        drop(copies);
        if let Some(proto) = proto {
            after.connection = disposition.connection().and_then(|key| self.number(key));
            after.handshaking = proto.is_handshaking();
            after.same_address = inbound.remote == proto.remote_address();
            after.turned |=
                proto.is_closed() && matches!(disposition, Disposition::Handed(_, false));
        }
        let datagram = inbound.dissect(disposition, after, opened);
        self.push(now, Observation::Datagram(datagram));
    }

    /// Keeps what is in a datagram or batch until it is [sent](Self::sent), by the packets that
    /// were sealed; returns the name by which it is kept.
    pub(super) fn queued(
        &mut self,
        key: Option<ConnectionKey>,
        local: SocketAddr,
        transmit: &Transmit,
        contents: &[u8],
    ) -> u64 {
        let contents = &contents[..transmit.size];
        let sealed = std::mem::take(&mut self.plaintext.copies().sealed);
        let mut sealed = sealed.into_iter().peekable();
        let connection = key.and_then(|key| self.number(key));
        let mut local = local;
        if let Some(ip) = transmit.src_ip {
            local.set_ip(ip);
        }
        let size = transmit.segment_size.unwrap_or(contents.len()).max(1);
        let decoded = |bytes: &[u8]| {
            let mut packets = Vec::new();
            let mut rest = bytes.len();
            while let Some(one) = sealed.next_if(|one| one.size <= rest) {
                rest -= one.size;
                packets.push(packet(one));
            }
            if rest > 0 {
                // What is sent without keys: Retry, Version Negotiation, and
                // stateless resets, which look like nothing in particular.
                packets.extend(unsealed(&bytes[bytes.len() - rest..]));
            }
            DecodedDatagram {
                connection,
                direction: Direction::Sent,
                local,
                remote: transmit.destination,
                ecn: transmit.ecn.map_or(0, |ecn| ecn as u8),
                size: bytes.len(),
                packets,
                unsent: None,
            }
        };
        self.last_unsent += 1;
        let datagrams = contents.chunks(size).map(decoded).collect();
        self.unsent.push_back((self.last_unsent, datagrams));
        if self.unsent.len() > UNSENT_TRACED_MAX {
            self.unsent.pop_front();
        }
        self.last_unsent
    }

    /// Traces how much of a datagram or batch was sent, and why not the rest. Those that were
    /// queued before it and are not sent yet never will be.
    pub(crate) fn sent(&mut self, now: Instant, name: u64, outcome: Result<usize, &io::Error>) {
        let found = self.unsent.binary_search_by_key(&name, |(other, _)| *other);
        let Some((_, datagrams)) = found
            .ok()
            .and_then(|at| self.unsent.drain(..=at).next_back())
        else {
            return;
        };
        let mut left = outcome.unwrap_or(0);
        for mut datagram in datagrams {
            let whole = datagram.size <= left;
            left -= datagram.size.min(left);
            datagram.unsent = match outcome {
                _ if whole => None,
                Ok(_) => Some("the system took only what came before it".into()),
                Err(error) => Some(error.to_string()),
            };
            self.push(now, Observation::Datagram(datagram));
        }
    }

    /// Traces the recovery metrics of a connection, if they have changed.
    pub(crate) fn recovery(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        proto: &quinn_proto::Connection,
    ) {
        let Some(traced) = self.connections.get_mut(&key) else {
            return;
        };
        let recovery = recovery(proto);
        if recovery != traced.recovery {
            traced.recovery = recovery;
            let connection = traced.number;
            let observation = Observation::Recovery {
                connection,
                recovery,
            };
            self.push(now, observation);
        }
    }

    pub(crate) fn closed(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        reason: Option<Box<CloseReason>>,
    ) {
        if let (Some(connection), Some(reason)) = (self.number(key), reason) {
            let reason = *reason;
            self.push(now, Observation::Closed { connection, reason });
        }
    }

    pub(crate) fn removed(&mut self, now: Instant, key: ConnectionKey) {
        if let Some(TracedConnection { number, .. }) = self.connections.remove(&key) {
            self.push(now, Observation::ConnectionRemoved { connection: number });
        }
    }
}

/// Reads a packet that is about to be sealed.
fn packet(sealed: SealedPacket) -> DecodedPacket {
    let SealedPacket {
        number,
        bytes,
        header_length,
        size,
        generation,
    } = sealed;
    let (head, payload) = bytes.split_at(header_length);
    let number_length = usize::from(head[0] & 0x03) + 1;
    let number_offset = header_length - number_length;
    let header = header(&bytes, number_offset, size);
    let phase = PacketNumber::read(head[0], &head[number_offset..]);
    DecodedPacket {
        header,
        size,
        decrypted: Some(DecryptedPacket {
            number,
            number_length,
            first_byte: head[0],
            key_phase: phase.is_some_and(|number| number.key_phase),
            generation,
            payload: payload.to_vec(),
        }),
        dropped: None,
        tail: None,
    }
}

/// Reads the header of a packet whose number is known to stand at
/// `number_offset`; with its tag it will have `size` bytes.
fn header(bytes: &[u8], number_offset: usize, size: usize) -> Option<Header> {
    // A short header ends where the number begins.
    let destination_length = number_offset - 1;
    let mut whole = bytes.to_vec();
    whole.resize(size, 0);
    let packet = wire::packets(&whole, destination_length).next()?.ok()?;
    Some(packet.header)
}

/// Reads what is sent without keys.
fn unsealed(bytes: &[u8]) -> Vec<DecodedPacket> {
    let long = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let header = match long {
        true => wire::packets(bytes, 0).next().and_then(Result::ok),
        false => None,
    };
    vec![DecodedPacket {
        header: header.map(|packet| packet.header),
        size: bytes.len(),
        decrypted: None,
        dropped: None,
        tail: bytes.last_chunk().copied(),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn datagrams_are_kept_until_they_or_later_ones_are_sent() {
        let mut tracing = PacketTracing::new(Plaintext::default());
        let address = SocketAddr::from(([192, 0, 2, 1], 1));
        let transmit = Transmit {
            destination: address,
            ecn: None,
            size: 3,
            segment_size: Some(2),
            src_ip: None,
        };
        let mut queue = || tracing.queued(None, address, &transmit, &[0x40, 2, 3]);
        let [_, second, third] = [queue(), queue(), queue()];
        tracing.sent(Instant::now(), second, Ok(2));
        let unsent: Vec<_> = std::iter::from_fn(|| tracing.pop())
            .map(|(_, observation)| match observation {
                Observation::Datagram(datagram) => datagram.unsent.is_some(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(unsent, [false, true]);
        assert_eq!(tracing.unsent.len(), 1, "the first was dropped");
        tracing.sent(Instant::now(), second, Ok(2));
        assert!(tracing.pop().is_none(), "each is sent once");
        tracing.sent(Instant::now(), third, Ok(3));
        assert!(tracing.unsent.is_empty());
        for _ in 0..3 * UNSENT_TRACED_MAX {
            tracing.queued(None, address, &transmit, &[0x40, 2, 3]);
        }
        assert_eq!(tracing.unsent.len(), UNSENT_TRACED_MAX);
    }
}

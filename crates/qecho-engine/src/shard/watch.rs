//! Tells those who watch what is in the packets.

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

use super::{ConnectionKey, Received, inbound::InboundDatagram};
use crate::{
    crypto::{OpenedCopy, Plaintext, Sealed},
    outbox::Datagram,
    proto::recovery,
    server_shared::ServerShared,
};

/// What a watched shard has to tell.
pub(super) struct Watch {
    plaintext: Plaintext,
    told: VecDeque<(Instant, Observation)>,
    connections: HashMap<ConnectionKey, Watched>,
    server_shared: ServerShared,
    /// The datagram that is being processed.
    arrival: Option<InboundDatagram>,
}

struct Watched {
    number: u64,
    recovery: RecoveryMetrics,
}

impl Watch {
    pub(super) fn new(plaintext: Plaintext, server_shared: ServerShared) -> Self {
        Self {
            plaintext,
            told: VecDeque::new(),
            connections: HashMap::new(),
            server_shared,
            arrival: None,
        }
    }

    /// Takes the datagram that is being processed, and what was tried on it:
    /// packets that were opened or could not be, and whether a Retry is valid.
    pub(super) fn take_arrival(&mut self) -> Option<(InboundDatagram, Vec<OpenedCopy>, bool)> {
        let arrival = self.arrival.take()?;
        let mut copies = self.plaintext.copies();
        let valid_retry = std::mem::take(&mut copies.valid_retry);
        Some((arrival, std::mem::take(&mut copies.opened), valid_retry))
    }

    pub(super) fn pop(&mut self) -> Option<(Instant, Observation)> {
        self.told.pop_front()
    }

    pub(super) fn tell(&mut self, now: Instant, observation: Observation) {
        self.told.push_back((now, observation));
    }

    pub(super) fn number(&self, key: ConnectionKey) -> Option<u64> {
        self.connections.get(&key).map(|watched| watched.number)
    }

    pub(super) fn began(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        (local, remote): (SocketAddr, SocketAddr),
        side: Side,
        original_destination: &ProtoId,
    ) {
        let number = self.server_shared.next_connection();
        let recovery = RecoveryMetrics::default();
        self.connections.insert(key, Watched { number, recovery });
        let original_destination = ConnectionId::new(original_destination).unwrap_or_default();
        self.tell(
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

    pub(super) fn arrives(&mut self, received: &Received, local: SocketAddr) {
        self.arrival = Some(InboundDatagram::new(received, local));
    }

    /// Takes apart what is to be sent, as long as its copies are at hand.
    pub(super) fn dissect(
        &mut self,
        key: Option<ConnectionKey>,
        local: SocketAddr,
        transmit: &Transmit,
        contents: &[u8],
    ) -> Box<[DecodedDatagram]> {
        let contents = &contents[..transmit.size];
        let sealed = std::mem::take(&mut self.plaintext.copies().sealed);
        let mut sealed = sealed.into_iter().peekable();
        let connection = key.and_then(|key| self.number(key));
        let mut local = local;
        if let Some(ip) = transmit.src_ip {
            local.set_ip(ip);
        }
        let size = transmit.segment_size.unwrap_or(contents.len()).max(1);
        let dissected = |bytes: &[u8]| {
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
        contents.chunks(size).map(dissected).collect()
    }

    /// Tells of a datagram or batch what of it was sent, and why not the rest.
    pub(super) fn sent(
        &mut self,
        now: Instant,
        datagram: &mut Datagram,
        outcome: Result<usize, &io::Error>,
    ) {
        let mut left = outcome.unwrap_or(0);
        let dissected = datagram.dissected.take().into_iter();
        for mut dissected in dissected.flatten() {
            let whole = dissected.size <= left;
            left -= dissected.size.min(left);
            dissected.unsent = match outcome {
                _ if whole => None,
                Ok(_) => Some("the system took only what came before it".into()),
                Err(error) => Some(error.to_string()),
            };
            self.told.push_back((now, Observation::Datagram(dissected)));
        }
    }

    /// Tells what the path seems like, if that has changed.
    pub(super) fn measure(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        proto: &quinn_proto::Connection,
    ) {
        let Some(watched) = self.connections.get_mut(&key) else {
            return;
        };
        let recovery = recovery(proto);
        if recovery != watched.recovery {
            watched.recovery = recovery;
            let connection = watched.number;
            let observation = Observation::Recovery {
                connection,
                recovery,
            };
            self.tell(now, observation);
        }
    }

    pub(super) fn closed(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        reason: Option<Box<CloseReason>>,
    ) {
        if let (Some(connection), Some(reason)) = (self.number(key), reason) {
            let reason = *reason;
            self.tell(now, Observation::Closed { connection, reason });
        }
    }

    pub(super) fn forget(&mut self, now: Instant, key: ConnectionKey) {
        if let Some(Watched { number, .. }) = self.connections.remove(&key) {
            self.tell(now, Observation::ConnectionRemoved { connection: number });
        }
    }
}

/// Reads a packet that is about to be sealed.
fn packet(sealed: Sealed) -> DecodedPacket {
    let Sealed {
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

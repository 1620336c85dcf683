//! State of a connection that is traced.

mod learning;
mod losses;

use std::{collections::HashSet, time::Duration};

use crate::{
    DecodedDatagram, DecodedPacket, DecryptedPacket, Direction, DropReason, RecoveryMetrics, Side,
    TransportParameters,
    wire::{self, Ack, Frame, PacketType},
};

use super::{
    crypto::Crypto,
    event::{AnnotatedFrame, Connection, Event, EventKind, Packet, PacketContent, TlsMessage},
    ranges::Ranges,
    sent_packets::{RoundTrip, SentPackets},
};

/// Stateless reset tokens of one peer that are remembered.
const RESET_TOKENS_MAX: usize = 100;

/// RFC 9000 §18.2.
const STATELESS_RESET_TOKEN: u64 = 0x02;
const ACK_DELAY_EXPONENT: u64 = 0x0a;
const ACK_DELAY_EXPONENT_DEFAULT: u64 = 3;
const ACK_DELAY_EXPONENT_MAX: u64 = 20;

/// One connection.
#[derive(Debug)]
pub(super) struct ConnectionTracker {
    connection: Connection,
    /// Time of its beginning, if that is still to be told.
    began_untold: Option<Duration>,
    /// This side's and the other's, by the direction of their packets.
    senders: [Sender; 2],
    recovery: RecoveryMetrics,
}

/// Packets that one endpoint has sent.
#[derive(Debug, Default)]
struct Sender {
    spaces: [Space; 3],
    round_trip: RoundTrip,
    generation: u64,
    ack_delay_exponent: Option<u64>,
    reset_tokens: HashSet<[u8; 16]>,
}

/// One packet number space of an endpoint (RFC 9000 §12.3).
#[derive(Debug, Default)]
struct Space {
    sent_packets: SentPackets,
    seen: Ranges,
    crypto: Crypto,
}

/// Consequences of a datagram, to be told after it.
#[derive(Debug, Default)]
pub(super) struct PacketEffects {
    pub(super) parameters: Option<TransportParameters>,
    pub(super) key_updates: Vec<u64>,
    /// Packets that were declared lost and have arrived.
    pub(super) found_again: Vec<(PacketType, u64)>,
    /// Whether a packet came that moves the path (RFC 9000 §9.3).
    moves: bool,
}

impl ConnectionTracker {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            began_untold: None,
            senders: Default::default(),
            recovery: RecoveryMetrics::default(),
        }
    }

    pub(super) fn tell(&self, at: Duration, kind: EventKind<'_>, tell: &mut dyn FnMut(&Event<'_>)) {
        tell(&Event {
            at,
            connection: Some(&self.connection),
            kind,
        });
    }

    fn sender(&mut self, direction: Direction) -> &mut Sender {
        &mut self.senders[direction as usize]
    }

    /// Takes a packet of a datagram in.
    pub(super) fn packet<'a>(
        &mut self,
        at: Duration,
        datagram: &DecodedDatagram,
        packet: &'a DecodedPacket,
        learned: &mut PacketEffects,
    ) -> Packet<'a> {
        let direction = datagram.direction;
        let is_stateless_reset = packet.decrypted.is_none()
            && packet
                .tail
                .is_some_and(|tail| self.sender(direction).reset_tokens.contains(&tail));
        let mut shown = Packet {
            header: packet.header.as_ref(),
            size: packet.size,
            content: None,
            dropped: packet.dropped.filter(|_| !is_stateless_reset),
            is_stateless_reset,
        };
        let (Some(header), Some(opened)) = (&packet.header, &packet.decrypted) else {
            if let (Some(header), None) = (&packet.header, packet.dropped)
                && header.packet_type == PacketType::Retry
            {
                // The client begins anew, and has its address proved.
                for sender in &mut self.senders {
                    sender.spaces[0] = Space::default();
                }
            }
            return shown;
        };
        let packet_type = header.packet_type;
        let content = content(opened);
        let space = &mut self.sender(direction).spaces[packet_type.space()];
        if shown.dropped.is_none() && !space.seen.insert(opened.number) {
            shown.dropped = Some(DropReason::Duplicate);
        }
        let counts = shown.dropped.is_none() && datagram.unsent.is_none();
        let newest = space.seen.largest() == Some(opened.number);
        shown.content = Some(content);
        if let (true, Some(content)) = (counts, &mut shown.content) {
            if packet_type == PacketType::OneRtt {
                self.update_keys(direction, opened.generation, learned);
                let mut frames = content.frames.iter();
                learned.moves |= newest && frames.any(|noted| !noted.frame.is_probing());
            }
            let packet = (packet_type, opened.number, packet.size);
            self.note(at, direction, packet, &mut content.frames, learned);
        }
        shown
    }

    fn update_keys(&mut self, direction: Direction, generation: u64, learned: &mut PacketEffects) {
        let sender = self.sender(direction);
        if generation > sender.generation {
            sender.generation = generation;
            learned.key_updates.push(generation);
        }
    }

    /// Keeps what the frames of a packet tell, and notes what they mean.
    fn note(
        &mut self,
        at: Duration,
        direction: Direction,
        packet: (PacketType, u64, usize),
        frames: &mut [AnnotatedFrame<'_>],
        learned: &mut PacketEffects,
    ) {
        let (packet_type, ..) = packet;
        let place = packet_type.space();
        let sent_packets = &mut self.sender(direction).spaces[place].sent_packets;
        sent_packets.send(at, packet, frames);
        for noted in frames {
            match &noted.frame {
                Frame::Ack(ack) => {
                    noted.ack_delay = self.acknowledge(at, direction, place, ack, learned);
                }
                Frame::Crypto { offset, data } => {
                    noted.tls = self.crypto(direction, place, *offset, data, learned);
                }
                Frame::NewConnectionId { reset_token, .. } => {
                    self.sender(direction).remember(*reset_token);
                }
                Frame::HandshakeDone => self.discard(1),
                _ => {}
            }
        }
        // RFC 9001 §4.9.1: the client drops its Initial keys when it sends its
        // first Handshake packet, the server when it gets one.
        let by_client = (direction == Direction::Sent) == (self.connection.side == Side::Client);
        if packet_type == PacketType::Handshake && by_client {
            self.discard(0);
        }
    }

    /// Tells what else a datagram has brought to light.
    pub(super) fn tell_what_follows(
        &self,
        at: Duration,
        direction: Direction,
        learned: &PacketEffects,
        tell: &mut dyn FnMut(&Event<'_>),
    ) {
        for (packet_type, number) in &learned.found_again {
            let kind = EventKind::SpuriousLoss {
                direction: direction.opposite(),
                packet_type: *packet_type,
                number: *number,
            };
            self.tell(at, kind, tell);
        }
        if let Some(parameters) = &learned.parameters {
            let kind = EventKind::Parameters {
                direction,
                parameters,
            };
            self.tell(at, kind, tell);
        }
    }

    /// Returns how much is remembered, in pieces of some 100 bytes.
    pub(super) fn weight(&self) -> usize {
        let spaces = self.senders.iter().flat_map(|sender| &sender.spaces);
        spaces
            .map(|space| space.sent_packets.weight() + space.crypto.weight())
            .sum()
    }

    /// Forgets what is not needed to read on.
    pub(super) fn lighten(&mut self) {
        for space in self
            .senders
            .iter_mut()
            .flat_map(|sender| &mut sender.spaces)
        {
            space.sent_packets = SentPackets::default();
            space.crypto = Crypto::default();
        }
    }

    /// Forgets what was sent under keys that are gone; it is neither
    /// acknowledged nor lost.
    fn discard(&mut self, place: usize) {
        for sender in &mut self.senders {
            sender.spaces[place].sent_packets = SentPackets::default();
        }
    }

    fn acknowledge(
        &mut self,
        at: Duration,
        direction: Direction,
        place: usize,
        ack: &Ack,
        learned: &mut PacketEffects,
    ) -> Option<Duration> {
        let exponent = self.sender(direction).ack_delay_exponent;
        let exponent = exponent.unwrap_or(ACK_DELAY_EXPONENT_DEFAULT);
        // It may be a number without sense; what is acknowledged counts.
        let delay = ack.delay.checked_mul(1 << exponent);
        let largest = ack.largest();
        let other = self.sender(direction.opposite());
        let mut sample = None;
        other.spaces[place].sent_packets.acknowledge(
            &ack.ranges,
            |packet_type, number, sent, lost| {
                if number == largest {
                    sample = Some(at.saturating_sub(sent));
                }
                if lost {
                    learned.found_again.push((packet_type, number));
                }
            },
        );
        if let Some(sample) = sample {
            other.round_trip.measure(sample);
        }
        delay.map(Duration::from_micros)
    }

    fn crypto(
        &mut self,
        direction: Direction,
        place: usize,
        offset: u64,
        data: &[u8],
        learned: &mut PacketEffects,
    ) -> Vec<TlsMessage> {
        let sender = self.sender(direction);
        let (messages, parameters) = sender.spaces[place].crypto.take(offset, data);
        if let Some(parameters) = parameters {
            let exponent = parameters.integer(ACK_DELAY_EXPONENT);
            sender.ack_delay_exponent =
                exponent.filter(|exponent| *exponent <= ACK_DELAY_EXPONENT_MAX);
            let token = parameters.get(STATELESS_RESET_TOKEN);
            if let Some(token) = token.and_then(|token| token.try_into().ok()) {
                sender.remember(token);
            }
            learned.parameters = Some(parameters);
        }
        messages
    }

    /// Notes the addresses of a datagram that moves the path, if they differ.
    pub(super) fn move_to(
        &mut self,
        at: Duration,
        datagram: &DecodedDatagram,
        learned: &PacketEffects,
        tell: &mut dyn FnMut(&Event<'_>),
    ) {
        let before = (self.connection.local, self.connection.remote);
        if !learned.moves || before == (datagram.local, datagram.remote) {
            return;
        }
        self.connection.local = datagram.local;
        self.connection.remote = datagram.remote;
        self.tell(at, EventKind::PathChanged { before }, tell);
    }
}

impl Sender {
    fn remember(&mut self, reset_token: [u8; 16]) {
        if self.reset_tokens.len() < RESET_TOKENS_MAX {
            self.reset_tokens.insert(reset_token);
        }
    }
}

/// Reads what is in a packet, without what others tell of it.
pub(super) fn content(opened: &DecryptedPacket) -> PacketContent<'_> {
    let mut frames = Vec::new();
    let mut malformed = None;
    for frame in wire::frames(&opened.payload) {
        match frame {
            Ok(frame) => frames.push(unnoted(frame)),
            Err(error) => malformed = Some(error),
        }
    }
    PacketContent {
        number: opened.number,
        number_length: opened.number_length,
        key_phase: opened.key_phase,
        frames,
        malformed,
    }
}

pub(super) fn unnoted(frame: Frame<'_>) -> AnnotatedFrame<'_> {
    AnnotatedFrame {
        frame,
        retransmission_of: None,
        tls: Vec::new(),
        ack_delay: None,
    }
}

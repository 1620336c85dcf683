//! What is known of a connection while it is traced.

mod learning;
mod losses;

use std::{collections::HashSet, time::Duration};

use qecho_engine::{
    Dissected, Packet as Observed, Passage, Recovery, Side, TransportParameters, Unprocessed,
    wire::{self, Ack, Frame, PacketType},
};

use super::{
    crypto::Crypto,
    event::{Connection, Content, Event, NotedFrame, Packet, TlsMessage, What},
    ledger::{Ledger, RoundTrip},
    ranges::Ranges,
    tracer::opposite,
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
pub(super) struct Known {
    connection: Connection,
    /// When it began, if that is still to be told.
    began_untold: Option<Duration>,
    went: Sender,
    came: Sender,
    recovery: Recovery,
}

/// What one endpoint has sent.
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
    ledger: Ledger,
    seen: Ranges,
    crypto: Crypto,
}

/// What a datagram has brought to light.
#[derive(Debug, Default)]
pub(super) struct Learned {
    pub(super) parameters: Option<TransportParameters>,
    pub(super) key_updates: Vec<u64>,
    /// Packets that were declared lost and have arrived.
    pub(super) found_again: Vec<(PacketType, u64)>,
    /// Whether a packet came that moves the path (RFC 9000 §9.3).
    moves: bool,
}

fn space(packet_type: PacketType) -> usize {
    match packet_type {
        PacketType::Initial => 0,
        PacketType::Handshake => 1,
        _ => 2,
    }
}

impl Known {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            began_untold: None,
            went: Sender::default(),
            came: Sender::default(),
            recovery: Recovery::default(),
        }
    }

    pub(super) fn tell(&self, at: Duration, what: What<'_>, tell: &mut dyn FnMut(&Event<'_>)) {
        tell(&Event {
            at,
            connection: Some(&self.connection),
            what,
        });
    }

    fn sender(&mut self, passage: Passage) -> &mut Sender {
        match passage {
            Passage::Went => &mut self.went,
            Passage::Came => &mut self.came,
        }
    }

    /// Takes a packet of a datagram in.
    pub(super) fn packet<'a>(
        &mut self,
        at: Duration,
        datagram: &Dissected,
        packet: &'a Observed,
        learned: &mut Learned,
    ) -> Packet<'a> {
        let passage = datagram.passage;
        let is_stateless_reset = packet.opened.is_none()
            && packet
                .tail
                .is_some_and(|tail| self.sender(passage).reset_tokens.contains(&tail));
        let mut shown = Packet {
            header: packet.header.as_ref(),
            size: packet.size,
            content: None,
            unprocessed: packet.unprocessed.filter(|_| !is_stateless_reset),
            is_stateless_reset,
        };
        let (Some(header), Some(opened)) = (&packet.header, &packet.opened) else {
            if let (Some(header), None) = (&packet.header, packet.unprocessed)
                && header.packet_type == PacketType::Retry
            {
                // The client begins anew, and has its address proved.
                self.went.spaces[0] = Space::default();
                self.came.spaces[0] = Space::default();
            }
            return shown;
        };
        let packet_type = header.packet_type;
        let mut frames = Vec::new();
        let mut malformed = None;
        for frame in wire::frames(&opened.payload) {
            match frame {
                Ok(frame) => frames.push(frame),
                Err(error) => malformed = Some(error),
            }
        }
        let space = &mut self.sender(passage).spaces[space(packet_type)];
        if shown.unprocessed.is_none() && !space.seen.insert(opened.number) {
            shown.unprocessed = Some(Unprocessed::Duplicate);
        }
        let counts = shown.unprocessed.is_none() && datagram.unsent.is_none();
        let newest = space.seen.largest() == Some(opened.number);
        let noted = match counts {
            true => {
                let packet = (packet_type, opened.number, packet.size);
                if packet_type == PacketType::OneRtt {
                    self.update_keys(passage, opened.generation, learned);
                    learned.moves |= newest && frames.iter().any(is_not_probing);
                }
                self.note(at, passage, packet, frames, learned)
            }
            false => frames.into_iter().map(unnoted).collect(),
        };
        shown.content = Some(Content {
            number: opened.number,
            number_length: opened.number_length,
            key_phase: opened.key_phase,
            frames: noted,
            malformed,
        });
        shown
    }

    fn update_keys(&mut self, passage: Passage, generation: u64, learned: &mut Learned) {
        let sender = self.sender(passage);
        if generation > sender.generation {
            sender.generation = generation;
            learned.key_updates.push(generation);
        }
    }

    /// Keeps what the frames of a packet tell, and says what they mean.
    fn note<'a>(
        &mut self,
        at: Duration,
        passage: Passage,
        packet: (PacketType, u64, usize),
        frames: Vec<Frame<'a>>,
        learned: &mut Learned,
    ) -> Vec<NotedFrame<'a>> {
        let (packet_type, ..) = packet;
        let place = space(packet_type);
        let again = self.sender(passage).spaces[place]
            .ledger
            .send(at, packet, &frames);
        let mut noted = Vec::with_capacity(frames.len());
        for (frame, again) in frames.into_iter().zip(again) {
            let mut note = NotedFrame {
                again,
                ..unnoted(frame)
            };
            match &note.frame {
                Frame::Ack(ack) => {
                    note.ack_delay = self.acknowledge(at, passage, place, ack, learned)
                }
                Frame::Crypto { offset, data } => {
                    note.tls = self.crypto(passage, place, *offset, data, learned);
                }
                Frame::NewConnectionId { reset_token, .. } => {
                    self.sender(passage).remember(*reset_token);
                }
                Frame::HandshakeDone => self.discard(1),
                _ => {}
            }
            noted.push(note);
        }
        // RFC 9001 §4.9.1: the client drops its Initial keys when it sends its
        // first Handshake packet, the server when it gets one.
        let by_client = (passage == Passage::Went) == (self.connection.side == Side::Client);
        if packet_type == PacketType::Handshake && by_client {
            self.discard(0);
        }
        noted
    }

    /// Forgets what was sent under keys that are gone; it is neither
    /// acknowledged nor lost.
    fn discard(&mut self, place: usize) {
        self.went.spaces[place].ledger = Ledger::default();
        self.came.spaces[place].ledger = Ledger::default();
    }

    fn acknowledge(
        &mut self,
        at: Duration,
        passage: Passage,
        place: usize,
        ack: &Ack,
        learned: &mut Learned,
    ) -> Option<Duration> {
        let exponent = self.sender(passage).ack_delay_exponent;
        let exponent = exponent.unwrap_or(ACK_DELAY_EXPONENT_DEFAULT);
        let delay = ack.delay.checked_mul(1 << exponent)?;
        let largest = ack.largest();
        let other = self.sender(opposite(passage));
        let mut sample = None;
        other.spaces[place]
            .ledger
            .acknowledge(&ack.ranges, |packet_type, number, sent, lost| {
                if number == largest {
                    sample = Some(at.saturating_sub(sent));
                }
                if lost {
                    learned.found_again.push((packet_type, number));
                }
            });
        if let Some(sample) = sample {
            other.round_trip.measure(sample);
        }
        Some(Duration::from_micros(delay))
    }

    fn crypto(
        &mut self,
        passage: Passage,
        place: usize,
        offset: u64,
        data: &[u8],
        learned: &mut Learned,
    ) -> Vec<TlsMessage> {
        let sender = self.sender(passage);
        let (messages, extensions) = sender.spaces[place].crypto.take(offset, data);
        if let Some(parameters) = extensions.parameters {
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
        datagram: &Dissected,
        learned: &Learned,
        tell: &mut dyn FnMut(&Event<'_>),
    ) {
        let before = (self.connection.local, self.connection.remote);
        if !learned.moves || before == (datagram.local, datagram.remote) {
            return;
        }
        self.connection.local = datagram.local;
        self.connection.remote = datagram.remote;
        self.tell(at, What::PathChanged { before }, tell);
    }
}

impl Sender {
    fn remember(&mut self, reset_token: [u8; 16]) {
        if self.reset_tokens.len() < RESET_TOKENS_MAX {
            self.reset_tokens.insert(reset_token);
        }
    }
}

fn unnoted(frame: Frame<'_>) -> NotedFrame<'_> {
    NotedFrame {
        frame,
        again: None,
        tls: Vec::new(),
        ack_delay: None,
    }
}

/// Tells whether a frame shows that its sender uses the path (RFC 9000 §9.1).
fn is_not_probing(frame: &Frame<'_>) -> bool {
    !matches!(
        frame,
        Frame::PathChallenge { .. }
            | Frame::PathResponse { .. }
            | Frame::NewConnectionId { .. }
            | Frame::Padding { .. }
    )
}

//! One connection of a shard.

use std::{sync::Arc, time::Instant};

use qecho_packet::{CloseReason, StreamId};
use quinn_proto::VarInt;

use super::{admission::AdmissionPermit, keep_alive::KeepAlive, validation::AddressValidation};
use crate::{
    connection::ConnectionMeta,
    crypto::Agreed,
    handshake::EarlyData,
    limits::{ANSWER_DELAY_MAX, CLOSED_KEPT_TIME_MAX, FRAGMENTED_PACKETS_MAX, LINGER},
    proto::ToOurs,
};

/// A connection with what its shard and its application keep for it.
pub(crate) struct ConnectionEntry<S> {
    pub(crate) proto: quinn_proto::Connection,
    pub(crate) meta: ConnectionMeta,
    pub(crate) state: S,
    pub(crate) dirty: bool,
    /// Deadline in the timetable.
    pub(crate) scheduled: Option<Instant>,
    pub(crate) reported_closed: bool,
    /// Reason for which it was closed, until that is traced.
    pub(crate) untraced_close: Option<Box<CloseReason>>,
    pub(crate) permit: Option<AdmissionPermit>,
    handshake_deadline: Option<Instant>,
    /// Instant at which it is forgotten, once it is closed.
    forget_at: Option<Instant>,
    /// What is left to do for a connection of which nothing is kept once the peer was told that
    /// it is closed.
    parting: Parting,
    /// Set if the peer's idle timeout is short for the interval that is configured.
    keep_alive: Option<Box<KeepAlive>>,
    /// Addresses of a server's client; `None` on a client.
    pub(crate) validation: Option<AddressValidation>,
    /// Whether an address of the client is not validated, so that what is sent is limited.
    pub(crate) is_limited: bool,
    /// Packets that the state machine was not to see because of their gaps.
    fragmented_packets: usize,
    /// By when something is sent because something was received.
    pub(crate) answer_due: Option<Instant>,
    /// Answers in a row that had to leave past a full congestion window; each
    /// doubles the time until the next.
    pub(crate) answers_past_window: u32,
    /// Instant at which a PATH_CHALLENGE was last answered past a full congestion window.
    challenge_answered: Option<Instant>,
}

/// Stage of a connection that is not remembered once it is closed (RFC 9000 §10.2 would have it
/// answer late packets): to those a stateless reset answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parting {
    None,
    ToTell,
    Told,
}

impl<S> ConnectionEntry<S> {
    pub(crate) fn new(proto: quinn_proto::Connection, meta: ConnectionMeta, state: S) -> Self {
        Self {
            proto,
            meta,
            state,
            dirty: false,
            scheduled: None,
            reported_closed: false,
            untraced_close: None,
            permit: None,
            handshake_deadline: None,
            forget_at: None,
            parting: Parting::None,
            keep_alive: None,
            validation: None,
            is_limited: false,
            fragmented_packets: 0,
            answer_due: None,
            answers_past_window: 0,
            challenge_answered: None,
        }
    }

    /// Notes that a client was let in, by when it must have connected, and its addresses: what
    /// is sent is limited until they are validated.
    pub(crate) fn admit(
        &mut self,
        permit: AdmissionPermit,
        handshake_deadline: Instant,
        validation: AddressValidation,
    ) {
        self.permit = Some(permit);
        self.handshake_deadline = Some(handshake_deadline);
        self.is_limited = validation.is_begun();
        self.validation = Some(validation);
    }

    /// Notes packets that the state machine was not to see for their gaps; tells whether they
    /// are so many that the connection is to be closed.
    pub(crate) fn note_refused(&mut self, packets: usize) -> bool {
        self.fragmented_packets += packets;
        packets > 0 && self.fragmented_packets > FRAGMENTED_PACKETS_MAX
    }

    /// Notes that the connection is closed, so that it is forgotten in time, however long
    /// the peer makes its probe timeouts.
    pub(crate) fn note_closed(&mut self, now: Instant) {
        self.keep_alive = None;
        self.forget_at.get_or_insert(now + CLOSED_KEPT_TIME_MAX);
    }

    /// Closes the connection, of which only the CONNECTION_CLOSE is kept until it has left.
    pub(crate) fn close_and_forget(&mut self, now: Instant, reason: CloseReason, words: &str) {
        self.meta.close_locally(reason);
        let words = words.as_bytes().to_vec().into();
        self.proto.close(now, VarInt::from_u32(0), words);
        self.parting = Parting::ToTell;
        self.forget_at = Some(now + LINGER);
    }

    /// Notes that a CONNECTION_CLOSE has left.
    pub(crate) fn note_told(&mut self) {
        if self.parting == Parting::ToTell {
            self.parting = Parting::Told;
        }
    }

    /// Tells whether the connection is one of which nothing is kept any more once its
    /// CONNECTION_CLOSE has left.
    pub(crate) fn is_parting(&self) -> bool {
        self.parting != Parting::None
    }

    /// Tells whether nothing is to be done for it any more.
    pub(crate) fn is_told(&self) -> bool {
        self.parting == Parting::Told
    }

    pub(crate) fn is_to_be_forgotten(&self, now: Instant) -> bool {
        self.forget_at.is_some_and(|due| due <= now)
    }

    /// Returns the reason for which we closed, until the application was told.
    pub(crate) fn unreported_close(&self) -> Option<CloseReason> {
        match self.reported_closed {
            true => None,
            false => self.meta.local_close.clone(),
        }
    }

    /// Returns when the connection must be looked at again.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        let timers = [
            self.proto.poll_timeout(),
            self.handshake_deadline,
            self.answer_due,
            self.forget_at,
            self.keep_alive.as_ref().map(|timer| timer.deadline()),
        ];
        timers.into_iter().flatten().min()
    }

    /// Notes that a datagram of the peer's was handed to the state machine.
    pub(crate) fn note_received(&mut self, now: Instant, size: usize) {
        self.meta.datagram_max = self.meta.datagram_max.max(size);
        let delay = ANSWER_DELAY_MAX * 2_u32.pow(self.answers_past_window);
        self.answer_due.get_or_insert(now + delay);
    }

    /// Notes that a PATH_CHALLENGE was handed to the state machine: it is answered in this
    /// turn (RFC 9000 §8.2.2), even past a full congestion window, but not each of many.
    pub(crate) fn note_challenged(&mut self, now: Instant) {
        let is_early = |answered: Instant| now < answered + ANSWER_DELAY_MAX;
        if !self.challenge_answered.is_some_and(is_early) {
            self.challenge_answered = Some(now);
            self.answer_due = Some(now);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.scheduled = None;
        if self.handshake_deadline.is_some_and(|due| due <= now) {
            self.give_up_handshake(now, CloseReason::HandshakeDeadline);
        }
        if self.proto.poll_timeout().is_some_and(|due| due <= now) {
            let path = self.proto.remote_address();
            self.proto.handle_timeout(now);
            // A path that was not validated in time is left for the one before.
            if self.proto.remote_address() != path {
                self.follow_path();
            }
        }
        if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.handle_timeout(now, &mut self.proto);
        }
    }

    /// Closes a connection whose handshake takes too long, or is in the way of others.
    pub(crate) fn give_up_handshake(&mut self, now: Instant, reason: CloseReason) {
        if self.handshake_deadline.take().is_some() {
            self.meta.close_locally(reason);
            self.proto
                .close(now, VarInt::from_u32(0), "handshake too slow".into());
        }
    }

    /// Keeps what the handshake agreed on.
    pub(crate) fn note_handshake(&mut self, now: Instant) {
        self.handshake_deadline = None;
        let agreed = self.proto.crypto_session().handshake_data();
        let agreed = agreed.and_then(|agreed| agreed.downcast::<Agreed>().ok());
        if let Some(agreed) = agreed {
            self.meta.handshake = Some(agreed.handshake);
            self.meta.tracker = Some(agreed.tracker);
        }
        let early_data = self.early_data();
        if early_data == Some(EarlyData::Rejected) {
            // The state machine has forgotten these streams.
            self.meta.unanswered.clear();
        }
        if let (Some(handshake), Some(_)) = (&mut self.meta.handshake, early_data) {
            Arc::make_mut(handshake).early_data = early_data;
        }
        self.keep_alive = self.meta.keep_alive().and_then(|(interval, idle_timeout)| {
            KeepAlive::start(now, interval, idle_timeout, &self.proto).map(Box::new)
        });
    }

    /// Tells, once, that a client's handshake is confirmed.
    pub(crate) fn is_newly_confirmed(&mut self) -> bool {
        let may_be = self.meta.handshake.is_some() && !self.meta.is_confirmed;
        if !may_be || self.proto.side().is_server() {
            return false;
        }
        self.meta.is_confirmed = self.proto.stats().frame_rx.handshake_done > 0;
        self.meta.is_confirmed
    }

    /// Returns what became of 0-RTT, once the handshake is complete.
    fn early_data(&self) -> Option<EarlyData> {
        if !self.proto.has_0rtt() {
            return None;
        }
        // A server has keys for early data only if it takes it.
        let accepted = self.proto.side().is_server() || self.proto.accepted_0rtt();
        Some(match accepted {
            true => EarlyData::Accepted,
            false => EarlyData::Rejected,
        })
    }

    /// Accepts the next stream of the peer.
    pub(crate) fn accept_stream(&mut self, dir: quinn_proto::Dir) -> Option<StreamId> {
        let id = self.proto.streams().accept(dir)?.to_ours();
        self.meta.accept(id);
        Some(id)
    }

    /// Tells whether the connection is closed and the peer knows it, or may
    /// not even know that there was one.
    pub(crate) fn is_settled(&self) -> bool {
        self.proto.is_drained()
            || (self.proto.is_closed()
                && (self.meta.handshake.is_none()
                    || self.proto.stats().frame_rx.connection_close > 0))
    }
}

//! What a shard keeps for one connection.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use qecho_packet::{CloseReason, Dir, StreamId};
use quinn_proto::{ConnectionHandle, VarInt};

use super::{admission::AdmissionPermit, validation::AddressValidation};
use crate::{
    config::Transport,
    handshake::{EarlyData, Handshake},
    limits::{
        ANSWER_DELAY_MAX, CLOSED_KEPT_TIME_MAX, FRAGMENTED_PACKETS_MAX, INITIAL_DATAGRAM_MIN,
    },
    proto::{ToOurs, ToProto},
    write_size::WriteSizeEstimator,
};

/// Names a connection of a shard; never used for a second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey {
    binding: u32,
    index: u32,
    generation: u64,
}

impl ConnectionKey {
    pub(super) fn new(binding: usize, handle: ConnectionHandle, generation: u64) -> Self {
        Self {
            binding: binding as u32,
            index: handle.0 as u32,
            generation,
        }
    }

    pub(super) fn binding(self) -> usize {
        self.binding as usize
    }

    pub(super) fn handle(self) -> ConnectionHandle {
        ConnectionHandle(self.index as usize)
    }
}

pub(super) struct ConnectionEntry<S> {
    pub(super) proto: quinn_proto::Connection,
    pub(super) meta: ConnectionMeta,
    pub(super) state: S,
}

/// What the shard itself knows of a connection.
pub(crate) struct ConnectionMeta {
    pub(crate) key: ConnectionKey,
    /// How those who watch are told its name.
    pub(crate) number: Option<u64>,
    pub(crate) began: Instant,
    settings: Arc<Transport>,
    pub(crate) handshake: Option<Arc<Handshake>>,
    /// Whether the application asked for another turn.
    pub(crate) turn_requested: bool,
    /// Streams of the peer's that were accepted, by direction.
    accepted: [u64; 2],
    /// Streams that the peer may come to have open, by direction.
    streams_max: [u64; 2],
    /// Bidirectional streams of ours that the peer has not ended.
    pub(crate) answers: BTreeSet<StreamId>,
    pieces: WriteSizeEstimator,
    pub(super) dirty: bool,
    /// Where the connection stands in the timetable.
    pub(super) scheduled: Option<Instant>,
    pub(super) reported_closed: bool,
    /// Why it was closed, until those who watch were told.
    pub(super) untold_close: Option<Box<CloseReason>>,
    pub(super) permit: Option<AdmissionPermit>,
    /// Whether the application of a client knows that the handshake is confirmed.
    pub(crate) is_confirmed: bool,
    handshake_deadline: Option<Instant>,
    /// Instant at which it is forgotten, once it is closed.
    forget_at: Option<Instant>,
    /// Addresses of a server's client; `None` on a client.
    pub(super) validation: Option<AddressValidation>,
    /// Whether an address of the client is not validated, so that what is sent is limited.
    pub(super) is_limited: bool,
    /// Packets that the state machine was not to see because of their gaps.
    fragmented_packets: usize,
    /// By when something is sent because something was heard.
    pub(super) answer_due: Option<Instant>,
    /// Answers in a row that had to leave past a full congestion window; each
    /// doubles the time until the next.
    pub(super) answers_past_window: u32,
    local_close: Option<CloseReason>,
    /// Bytes of the largest datagram that was heard.
    largest_heard: usize,
}

impl ConnectionMeta {
    pub(super) fn new(key: ConnectionKey, now: Instant, settings: Arc<Transport>) -> Self {
        Self {
            key,
            number: None,
            began: now,
            streams_max: [Dir::Bidirectional, Dir::Unidirectional]
                .map(|direction| settings.streams_max(direction)),
            settings,
            handshake: None,
            turn_requested: false,
            accepted: [0; 2],
            answers: BTreeSet::new(),
            pieces: WriteSizeEstimator::default(),
            dirty: false,
            scheduled: None,
            reported_closed: false,
            untold_close: None,
            permit: None,
            is_confirmed: false,
            handshake_deadline: None,
            forget_at: None,
            validation: None,
            is_limited: false,
            fragmented_packets: 0,
            answer_due: None,
            answers_past_window: 0,
            local_close: None,
            largest_heard: INITIAL_DATAGRAM_MIN.into(),
        }
    }

    /// Returns the send window for a piece that is to be written.
    pub(crate) fn send_window(&mut self, length: usize) -> u64 {
        self.pieces.note(length, self.settings.send_window.into())
    }

    /// Sets how many streams the peer may have open at once.
    pub(crate) fn limit_streams(&mut self, direction: Dir, most: u64) {
        let most = most.min(self.settings.streams_max(direction));
        self.streams_max[direction as usize] = most;
    }

    /// Allows the peer more streams once it has half of the allowed ones open.
    pub(crate) fn allow_streams(&self, proto: &mut quinn_proto::Connection, direction: Dir) {
        let most = self.streams_max[direction as usize];
        let dir = direction.to_proto();
        let allowed = proto.max_concurrent_streams(dir);
        let open = proto.streams().remote_open_streams(dir);
        if open * 2 >= allowed && allowed < most {
            let more = (allowed * 2).min(most);
            if let Ok(more) = VarInt::from_u64(more) {
                proto.set_max_concurrent_streams(dir, more);
            }
        }
    }

    /// Tells whether a stream of the peer's is, or was, there.
    pub(crate) fn accepted(&self, id: StreamId) -> bool {
        id.index() < self.accepted[id.direction() as usize]
    }

    /// Returns the size of the largest packet that the peer has sent us.
    pub(crate) fn packet_max(&self) -> usize {
        self.largest_heard
    }

    /// Notes that a client was let in, and by when it must have connected.
    pub(super) fn admit(&mut self, permit: AdmissionPermit, deadline: Instant) {
        self.permit = Some(permit);
        self.handshake_deadline = Some(deadline);
    }

    /// Limits what is sent to a server's client until its address is validated.
    pub(super) fn limit(&mut self, validation: AddressValidation) {
        self.is_limited = validation.is_begun();
        self.validation = Some(validation);
    }

    /// Notes packets that the state machine was not to see for their gaps; tells whether they
    /// are so many that the connection is to be closed.
    pub(super) fn note_refused(&mut self, packets: usize) -> bool {
        self.fragmented_packets += packets;
        packets > 0 && self.fragmented_packets > FRAGMENTED_PACKETS_MAX
    }

    /// Notes that the connection is closed, so that it is forgotten in time, however long
    /// the peer makes its probe timeouts.
    pub(super) fn note_closed(&mut self, now: Instant) {
        self.forget_at.get_or_insert(now + CLOSED_KEPT_TIME_MAX);
    }

    pub(super) fn is_to_be_forgotten(&self, now: Instant) -> bool {
        self.forget_at.is_some_and(|due| due <= now)
    }

    /// Notes why we close, for the application to hear; the first reason
    /// stays.
    pub(crate) fn close_locally(&mut self, reason: CloseReason) {
        self.local_close.get_or_insert(reason);
    }

    pub(super) fn take_local_close(&mut self) -> Option<CloseReason> {
        if self.reported_closed {
            return None;
        }
        self.local_close.clone()
    }
}

impl<S> ConnectionEntry<S> {
    /// Returns when the connection must be looked at again.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        let timers = [
            self.proto.poll_timeout(),
            self.meta.handshake_deadline,
            self.meta.answer_due,
            self.meta.forget_at,
        ];
        timers.into_iter().flatten().min()
    }

    /// Notes that a datagram of the peer's was handed to the state machine.
    pub(super) fn heard(&mut self, now: Instant, size: usize) {
        self.meta.largest_heard = self.meta.largest_heard.max(size);
        let delay = ANSWER_DELAY_MAX * 2_u32.pow(self.meta.answers_past_window);
        self.meta.answer_due.get_or_insert(now + delay);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.meta.scheduled = None;
        if self.meta.handshake_deadline.is_some_and(|due| due <= now) {
            self.give_up_handshake(now);
        }
        if self.proto.poll_timeout().is_some_and(|due| due <= now) {
            self.proto.handle_timeout(now);
        }
    }

    /// Closes a connection whose handshake takes too long.
    pub(super) fn give_up_handshake(&mut self, now: Instant) {
        if self.meta.handshake_deadline.take().is_some() {
            self.meta.close_locally(CloseReason::HandshakeDeadline);
            self.proto
                .close(now, VarInt::from_u32(0), "handshake too slow".into());
        }
    }

    /// Keeps what the handshake agreed on.
    pub(super) fn note_handshake(&mut self) {
        self.meta.handshake_deadline = None;
        self.meta.handshake = self
            .proto
            .crypto_session()
            .handshake_data()
            .and_then(|data| data.downcast().ok())
            .map(|data| *data);
        let early_data = self.early_data();
        if early_data == Some(EarlyData::Rejected) {
            // The state machine has forgotten these streams.
            self.meta.answers.clear();
        }
        if let (Some(handshake), Some(_)) = (&mut self.meta.handshake, early_data) {
            Arc::make_mut(handshake).early_data = early_data;
        }
    }

    /// Tells, once, that a client's handshake is confirmed.
    pub(super) fn is_newly_confirmed(&mut self) -> bool {
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
    pub(super) fn accept_stream(&mut self, dir: quinn_proto::Dir) -> Option<StreamId> {
        let id = self.proto.streams().accept(dir)?.to_ours();
        self.meta.accepted[id.direction() as usize] = id.index() + 1;
        Some(id)
    }

    /// Tells whether the connection is closed and the peer knows it, or may
    /// not even know that there was one.
    pub(super) fn is_settled(&self) -> bool {
        self.proto.is_drained()
            || (self.proto.is_closed()
                && (self.meta.handshake.is_none()
                    || self.proto.stats().frame_rx.connection_close > 0))
    }
}

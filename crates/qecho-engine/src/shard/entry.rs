//! What a shard keeps for one connection.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use quinn_proto::{ConnectionHandle, Dir, VarInt};

use super::admission::Ticket;
use crate::{
    config::Transport, event::CloseReason, handshake::Handshake, limits::HANDSHAKE_DEADLINE,
    stream_id::StreamId,
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

pub(super) struct Entry<S> {
    pub(super) proto: quinn_proto::Connection,
    pub(super) meta: Meta,
    pub(super) state: S,
}

/// What the shard itself knows of a connection.
pub(crate) struct Meta {
    pub(crate) key: ConnectionKey,
    pub(crate) began: Instant,
    settings: Arc<Transport>,
    pub(crate) handshake: Option<Handshake>,
    /// Whether the application asked for another turn.
    pub(crate) again: bool,
    /// Bidirectional streams of ours that the peer has not ended.
    pub(crate) answers: BTreeSet<StreamId>,
    pub(super) dirty: bool,
    /// Where the connection stands in the timetable.
    pub(super) scheduled: Option<Instant>,
    pub(super) reported_closed: bool,
    pub(super) ticket: Option<Ticket>,
    handshake_deadline: Option<Instant>,
    local_close: Option<CloseReason>,
}

impl Meta {
    pub(super) fn new(key: ConnectionKey, now: Instant, settings: Arc<Transport>) -> Self {
        Self {
            key,
            began: now,
            settings,
            handshake: None,
            again: false,
            answers: BTreeSet::new(),
            dirty: false,
            scheduled: None,
            reported_closed: false,
            ticket: None,
            handshake_deadline: None,
            local_close: None,
        }
    }

    /// Returns the size of the largest packet that a peer may send us.
    pub(crate) fn packet_max(&self) -> usize {
        self.settings.largest_receivable().into()
    }

    /// Notes that a client was let in, and by when it must have connected.
    pub(super) fn admit(&mut self, ticket: Ticket, now: Instant) {
        self.ticket = Some(ticket);
        self.handshake_deadline = Some(now + HANDSHAKE_DEADLINE);
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

impl<S> Entry<S> {
    /// Returns when the connection must be looked at again.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        let timer = self.proto.poll_timeout();
        match (timer, self.meta.handshake_deadline) {
            (Some(timer), Some(handshake)) => Some(timer.min(handshake)),
            (timer, handshake) => timer.or(handshake),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.meta.scheduled = None;
        if self.meta.handshake_deadline.is_some_and(|due| due <= now) {
            self.meta.handshake_deadline = None;
            self.meta.close_locally(CloseReason::HandshakeDeadline);
            self.proto
                .close(now, VarInt::from_u32(0), "handshake too slow".into());
        }
        if self.proto.poll_timeout().is_some_and(|due| due <= now) {
            self.proto.handle_timeout(now);
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
    }

    /// Accepts the next stream of the peer, and allows it more streams once it
    /// has half of the allowed ones open.
    pub(super) fn accept_stream(&mut self, dir: Dir) -> Option<StreamId> {
        let id = self.proto.streams().accept(dir)?;
        let most = self.meta.settings.streams_max(dir.into());
        let allowed = self.proto.max_concurrent_streams(dir);
        let open = self.proto.streams().remote_open_streams(dir);
        if open * 2 >= allowed && allowed < most {
            let more = (allowed * 2).min(most);
            if let Ok(more) = VarInt::from_u64(more) {
                self.proto.set_max_concurrent_streams(dir, more);
            }
        }
        Some(id.into())
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

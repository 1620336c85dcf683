//! State of a connection beside the state machine's.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use qecho_packet::{CloseReason, Dir, StreamId};
use quinn_proto::{ConnectionHandle, VarInt};

use crate::{
    config::Transport,
    congestion::SendProgress,
    crypto::Tracker,
    handshake::Handshake,
    limits::{INITIAL_DATAGRAM_MIN, RECEIVE_WINDOW_CROWDED, SEND_WINDOW_MIN, UDP_PAYLOAD_MAX},
    proto::ToProto,
    write_size::WriteSizeEstimator,
};

/// Name of a connection of a shard; never used for a second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey {
    binding: u32,
    index: u32,
    generation: u64,
}

impl ConnectionKey {
    pub(crate) fn new(binding: usize, handle: ConnectionHandle, generation: u64) -> Self {
        Self {
            binding: binding as u32,
            index: handle.0 as u32,
            generation,
        }
    }

    pub(crate) fn binding(self) -> usize {
        self.binding as usize
    }

    pub(crate) fn handle(self) -> ConnectionHandle {
        ConnectionHandle(self.index as usize)
    }
}

/// State of a connection that its application reaches through
/// [`Connection`](crate::Connection).
pub(crate) struct ConnectionMeta {
    pub(crate) key: ConnectionKey,
    /// Number among all connections of the server, which observations name it by; a client has
    /// one only if packets are traced.
    pub(crate) number: Option<u64>,
    pub(crate) began: Instant,
    /// Instant at which the datagram was received whose events are being handed on, if
    /// that is known better than by the turn.
    pub(crate) received_at: Option<Instant>,
    pub(crate) settings: Arc<Transport>,
    pub(crate) handshake: Option<Arc<Handshake>>,
    /// Record of received packets, once the handshake is complete.
    pub(crate) tracker: Option<Tracker>,
    /// Bytes of streams that the application has read.
    pub(crate) read: u64,
    /// Bytes of streams that were received and neither read nor kept.
    pub(crate) discarded: u64,
    pub(crate) progress: Arc<SendProgress>,
    /// Bytes that may be written and not acknowledged.
    send_window_max: u64,
    /// Set while its windows are small.
    pub(crate) small_windows: Option<Box<SmallWindows>>,
    /// Whether the next datagram may pass a full congestion window.
    pub(crate) passes_window: bool,
    /// Whether the application asked for another turn.
    pub(crate) turn_requested: bool,
    /// Streams of the peer's that were accepted, by direction.
    accepted: [u64; 2],
    /// Streams that the peer may come to have open, by direction.
    streams_max: [u64; 2],
    /// Bidirectional streams of ours that the peer has not ended.
    pub(crate) unanswered: BTreeSet<StreamId>,
    pub(crate) write_sizes: WriteSizeEstimator,
    /// Whether the application of a client knows that the handshake is confirmed.
    pub(crate) is_confirmed: bool,
    /// Reason for which we closed it, once we have.
    pub(crate) local_close: Option<CloseReason>,
    /// Bytes of the largest datagram that was received.
    pub(crate) datagram_max: usize,
}

/// Windows of a connection that were made small because its server is near its memory's limit.
pub(crate) struct SmallWindows {
    /// Bytes that were written before.
    pub(crate) written: u64,
    /// Bytes that the application had read when the windows were made small last.
    read: u64,
    /// Those of `taken` that had been taken back by then, or that a new peer was never allowed.
    paid: u64,
    /// Bytes of the receive window that were taken from the peer, who was allowed them: the state
    /// machine takes them back as they are read.
    taken: u64,
    /// Those that were given back.
    returned: u64,
}

impl SmallWindows {
    /// Returns how much of what was taken has been taken back once so much was read.
    fn paid_by(&self, read: u64) -> u64 {
        (read - self.read + self.paid).min(self.taken)
    }
}

impl ConnectionMeta {
    pub(crate) fn new(
        key: ConnectionKey,
        now: Instant,
        settings: Arc<Transport>,
        proto: &quinn_proto::Connection,
    ) -> Self {
        Self {
            key,
            number: None,
            began: now,
            received_at: None,
            streams_max: [Dir::Bidirectional, Dir::Unidirectional]
                .map(|direction| settings.streams_max(direction)),
            send_window_max: settings.send_window.into(),
            settings,
            handshake: None,
            tracker: None,
            read: 0,
            discarded: 0,
            progress: SendProgress::of(proto),
            small_windows: None,
            passes_window: false,
            turn_requested: false,
            accepted: [0; 2],
            unanswered: BTreeSet::new(),
            write_sizes: WriteSizeEstimator::default(),
            is_confirmed: false,
            local_close: None,
            datagram_max: INITIAL_DATAGRAM_MIN.into(),
        }
    }

    /// Returns the send window for a write of so many bytes.
    pub(crate) fn send_window(&mut self, length: usize) -> u64 {
        self.write_sizes.note(length, self.send_window_max)
    }

    /// Makes the windows small; `is_new` tells that the peer was never allowed more.
    pub(crate) fn shrink_windows(&mut self, proto: &mut quinn_proto::Connection, is_new: bool) {
        self.send_window_max = SEND_WINDOW_MIN.min(self.settings.send_window.into());
        proto.set_send_window(self.send_window_max);
        let written = self.progress.written();
        let usual = u64::from(self.settings.receive_window);
        let crowded = usual.min(RECEIVE_WINDOW_CROWDED.into());
        let small = self.small_windows.get_or_insert_with(|| {
            Box::new(SmallWindows {
                written,
                read: self.read,
                paid: 0,
                taken: 0,
                returned: 0,
            })
        });
        small.written = written;
        small.paid = small.paid_by(self.read);
        small.read = self.read;
        // It may have grown again in part.
        let taken = usual + small.returned - small.taken - crowded;
        small.taken += taken;
        if is_new {
            small.paid = taken;
        }
        proto.set_receive_window(
            RECEIVE_WINDOW_CROWDED
                .min(self.settings.receive_window)
                .into(),
        );
    }

    /// Gives the windows their usual sizes, the receive window as far as what the peer was allowed
    /// has been taken back, so that it is never allowed more than it usually is; tells whether a
    /// window has changed.
    ///
    /// Not all at the end: who waits for what others hold unread would never get there.
    pub(crate) fn restore_windows(&mut self, proto: &mut quinn_proto::Connection) -> bool {
        let Some(small) = &mut self.small_windows else {
            return false;
        };
        let usual = self.settings.send_window.into();
        let before = std::mem::replace(&mut self.send_window_max, usual);
        proto.set_send_window(usual);
        let taken_back = small.paid_by(self.read);
        if taken_back == small.returned && taken_back < small.taken {
            return usual != before;
        }
        small.returned = taken_back;
        let missing = small.taken - small.returned;
        let window = u64::from(self.settings.receive_window) - missing;
        proto.set_receive_window(VarInt::from_u64(window).unwrap_or(VarInt::MAX));
        if missing == 0 {
            self.small_windows = None;
        }
        true
    }

    /// Returns the interval at which the connection is kept alive, if it is, and the shorter of
    /// both ends' idle timeouts.
    pub(crate) fn keep_alive(&self) -> Option<(Duration, Duration)> {
        let ours = self.settings.idle_timeout;
        let ours = (!ours.is_zero()).then_some(ours);
        let handshake = self.handshake.as_ref()?;
        let theirs = handshake.peer_parameters.max_idle_timeout();
        Some((
            self.settings.keep_alive?,
            ours.into_iter().chain(theirs).min()?,
        ))
    }

    /// Returns the largest UDP payload that may be found to pass to the peer.
    pub(crate) fn udp_payload_max(&self) -> usize {
        let ours = self.settings.udp_payload_max.unwrap_or(UDP_PAYLOAD_MAX);
        let handshake = self.handshake.as_ref();
        let theirs =
            handshake.and_then(|handshake| handshake.peer_parameters.max_udp_payload_size());
        theirs.map_or(ours.into(), |theirs| theirs.min(ours.into()) as usize)
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

    /// Notes that a stream of the peer's was accepted, and all before it.
    pub(crate) fn accept(&mut self, id: StreamId) {
        self.accepted[id.direction() as usize] = id.index() + 1;
    }

    /// Tells whether a stream of the peer's is, or was, there.
    pub(crate) fn accepted(&self, id: StreamId) -> bool {
        id.index() < self.accepted[id.direction() as usize]
    }

    /// Notes the reason for which we close, for the application; the first one stays.
    pub(crate) fn close_locally(&mut self, reason: CloseReason) {
        self.local_close.get_or_insert(reason);
    }
}

//! Streams: what came on them, credit for more, and what is sent (RFC 9000 §2, §3, §4).

use std::collections::{BTreeMap, VecDeque};

use qecho_packet::{
    Dir, Side, StreamId, TransportParameters,
    wire::{Frame, INTEGER_MAX, frames},
};

use super::Behaviour;
use crate::{crypto::Assembler, packet::Content};

/// Streams that are remembered; what comes on others is not.
const STREAMS_MAX: usize = 10_000;

/// Data that came on a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivedStream {
    /// Its bytes without gaps.
    pub data: Vec<u8>,
    /// The final size, once it is known.
    pub final_size: Option<u64>,
    /// The code of RESET_STREAM.
    pub reset: Option<u64>,
    /// The code of STOP_SENDING.
    pub stopped: Option<u64>,
}

impl ReceivedStream {
    /// Tells whether all of it came.
    pub fn is_whole(&self) -> bool {
        self.final_size == Some(self.data.len() as u64)
    }
}

/// All streams of a connection.
pub(crate) struct Streams {
    side: Side,
    streams: BTreeMap<StreamId, Stream>,
    /// Those that the peer knows of, and with credit that waits to be sent.
    told: Limits,
    own: Limits,
    /// Limits that the endpoint granted at first, by which credit grows.
    windows: Limits,
    peer: Limits,
    /// Streams that the endpoint has opened, by direction.
    opened: [u64; 2],
    /// Bytes of all streams, up to the largest offset of each, that came.
    came: u64,
    /// The same that went.
    went: u64,
}

/// Limits of one side for the other.
#[derive(Clone, Copy, Default)]
struct Limits {
    data: u64,
    /// Of bidirectional streams that the side opens that has the limits.
    bidi_local: u64,
    bidi_remote: u64,
    uni: u64,
    streams: [u64; 2],
}

#[derive(Default)]
struct Stream {
    received: ReceivedStream,
    assembler: Assembler,
    /// The largest offset that came.
    came: u64,
    /// Bytes that the peer may send in all, with credit that waits to be sent; none before the
    /// first frame.
    granted: Option<u64>,
    /// The same as the peer knows of it, if it was raised.
    told: u64,
    unsent: VecDeque<u8>,
    /// Whether the end was written.
    is_ended: bool,
    /// The largest offset that went.
    went: u64,
    /// Whether FIN or RESET_STREAM went.
    is_closed: bool,
    /// Bytes that may be sent in all, if the peer has raised them.
    allowed: u64,
}

impl Limits {
    fn read(parameters: &TransportParameters) -> Self {
        let read = |id| parameters.integer(id).unwrap_or(0);
        Self {
            data: read(TransportParameters::INITIAL_MAX_DATA),
            bidi_local: read(TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_LOCAL),
            bidi_remote: read(TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_REMOTE),
            uni: read(TransportParameters::INITIAL_MAX_STREAM_DATA_UNI),
            streams: [
                read(TransportParameters::INITIAL_MAX_STREAMS_BIDI),
                read(TransportParameters::INITIAL_MAX_STREAMS_UNI),
            ],
        }
    }

    /// Returns the limit of a stream's data, to whoever has these limits on `side`.
    fn of_stream(&self, id: StreamId, side: Side) -> u64 {
        match id.direction() {
            Dir::Unidirectional => self.uni,
            Dir::Bidirectional if id.initiator() == side => self.bidi_local,
            Dir::Bidirectional => self.bidi_remote,
        }
    }
}

impl Streams {
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            streams: BTreeMap::new(),
            told: Limits::default(),
            own: Limits::default(),
            windows: Limits::default(),
            peer: Limits::default(),
            opened: [0; 2],
            came: 0,
            went: 0,
        }
    }

    /// Grants what the endpoint's transport parameters say.
    pub(super) fn grant(&mut self, parameters: &TransportParameters) {
        self.windows = Limits::read(parameters);
        self.own = self.windows;
        self.told = self.windows;
    }

    /// Takes what the peer's transport parameters allow.
    pub(super) fn allow(&mut self, parameters: &TransportParameters) {
        self.peer = Limits::read(parameters);
    }

    /// Returns the largest offset that came on a stream, and its final size if it is known.
    pub(crate) fn came_on(&self, id: StreamId) -> (u64, Option<u64>) {
        let stream = self.streams.get(&id);
        stream.map_or((0, None), |it| (it.came, it.received.final_size))
    }

    /// Returns the bytes that the peer may send on a stream in all.
    pub(crate) fn granted(&self, id: StreamId) -> u64 {
        let told = self.streams.get(&id).map_or(0, |stream| stream.told);
        told.max(self.windows.of_stream(id, self.side))
    }

    /// Tells whether the limit of the connection allows what came, and so many bytes more.
    pub(crate) fn may_receive(&self, more: u64) -> bool {
        self.came.saturating_add(more) <= self.told.data
    }

    /// Returns how many streams of a direction the peer may open.
    pub(crate) fn may_open(&self, direction: Dir) -> u64 {
        self.told.streams[kind(direction)]
    }

    /// Returns how many streams of a direction the endpoint has opened.
    pub(crate) fn opened(&self, direction: Dir) -> u64 {
        self.opened[kind(direction)]
    }

    pub(super) fn received(&self, id: StreamId) -> Option<&ReceivedStream> {
        self.streams.get(&id).map(|stream| &stream.received)
    }

    pub(super) fn all_received(&self) -> impl Iterator<Item = (StreamId, &ReceivedStream)> {
        let streams = self.streams.iter();
        streams.map(|(id, stream)| (*id, &stream.received))
    }

    pub(super) fn unsent(&self) -> usize {
        self.streams
            .values()
            .map(|stream| stream.unsent.len())
            .sum()
    }

    pub(super) fn write(&mut self, id: StreamId, data: &[u8], fin: bool) {
        let stream = self.streams.entry(id).or_default();
        stream.unsent.extend(data);
        stream.is_ended |= fin;
    }

    /// Takes a frame of the peer's; returns frames that answer it.
    pub(super) fn receive(&mut self, frame: &Frame<'_>, behaviour: &Behaviour) -> Vec<Content> {
        match *frame {
            Frame::Stream {
                id,
                offset,
                fin,
                data,
            } => {
                let end = offset.saturating_add(data.len() as u64);
                let Some(stream) = self.stream(id) else {
                    return Vec::new();
                };
                let data = stream.assembler.receive(offset, data);
                stream.received.data.extend(data);
                if fin {
                    stream.received.final_size.get_or_insert(end);
                }
                self.note_came(id, end, behaviour)
            }
            Frame::ResetStream {
                id,
                code,
                final_size,
            } => {
                let Some(stream) = self.stream(id) else {
                    return Vec::new();
                };
                stream.received.reset.get_or_insert(code);
                stream.received.final_size.get_or_insert(final_size);
                self.note_came(id, final_size, behaviour)
            }
            Frame::StopSending { id, code } => self.stop(id, code, behaviour),
            Frame::MaxData { maximum } => {
                self.peer.data = self.peer.data.max(maximum);
                Vec::new()
            }
            Frame::MaxStreamData { id, maximum } => {
                if let Some(stream) = self.stream(id) {
                    stream.allowed = stream.allowed.max(maximum);
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Returns a stream, unless there are too many.
    fn stream(&mut self, id: StreamId) -> Option<&mut Stream> {
        if self.streams.len() >= STREAMS_MAX && !self.streams.contains_key(&id) {
            return None;
        }
        Some(self.streams.entry(id).or_default())
    }

    /// Counts what came, and gives credit for half a window more than that, at least.
    fn note_came(&mut self, id: StreamId, end: u64, behaviour: &Behaviour) -> Vec<Content> {
        let window = self.windows.of_stream(id, self.side);
        let stream = self.streams.entry(id).or_default();
        self.came = self.came.saturating_add(end.saturating_sub(stream.came));
        stream.came = stream.came.max(end);
        let mut credit = Vec::new();
        if !behaviour.gives_credit {
            return credit;
        }
        let granted = stream.granted.unwrap_or(window);
        stream.granted = Some(granted);
        if stream.received.final_size.is_none()
            && let Some(maximum) = raised(granted, stream.came, window)
        {
            stream.granted = Some(maximum);
            credit.push(Content::from(Frame::MaxStreamData { id, maximum }));
        }
        if let Some(maximum) = raised(self.own.data, self.came, self.windows.data) {
            self.own.data = maximum;
            credit.push(Content::from(Frame::MaxData { maximum }));
        }
        let kind = kind(id.direction());
        let opened = id.index().saturating_add(1);
        if id.initiator() != self.side
            && let Some(maximum) =
                raised(self.own.streams[kind], opened, self.windows.streams[kind])
        {
            self.own.streams[kind] = maximum;
            let direction = id.direction();
            credit.push(Content::from(Frame::MaxStreams { direction, maximum }));
        }
        credit
    }

    /// Answers STOP_SENDING by RESET_STREAM, if there is something to stop (RFC 9000 §3.5).
    fn stop(&mut self, id: StreamId, code: u64, behaviour: &Behaviour) -> Vec<Content> {
        let Some(stream) = self.stream(id) else {
            return Vec::new();
        };
        stream.received.stopped.get_or_insert(code);
        if !behaviour.answers_stop_sending || stream.is_closed {
            return Vec::new();
        }
        stream.unsent.clear();
        let final_size = stream.went;
        let reset = Frame::ResetStream {
            id,
            code,
            final_size,
        };
        stream.is_closed = true;
        vec![Content::from(reset)]
    }

    /// Learns what the frames of a packet that is sent bring about.
    pub(super) fn note_sent(&mut self, payload: &[u8]) {
        for frame in frames(payload).map_while(Result::ok) {
            match frame {
                Frame::Stream {
                    id,
                    offset,
                    fin,
                    data,
                } => {
                    let end = offset.saturating_add(data.len() as u64);
                    self.note_went(id, end, fin);
                }
                Frame::ResetStream { id, final_size, .. } => self.note_went(id, final_size, true),
                Frame::StreamDataBlocked { id, .. } => self.open(id),
                Frame::MaxData { maximum } => {
                    self.own.data = self.own.data.max(maximum);
                    self.told.data = self.told.data.max(maximum);
                }
                Frame::MaxStreamData { id, maximum } => {
                    let told = &mut self.streams.entry(id).or_default().told;
                    *told = maximum.max(*told);
                }
                Frame::MaxStreams { direction, maximum } => {
                    let told = &mut self.told.streams[kind(direction)];
                    *told = maximum.max(*told);
                }
                _ => {}
            }
        }
    }

    /// Notes that a stream is open, if it is one of the endpoint's.
    fn open(&mut self, id: StreamId) {
        if id.initiator() == self.side {
            let opened = &mut self.opened[kind(id.direction())];
            *opened = (*opened).max(id.index() + 1);
        }
    }

    fn note_went(&mut self, id: StreamId, end: u64, is_closed: bool) {
        self.open(id);
        let stream = self.streams.entry(id).or_default();
        // A script may go beyond all that a frame can tell.
        let end = end.min(INTEGER_MAX);
        self.went = self.went.saturating_add(end.saturating_sub(stream.went));
        stream.went = stream.went.max(end);
        stream.is_closed |= is_closed;
    }

    /// Takes what was written on a stream and may be sent, as a frame of at most so many bytes.
    pub(super) fn take(&mut self, room: usize) -> Option<Content> {
        /// Bytes before the data of a STREAM frame, at most.
        const HEAD_MAX: usize = 1 + 8 + 8 + 2;
        let room = room.checked_sub(HEAD_MAX + 1)?;
        let allowed_in_all = self.peer.data.saturating_sub(self.went);
        let (peer, side) = (self.peer, self.side);
        let (id, data, fin) = self.streams.iter_mut().find_map(|(id, stream)| {
            let allowed = stream.allowed.max(peer.of_stream(*id, side.other()));
            let allowed = allowed.saturating_sub(stream.went).min(allowed_in_all);
            let length = room.min(usize::try_from(allowed).unwrap_or(usize::MAX));
            let length = length.min(stream.unsent.len());
            let fin = stream.is_ended && length == stream.unsent.len();
            if stream.is_closed || length == 0 && !fin {
                return None;
            }
            Some((*id, stream.unsent.drain(..length).collect::<Vec<_>>(), fin))
        })?;
        let offset = self.streams.get(&id).map_or(0, |stream| stream.went);
        self.note_went(id, offset + data.len() as u64, fin);
        Some(Content::from(Frame::Stream {
            id,
            offset,
            fin,
            data: &data,
        }))
    }
}

fn kind(direction: Dir) -> usize {
    usize::from(direction == Dir::Unidirectional)
}

/// Returns the limit that gives a whole window again, once half of it is used.
fn raised(granted: u64, used: u64, window: u64) -> Option<u64> {
    let whole = used.saturating_add(window).min((1 << 60) - 1);
    (window > 0 && used <= granted && granted - used <= window / 2 && whole > granted)
        .then_some(whole)
}

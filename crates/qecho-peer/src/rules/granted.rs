//! What an endpoint has said so far, which is what its peer may rely on.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ops::RangeInclusive,
};

use qecho_packet::{
    Dir, Side, StreamId, TransportParameters,
    wire::{ConnectionId, Frame, frames},
};

use crate::tls::Level;

/// Promises that an endpoint has made in its transport parameters and in the frames that it sent.
#[derive(Debug)]
pub(super) struct Granted {
    /// The endpoint's side.
    pub(super) side: Side,
    pub(super) parameters: TransportParameters,
    /// Bytes of all streams that the peer may send.
    pub(super) data: u64,
    stream_data: HashMap<StreamId, u64>,
    /// By direction: streams that the peer may open, and those that this side has opened.
    streams: [u64; 2],
    opened: [u64; 2],
    /// Connection IDs that were issued, by their sequence numbers.
    pub(super) connection_ids: HashMap<u64, ConnectionId>,
    /// Sequence numbers of the peer's connection IDs that this side has retired.
    pub(super) retired: HashSet<u64>,
    pub(super) challenges: HashSet<[u8; 8]>,
    /// Packet numbers that were sent, by packet number space.
    numbers: [BTreeSet<u64>; 3],
    /// The highest 1-RTT packet that was acknowledged.
    pub(super) acknowledged: Option<u64>,
}

impl Granted {
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            parameters: TransportParameters::default(),
            data: 0,
            stream_data: HashMap::new(),
            streams: [0; 2],
            opened: [0; 2],
            connection_ids: HashMap::new(),
            retired: HashSet::new(),
            challenges: HashSet::new(),
            numbers: Default::default(),
            acknowledged: None,
        }
    }

    /// Takes over the transport parameters that the endpoint sends, which a server has only once
    /// a client has come.
    pub(super) fn announce(&mut self, parameters: &TransportParameters) {
        if self.parameters == *parameters {
            return;
        }
        let data = parameters.integer(TransportParameters::INITIAL_MAX_DATA);
        raise(&mut self.data, data.unwrap_or(0));
        for direction in [Dir::Bidirectional, Dir::Unidirectional] {
            let streams = parameters.initial_max_streams(direction);
            raise(&mut self.streams[index(direction)], streams);
        }
        self.parameters = parameters.clone();
    }

    /// Notes a packet that the endpoint has sent.
    pub(super) fn sent(&mut self, level: Level, number: u64, payload: &[u8]) {
        self.numbers[space(level)].insert(number);
        for frame in frames(payload).map_while(Result::ok) {
            self.sent_frame(level, &frame);
        }
    }

    fn sent_frame(&mut self, level: Level, frame: &Frame<'_>) {
        match *frame {
            Frame::MaxData { maximum } => raise(&mut self.data, maximum),
            Frame::MaxStreamData { id, maximum } => {
                raise(self.stream_data.entry(id).or_default(), maximum);
            }
            Frame::MaxStreams { direction, maximum } => {
                raise(&mut self.streams[index(direction)], maximum);
            }
            Frame::RetireConnectionId { sequence } => {
                self.retired.insert(sequence);
            }
            Frame::PathChallenge { data } => {
                self.challenges.insert(data);
            }
            Frame::Ack(ref ack) if level == Level::OneRtt => {
                self.acknowledged = self.acknowledged.max(Some(ack.largest()));
            }
            Frame::Stream { id, .. }
            | Frame::ResetStream { id, .. }
            | Frame::StreamDataBlocked { id, .. }
                if id.initiator() == self.side =>
            {
                raise(&mut self.opened[index(id.direction())], id.index() + 1);
            }
            _ => {}
        }
    }

    /// Tells whether all packets of a range were sent.
    pub(super) fn has_sent(&self, level: Level, range: &RangeInclusive<u64>) -> bool {
        let sent = self.numbers[space(level)].range(range.clone()).count() as u64;
        sent > range.end() - range.start()
    }

    /// Returns how many streams of a direction the peer may open.
    pub(super) fn streams(&self, direction: Dir) -> u64 {
        self.streams[index(direction)]
    }

    /// Returns how many streams of a direction this side has opened.
    pub(super) fn opened(&self, direction: Dir) -> u64 {
        self.opened[index(direction)]
    }

    /// Returns how many bytes the peer may send on a stream.
    pub(super) fn stream_data(&self, id: StreamId) -> u64 {
        let is_own = id.initiator() == self.side;
        let initial = match (id.direction(), is_own) {
            // The peer may send nothing at all there, which another rule says.
            (Dir::Unidirectional, true) => return u64::MAX,
            (Dir::Unidirectional, false) => TransportParameters::INITIAL_MAX_STREAM_DATA_UNI,
            (Dir::Bidirectional, true) => TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_LOCAL,
            (Dir::Bidirectional, false) => TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_REMOTE,
        };
        let raised = self.stream_data.get(&id).copied();
        self.parameters.integer(initial).max(raised).unwrap_or(0)
    }
}

/// Returns the packet number space of a level (RFC 9000 §12.3).
pub(super) fn space(level: Level) -> usize {
    match level {
        Level::Initial => 0,
        Level::Handshake => 1,
        Level::EarlyData | Level::OneRtt => 2,
    }
}

fn index(direction: Dir) -> usize {
    usize::from(direction == Dir::Unidirectional)
}

fn raise(limit: &mut u64, to: u64) {
    *limit = (*limit).max(to);
}

//! Streams as the peer uses them: states, limits, flow control and final sizes (RFC 9000 §2 to
//! §4).

use std::collections::HashMap;

use qecho_packet::{
    Dir, Side, StreamId,
    wire::{Frame, INTEGER_MAX},
};

use super::{Enforced, Granted, Rule};

/// Streams of one direction that can be at most (RFC 9000 §4.6).
pub(super) const STREAMS_MAX: u64 = 1 << 60;

/// Record of what the peer has sent on its streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    received: HashMap<StreamId, Received>,
    /// Bytes of all streams that count against the connection's limit.
    total: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Received {
    /// Offset behind the last byte that came, or that a reset told of.
    end: u64,
    final_size: Option<u64>,
}

/// The two ends of a stream, as a rule is broken at them.
struct Barred {
    /// For streams on which the sender of the frame has nothing to say.
    one_way: Rule,
    /// For streams that their opener has not opened.
    not_opened: Rule,
}

impl Streams {
    /// Checks a frame, if it is one of streams.
    pub(super) fn receive(
        &mut self,
        frame: &Frame<'_>,
        granted: &Granted,
        enforced: &Enforced,
    ) -> Result<(), Rule> {
        match *frame {
            Frame::Stream {
                id,
                offset,
                fin,
                data,
            } => {
                let end = offset + data.len() as u64;
                enforced.demand(Rule::StreamOffset, end <= INTEGER_MAX)?;
                let barred = Barred {
                    one_way: Rule::StreamOnSendOnly,
                    not_opened: Rule::StreamNotOpened,
                };
                barred.check_sending(id, granted, enforced)?;
                self.data(id, end, fin, enforced)?;
                self.advance(id, end, granted, enforced)
            }
            Frame::ResetStream { id, final_size, .. } => {
                let barred = Barred {
                    one_way: Rule::ResetOnSendOnly,
                    not_opened: Rule::ResetNotOpened,
                };
                barred.check_sending(id, granted, enforced)?;
                self.reset(id, final_size, enforced)?;
                self.advance(id, final_size, granted, enforced)
            }
            Frame::StopSending { id, .. } => {
                let barred = Barred {
                    one_way: Rule::StopOnReceiveOnly,
                    not_opened: Rule::StopNotOpened,
                };
                barred.check_receiving(id, granted, enforced)
            }
            Frame::MaxStreamData { id, .. } => {
                let barred = Barred {
                    one_way: Rule::MaxStreamDataOnReceiveOnly,
                    not_opened: Rule::MaxStreamDataNotOpened,
                };
                barred.check_receiving(id, granted, enforced)
            }
            Frame::StreamDataBlocked { id, .. } => {
                let barred = Barred {
                    one_way: Rule::BlockedOnSendOnly,
                    not_opened: Rule::BlockedNotOpened,
                };
                barred.check_sending(id, granted, enforced)
            }
            Frame::MaxStreams { maximum, .. } => {
                enforced.demand(Rule::MaxStreamsRange, maximum <= STREAMS_MAX)
            }
            Frame::StreamsBlocked { limit, .. } => {
                enforced.demand(Rule::StreamsBlockedRange, limit <= STREAMS_MAX)
            }
            _ => Ok(()),
        }
    }

    /// Checks the final size of a stream against data that came (RFC 9000 §4.5).
    fn data(&mut self, id: StreamId, end: u64, fin: bool, enforced: &Enforced) -> Result<(), Rule> {
        let stream = self.received.entry(id).or_default();
        match (stream.final_size, fin) {
            (Some(size), true) => enforced.demand(Rule::FinalSizeOfFins, end == size)?,
            (Some(size), false) => enforced.demand(Rule::DataBeyondFinalSize, end <= size)?,
            (None, true) => enforced.demand(Rule::FinalSizeBelowData, end >= stream.end)?,
            (None, false) => {}
        }
        if fin {
            stream.final_size.get_or_insert(end);
        }
        Ok(())
    }

    /// Checks the final size that a reset tells (RFC 9000 §4.5).
    fn reset(&mut self, id: StreamId, size: u64, enforced: &Enforced) -> Result<(), Rule> {
        let stream = self.received.entry(id).or_default();
        match stream.final_size {
            Some(known) => enforced.demand(Rule::FinalSizeOfReset, size == known)?,
            None => enforced.demand(Rule::FinalSizeBelowData, size >= stream.end)?,
        }
        stream.final_size.get_or_insert(size);
        Ok(())
    }

    /// Counts what came, or will not come any more, against the limits (RFC 9000 §4.1, §4.5).
    fn advance(
        &mut self,
        id: StreamId,
        end: u64,
        granted: &Granted,
        enforced: &Enforced,
    ) -> Result<(), Rule> {
        let stream = self.received.entry(id).or_default();
        let more = end.saturating_sub(stream.end);
        stream.end += more;
        self.total = self.total.saturating_add(more);
        let is_within = more == 0 || end <= granted.stream_data(id);
        enforced.demand(Rule::StreamDataLimit, is_within)?;
        let is_within = more == 0 || self.total <= granted.data;
        enforced.demand(Rule::DataLimit, is_within)
    }
}

impl Barred {
    /// Checks that the peer, who sends the frame, may send on the stream.
    fn check_sending(
        self,
        id: StreamId,
        granted: &Granted,
        enforced: &Enforced,
    ) -> Result<(), Rule> {
        self.check(id, granted.side, granted, enforced)
    }

    /// Checks that the peer, who sends the frame, may receive on the stream.
    fn check_receiving(
        self,
        id: StreamId,
        granted: &Granted,
        enforced: &Enforced,
    ) -> Result<(), Rule> {
        let peer = match granted.side {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        self.check(id, peer, granted, enforced)
    }

    /// Checks a stream on which, if it is unidirectional, `silent` would have to be its opener
    /// to make the frame wrong.
    fn check(
        self,
        id: StreamId,
        silent: Side,
        granted: &Granted,
        enforced: &Enforced,
    ) -> Result<(), Rule> {
        if id.direction() == Dir::Unidirectional && id.initiator() == silent {
            return enforced.demand(self.one_way, false);
        }
        if id.initiator() == granted.side {
            let is_open = id.index() < granted.opened(id.direction());
            return enforced.demand(self.not_opened, is_open);
        }
        let rule = match id.direction() {
            Dir::Bidirectional => Rule::BidirectionalStreamLimit,
            Dir::Unidirectional => Rule::UnidirectionalStreamLimit,
        };
        enforced.demand(rule, id.index() < granted.streams(id.direction()))
    }
}

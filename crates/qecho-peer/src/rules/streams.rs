//! Streams as the peer uses them: states, limits, flow control and final sizes (RFC 9000 §2 to
//! §4).

use qecho_packet::{
    Dir, Side, StreamId,
    wire::{Frame, INTEGER_MAX},
};

use super::{Rule, Rules};
use crate::endpoint::Endpoint;

/// Streams of one direction that can be at most (RFC 9000 §4.6).
pub(super) const STREAMS_MAX: u64 = 1 << 60;

impl Rules {
    /// Checks a frame, if it is one of streams.
    pub(super) fn check_stream(&self, endpoint: &Endpoint, frame: &Frame<'_>) -> Result<(), Rule> {
        // Of a one-way stream, the side that must not have opened it where the peer sends, and
        // where it receives.
        let (sending, receiving) = (endpoint.side(), endpoint.side().other());
        let state = |id, silent, rules| self.check_state(endpoint, id, silent, rules);
        match *frame {
            Frame::Stream {
                id,
                offset,
                fin,
                data,
            } => {
                let end = offset + data.len() as u64;
                self.demand(Rule::StreamOffset, end <= INTEGER_MAX)?;
                let rules = [Rule::StreamOnSendOnly, Rule::StreamNotOpened];
                state(id, sending, rules)?;
                self.check_data(endpoint, id, end, fin.then_some(Rule::FinalSizeOfFins))
            }
            Frame::ResetStream { id, final_size, .. } => {
                state(id, sending, [Rule::ResetOnSendOnly, Rule::ResetNotOpened])?;
                self.check_data(endpoint, id, final_size, Some(Rule::FinalSizeOfReset))
            }
            Frame::StopSending { id, .. } => {
                let rules = [Rule::StopOnReceiveOnly, Rule::StopNotOpened];
                state(id, receiving, rules)
            }
            Frame::MaxStreamData { id, .. } => {
                let one_way = Rule::MaxStreamDataOnReceiveOnly;
                state(id, receiving, [one_way, Rule::MaxStreamDataNotOpened])
            }
            Frame::StreamDataBlocked { id, .. } => {
                let rules = [Rule::BlockedOnSendOnly, Rule::BlockedNotOpened];
                state(id, sending, rules)
            }
            Frame::MaxStreams { maximum, .. } => {
                self.demand(Rule::MaxStreamsRange, maximum <= STREAMS_MAX)
            }
            Frame::StreamsBlocked { limit, .. } => {
                self.demand(Rule::StreamsBlockedRange, limit <= STREAMS_MAX)
            }
            _ => Ok(()),
        }
    }

    /// Checks that there is, or may be, a stream on which the frame has something to say; else
    /// one of both rules is broken: the first by a frame on a one-way stream that `silent` has
    /// opened, the second by one on a stream of this side that it has not opened.
    fn check_state(
        &self,
        endpoint: &Endpoint,
        id: StreamId,
        silent: Side,
        [one_way, not_opened]: [Rule; 2],
    ) -> Result<(), Rule> {
        let (streams, direction) = (&endpoint.streams, id.direction());
        if direction == Dir::Unidirectional && id.initiator() == silent {
            return self.demand(one_way, false);
        }
        if id.initiator() == endpoint.side() {
            return self.demand(not_opened, id.index() < streams.opened(direction));
        }
        let rule = match direction {
            Dir::Bidirectional => Rule::BidirectionalStreamLimit,
            Dir::Unidirectional => Rule::UnidirectionalStreamLimit,
        };
        self.demand(rule, id.index() < streams.may_open(direction))
    }

    /// Checks data up to an offset against the final size, which it tells itself perhaps and
    /// then by some rule has to repeat (RFC 9000 §4.5), and against the limits (§4.1).
    fn check_data(
        &self,
        endpoint: &Endpoint,
        id: StreamId,
        end: u64,
        repeats: Option<Rule>,
    ) -> Result<(), Rule> {
        let streams = &endpoint.streams;
        let (came, final_size) = streams.came_on(id);
        match (final_size, repeats) {
            (Some(size), Some(rule)) => self.demand(rule, end == size)?,
            (Some(size), None) => self.demand(Rule::DataBeyondFinalSize, end <= size)?,
            (None, Some(_)) => self.demand(Rule::FinalSizeBelowData, end >= came)?,
            (None, None) => {}
        }
        self.demand(Rule::StreamDataLimit, end <= streams.granted(id))?;
        let more = end.saturating_sub(came);
        self.demand(Rule::DataLimit, end == 0 || streams.may_receive(more))
    }
}

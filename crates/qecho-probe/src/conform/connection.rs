//! One connection of a run, whose packets are kept when it is over.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    ops::{Deref, DerefMut},
    rc::Rc,
    time::Duration,
};

use qecho_packet::{Dir, Side, StreamId, TransportParameters, wire::Frame};
use qecho_peer::{
    endpoint::{Ended, Endpoint},
    packet::Packet,
    received::ReceivedPacket,
    script::{Opened, Probe, Reaction},
    tls::{Level, Message},
};

use super::{
    Expected, Finding, Judged, Verdict,
    expected::{NO_ERROR, close_words},
    record::{Log, Stretch},
    stimulus::OddLevels,
};

/// A connection to the peer that a run has begun: all that a [`Probe`] can do, and more.
///
/// When it is dropped it is closed, and the run keeps what it has sent and received.
#[derive(Debug)]
pub struct Connection {
    probe: Probe<'static>,
    odd: OddLevels,
    log: Rc<RefCell<Log>>,
}

impl Connection {
    pub(super) fn new(probe: Probe<'static>, odd: OddLevels, log: Rc<RefCell<Log>>) -> Self {
        log.borrow_mut().begin(probe.now());
        Self { probe, odd, log }
    }

    /// Waits until the handshake is confirmed.
    ///
    /// # Errors
    /// The requirement was not reached, and why.
    pub fn confirmed(mut self) -> Result<Self, Finding> {
        match self.open() {
            Opened::Confirmed => Ok(self),
            other => Err(Finding::new(Verdict::NotReached, opened_words(&other))),
        }
    }

    /// Sends a packet, and judges how the peer reacts to it.
    ///
    /// # Errors
    /// None: it is what a script returns.
    pub fn expect(&mut self, packet: Packet, expected: Expected) -> Judged {
        let begin = self.endpoint().record().sent.len();
        let reaction = self.reaction_to(packet);
        self.judge_since(begin, &reaction, expected)
    }

    /// Judges how the peer has reacted to the packet that was sent after so many.
    pub(super) fn judge_since(
        &mut self,
        begin: usize,
        reaction: &Reaction,
        expected: Expected,
    ) -> Judged {
        match self.farewell(reaction) {
            Some(close) => self.judge_farewell(close, begin, expected),
            None => Ok(self.judge(reaction, expected)),
        }
    }

    /// Judges how the peer reacts to what was sent before.
    ///
    /// # Errors
    /// None: it is what a script returns.
    pub fn expect_of_all(&mut self, expected: Expected) -> Judged {
        let reaction = self.reaction();
        Ok(self.judge(&reaction, expected).of_life_alone())
    }

    /// Judges a reaction. A peer that does not close gets more time before it is accused: it may
    /// acknowledge a packet before it has looked at all that is in it.
    pub(super) fn judge(&mut self, reaction: &Reaction, expected: Expected) -> Finding {
        let finding = expected.judge(reaction);
        if matches!(reaction, Reaction::Silent) && self.is_timed_out() && expected.must_live() {
            return self.not_reached_by_end();
        }
        let is_accused = finding.verdict == Verdict::Fail;
        if !is_accused || !matches!(reaction, Reaction::LivesOn { .. }) {
            return finding;
        }
        let patience = self.patience;
        if !self.wait_for(|endpoint| endpoint.ended().is_some(), patience) {
            return finding;
        }
        // That nothing came is this side's own end, and no answer.
        if self.is_timed_out() {
            return finding;
        }
        let reaction = self.reaction();
        match self.farewell(&reaction) {
            Some(_) => finding,
            None => expected.judge(&reaction),
        }
    }

    /// Accuses the peer, unless the connection is over: then it owes nothing any more.
    pub(super) fn accuse(&self, seen: impl Into<String>) -> Finding {
        match self.endpoint().closed().is_some() || self.endpoint().ended().is_some() {
            true => self.not_reached_by_end(),
            false => Finding::new(Verdict::Fail, seen),
        }
    }

    /// Tells whether this side has given the connection up, as nothing came.
    pub(super) fn is_timed_out(&self) -> bool {
        matches!(self.endpoint().ended(), Some(Ended::TimedOut))
    }

    /// Makes the finding that the connection was over before anything could be seen.
    pub(super) fn not_reached_by_end(&self) -> Finding {
        let seen = match (self.endpoint().closed(), self.endpoint().ended()) {
            (Some(close), _) => close_words(close),
            (None, Some(ended)) => format!("the connection ended: {ended:?}"),
            (None, None) => "the connection is not over".to_owned(),
        };
        Finding::new(Verdict::NotReached, seen)
    }

    /// Sends a TLS message that belongs to no handshake.
    pub(super) fn send_message(&mut self, level: Level, message: &Message) {
        self.odd.add(level);
        let now = self.now();
        self.endpoint_mut().send_message(now, level, message);
    }

    /// Notes that all that the script has sent so far only prepares the stimulus.
    pub(super) fn prepared(&mut self) {
        self.flush();
        let datagrams = self.endpoint().record().datagrams.len();
        self.odd.prepared(datagrams);
    }

    /// Returns the value of a transport parameter of the peer that is an integer, or 0.
    pub fn parameter(&self, id: u64) -> u64 {
        let parameters = self.endpoint().peer_parameters();
        parameters
            .and_then(|parameters| parameters.integer(id))
            .unwrap_or(0)
    }

    /// Tells whether the peer has sent a transport parameter.
    pub fn has_parameter(&self, id: u64) -> bool {
        let parameters = self.endpoint().peer_parameters();
        parameters.is_some_and(|parameters| parameters.get(id).is_some())
    }

    /// Returns how many streams of a direction the peer lets this side open, by now.
    pub fn streams_granted(&self, direction: Dir) -> u64 {
        let initial = self.parameter(match direction {
            Dir::Bidirectional => TransportParameters::INITIAL_MAX_STREAMS_BIDI,
            Dir::Unidirectional => TransportParameters::INITIAL_MAX_STREAMS_UNI,
        });
        self.highest(initial, |frame| match *frame {
            Frame::MaxStreams {
                direction: of,
                maximum,
            } if of == direction => Some(maximum),
            _ => None,
        })
    }

    /// Returns how many bytes the peer lets this side send on a stream of its own, by now.
    pub fn stream_data_granted(&self, id: StreamId) -> u64 {
        let initial = self.parameter(match id.direction() {
            Dir::Bidirectional => TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_REMOTE,
            Dir::Unidirectional => TransportParameters::INITIAL_MAX_STREAM_DATA_UNI,
        });
        self.highest(initial, |frame| match *frame {
            Frame::MaxStreamData { id: of, maximum } if of == id => Some(maximum),
            _ => None,
        })
    }

    /// Returns how many bytes the peer lets this side send on all streams, by now.
    pub fn data_granted(&self) -> u64 {
        let initial = self.parameter(TransportParameters::INITIAL_MAX_DATA);
        self.highest(initial, |frame| match *frame {
            Frame::MaxData { maximum } => Some(maximum),
            _ => None,
        })
    }

    /// Returns the first stream of this side on which some bytes may be sent.
    ///
    /// # Errors
    /// The requirement is not applicable: the peer grants no such stream.
    pub fn open_stream(&self, bytes: u64) -> Result<StreamId, Finding> {
        // An application cares less for what it does not know on those of one direction.
        let directions = [Dir::Unidirectional, Dir::Bidirectional].into_iter();
        let mut ids = directions
            .filter(|direction| self.streams_granted(*direction) > 0)
            .map(|direction| self.own_stream(direction, 0));
        let is_within = |id: &StreamId| self.stream_data_granted(*id) >= bytes;
        let id = ids.find(|id| is_within(id) && self.data_granted() >= bytes);
        id.ok_or_else(|| not_applicable("the peer grants no stream with enough credit"))
    }

    /// Returns a stream that this side may open, by its place among those of its direction.
    pub fn own_stream(&self, direction: Dir, index: u64) -> StreamId {
        StreamId::new(self.endpoint().side(), direction, index)
    }

    /// Returns a stream that the peer may open, by its place among those of its direction.
    pub(super) fn peers_stream(&self, direction: Dir, index: u64) -> StreamId {
        let peer = match self.endpoint().side() {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        StreamId::new(peer, direction, index)
    }

    /// Tells whether the peer has opened a stream of its own, or one after it.
    pub fn peer_has_opened(&self, id: StreamId) -> bool {
        let mut streams = self.endpoint().streams().map(|(other, _)| other);
        streams.any(|other| {
            let is_alike =
                other.initiator() == id.initiator() && other.direction() == id.direction();
            is_alike && other.index() >= id.index()
        })
    }

    /// Returns the packets of 1-RTT that have come, each once: the network may double datagrams.
    pub fn received_packets(&self) -> impl Iterator<Item = &ReceivedPacket> {
        let mut known = BTreeSet::new();
        let packets = self.endpoint().record().at_level(Level::OneRtt);
        packets.filter(move |packet| known.insert(packet.number))
    }

    /// Tells whether a frame has come.
    pub fn has_received(&self, is_it: impl Fn(&Frame<'_>) -> bool) -> bool {
        has_received(self.endpoint(), is_it)
    }

    /// Waits until a frame has come; returns whether it was in time.
    pub fn receives(&mut self, is_it: impl Fn(&Frame<'_>) -> bool, timeout: Duration) -> bool {
        self.wait_for(|endpoint| has_received(endpoint, &is_it), timeout)
    }

    fn highest(&self, initial: u64, told: impl Fn(&Frame<'_>) -> Option<u64>) -> u64 {
        let packets = self.received_packets();
        let highest = packets.filter_map(|packet| packet.frames().iter().filter_map(&told).max());
        highest.max().unwrap_or(0).max(initial)
    }
}

impl Deref for Connection {
    type Target = Probe<'static>;

    fn deref(&self) -> &Self::Target {
        &self.probe
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.probe
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A script that has failed leaves nothing that could be trusted.
        if std::thread::panicking() {
            return;
        }
        let now = self.probe.now();
        let record = self.probe.endpoint().record();
        self.log.borrow_mut().add(Stretch {
            record,
            odd: &self.odd,
            until: now,
        });
        // The peer need not wait for its idle timeout.
        if self.probe.endpoint().ended().is_none() {
            self.probe.endpoint_mut().close(false, NO_ERROR, "");
            self.probe.flush();
        }
    }
}

fn has_received(endpoint: &Endpoint, is_it: impl Fn(&Frame<'_>) -> bool) -> bool {
    let mut packets = endpoint.record().at_level(Level::OneRtt);
    packets.any(|packet| packet.frames().iter().any(&is_it))
}

/// Makes the finding that a requirement is not about this peer.
pub(super) fn not_applicable(why: impl Into<String>) -> Finding {
    Finding::new(Verdict::NotApplicable, why)
}

/// Makes the finding that what has to come before did not come about.
pub(super) fn not_reached(why: impl Into<String>) -> Finding {
    Finding::new(Verdict::NotReached, why)
}

/// Judges by what was seen to be wrong, if anything was.
pub(super) fn judge_wrong(wrong: Option<String>, right: &str) -> Finding {
    match wrong {
        Some(seen) => Finding::new(Verdict::Fail, seen),
        None => Finding::new(Verdict::Pass, right),
    }
}

/// Tells in words why a connection could not be opened.
pub(crate) fn opened_words(opened: &Opened) -> String {
    match opened {
        Opened::Confirmed => "the handshake is confirmed".to_owned(),
        Opened::Refused(close) => format!("the handshake was {}", close_words(close)),
        Opened::Ended(ended) => format!("the handshake ended: {ended:?}"),
        Opened::Unfinished => "the handshake did not come to its end".to_owned(),
        Opened::Silent => "no answer".to_owned(),
    }
}

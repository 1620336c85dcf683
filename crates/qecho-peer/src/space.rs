//! Packet number spaces (RFC 9000 §12.3): the numbers of both directions, what is to be
//! acknowledged, and what may have to be sent again.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use qecho_packet::{
    protection::Numbers,
    wire::{Ack, EcnCounts, Frame, frames},
};

use crate::{network::Ecn, packet::Content};

/// Ranges of packet numbers that are told in one ACK frame.
const ACK_RANGES_MAX: usize = 32;
/// Ranges of packet numbers that are remembered; the lowest are forgotten first.
const RANGES_MAX: usize = 4_096;
/// Packets by which another must have been overtaken to be lost (RFC 9002 §6.1.1).
const PACKET_THRESHOLD: u64 = 3;

/// A packet number space.
#[derive(Default)]
pub(crate) struct Space {
    /// The number of the next packet.
    pub(crate) next: u64,
    pub(crate) sent: Ranges,
    pub(crate) acknowledged: Ranges,
    /// Ack-eliciting packets that are not acknowledged, by their numbers.
    pub(crate) in_flight: BTreeMap<u64, SentPacket>,
    /// The time at which the last of them went.
    pub(crate) last_sent: Option<Instant>,
    /// Frames that wait to be sent.
    pub(crate) frames: VecDeque<Content>,
    /// Numbers of packets that came.
    pub(crate) received: Ranges,
    /// Numbers by which theirs are expanded.
    pub(crate) numbers: Numbers,
    largest_at: Option<Instant>,
    /// The time since which an acknowledgement is due.
    pub(crate) due_since: Option<Instant>,
    ecn: Option<EcnCounts>,
}

/// A packet that is on its way.
pub(crate) struct SentPacket {
    pub(crate) at: Instant,
    /// Its frames, as far as they are sent again.
    pub(crate) contents: Vec<Content>,
}

/// Numbers in ranges that neither overlap nor touch, lowest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<RangeInclusive<u64>>);

impl Ranges {
    pub(crate) fn contains(&self, number: u64) -> bool {
        self.0.iter().rev().any(|range| range.contains(&number))
    }

    pub(crate) fn contains_all(&self, numbers: &RangeInclusive<u64>) -> bool {
        let mut ranges = self.0.iter().rev();
        ranges.any(|range| range.contains(numbers.start()) && range.contains(numbers.end()))
    }

    pub(crate) fn largest(&self) -> Option<u64> {
        self.0.last().map(|range| *range.end())
    }

    pub(crate) fn insert(&mut self, number: u64) {
        let at = self
            .0
            .partition_point(|range| range.end().saturating_add(1) < number);
        match self.0.get(at) {
            Some(range) if range.start().saturating_sub(1) <= number => {
                let mut joined = *range.start().min(&number)..=*range.end().max(&number);
                if let Some(above) = self.0.get(at + 1)
                    && *above.start() == joined.end() + 1
                {
                    joined = *joined.start()..=*above.end();
                    self.0.remove(at + 1);
                }
                self.0[at] = joined;
            }
            _ => self.0.insert(at, number..=number),
        }
        if self.0.len() > RANGES_MAX {
            self.0.remove(0);
        }
    }
}

impl Space {
    /// Returns the bytes that a packet number takes (RFC 9000 §17.1), and two at least.
    pub(crate) fn number_length(&self, number: u64) -> usize {
        let unacknowledged = match self.acknowledged.largest() {
            Some(largest) => number.saturating_sub(largest),
            None => number.saturating_add(1),
        };
        match unacknowledged {
            0..0x8000 => 2,
            0x8000..0x80_0000 => 3,
            _ => 4,
        }
    }

    /// Notes a packet that was sent.
    pub(crate) fn note_sent(&mut self, number: u64) {
        self.next = self.next.max(number + 1);
        self.sent.insert(number);
    }

    /// Waits for the acknowledgement of a packet; its frames are sent again if it is lost.
    pub(crate) fn track(&mut self, number: u64, at: Instant, contents: &[Content]) {
        let contents = contents.iter().filter(|content| goes_again(content));
        let contents = contents.cloned().collect();
        self.in_flight.insert(number, SentPacket { at, contents });
        self.last_sent = Some(at);
    }

    /// Notes a packet that came, which is acknowledged later if it elicits that.
    pub(crate) fn note_received(&mut self, number: u64, at: Instant, ecn: Ecn, eliciting: bool) {
        if self
            .received
            .largest()
            .is_none_or(|largest| number > largest)
        {
            self.largest_at = Some(at);
        }
        self.received.insert(number);
        if ecn != Ecn::NotEct {
            let none = EcnCounts {
                ect0: 0,
                ect1: 0,
                ce: 0,
            };
            let counts = self.ecn.get_or_insert(none);
            match ecn {
                Ecn::NotEct => {}
                Ecn::Ect0 => counts.ect0 += 1,
                Ecn::Ect1 => counts.ect1 += 1,
                Ecn::Ce => counts.ce += 1,
            }
        }
        if eliciting {
            self.due_since.get_or_insert(at);
        }
    }

    /// Returns an acknowledgement of what came, if something did.
    pub(crate) fn acknowledgement(
        &self,
        now: Instant,
        delay_exponent: u64,
        with_ecn: bool,
    ) -> Option<Content> {
        let delay = now.duration_since(self.largest_at?).as_micros();
        let ranges = self.received.0.iter().rev().take(ACK_RANGES_MAX);
        let ack = Ack {
            delay: u64::try_from(delay).unwrap_or(u64::MAX) >> delay_exponent.clamp(2, 20),
            ranges: ranges.cloned().collect(),
            ecn: self.ecn.filter(|_| with_ecn),
        };
        Some(Content::from(Frame::Ack(ack)))
    }

    /// Takes an acknowledgement; returns the time since the largest packet was sent, if it is
    /// acknowledged for the first time. What is lost by it is sent again.
    pub(crate) fn on_ack(&mut self, now: Instant, ack: &Ack, resends: bool) -> Option<Duration> {
        let largest = ack.largest();
        let sample = self.in_flight.get(&largest).map(|sent| now - sent.at);
        let was_sent: Vec<_> = self.sent.0.clone();
        for range in &ack.ranges {
            for sent in &was_sent {
                // What was never sent is for the judge to see.
                let start = *range.start().max(sent.start());
                let end = *range.end().min(sent.end());
                (start..=end).for_each(|number| {
                    self.acknowledged.insert(number);
                    self.in_flight.remove(&number);
                });
            }
        }
        let lost = self
            .in_flight
            .range(..(largest + 1).saturating_sub(PACKET_THRESHOLD));
        let lost: Vec<_> = lost.map(|(number, _)| *number).collect();
        if resends && self.sent.contains(largest) {
            self.resend(&lost);
        }
        sample
    }

    /// Sends the frames of packets again.
    pub(crate) fn resend(&mut self, numbers: &[u64]) {
        for number in numbers {
            if let Some(sent) = self.in_flight.remove(number) {
                self.frames.extend(sent.contents);
            }
        }
    }

    /// Forgets what is on its way and what waits, as the end of a level wants it (RFC 9002
    /// §6.4).
    pub(crate) fn discard(&mut self) {
        self.in_flight.clear();
        self.frames.clear();
        self.due_since = None;
    }
}

/// Tells whether frames are sent again when they are lost (RFC 9000 §13.3).
fn goes_again(content: &Content) -> bool {
    !matches!(
        frames(content.as_bytes()).next(),
        None | Some(Ok(Frame::Padding { .. }
            | Frame::Ping
            | Frame::Ack(_)
            | Frame::PathChallenge { .. }
            | Frame::PathResponse { .. }
            | Frame::ConnectionClose { .. }
            | Frame::Datagram { .. }))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_where_they_touch() {
        let mut ranges = Ranges::default();
        for number in [5, 9, 7, 6, 6, 0, 8, 2] {
            ranges.insert(number);
        }
        assert_eq!(ranges.0, [0..=0, 2..=2, 5..=9]);
        assert!(ranges.contains(7) && !ranges.contains(1));
        ranges.insert(1);
        assert_eq!(ranges.0, [0..=2, 5..=9]);
        assert_eq!(ranges.largest(), Some(9));
    }

    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_packet_that_three_others_overtook_is_sent_again() {
        let now = now();
        let mut space = Space::default();
        let content = Content::from(Frame::MaxData { maximum: 7 });
        for number in 0..5 {
            space.note_sent(number);
            space.track(number, now, std::slice::from_ref(&content));
        }
        let ack = |ranges| Ack {
            delay: 0,
            ranges,
            ecn: None,
        };
        assert!(space.on_ack(now, &ack(vec![2..=2]), true).is_some());
        assert!(space.frames.is_empty());
        space.on_ack(now, &ack(vec![4..=4, 1..=2]), true);
        assert_eq!(space.frames, [content]);
        assert_eq!(space.in_flight.keys().collect::<Vec<_>>(), [&3]);
    }

    #[test]
    fn an_acknowledgement_of_what_was_never_sent_costs_and_changes_nothing() {
        let mut space = Space::default();
        space.note_sent(0);
        space.track(0, now(), &[]);
        let all = Ack {
            delay: 0,
            ranges: vec![1..=(1 << 62) - 1],
            ecn: None,
        };
        space.on_ack(now(), &all, true);
        assert_eq!(space.in_flight.len(), 1);
        assert_eq!(space.acknowledged, Ranges::default());
    }
}

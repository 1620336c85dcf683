//! Remembers what was sent and not acknowledged yet: which packet was lost,
//! and which carries again what another did.

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
    time::Duration,
};

use crate::{
    Direction, StreamId,
    wire::{Frame, PacketType},
};

use super::event::{AnnotatedFrame, LossReason, Lost, RetransmissionOf};

/// Packets of one packet number space that are remembered, and as many that
/// were lost; beyond, the oldest are forgotten.
const PACKETS_MAX: usize = 20_000;

/// Pieces of streams and the like of which it is remembered who carried them.
const CARRIED_MAX: usize = 50_000;

/// RFC 9002 §6.1.1.
const PACKET_THRESHOLD: u64 = 3;
/// RFC 9002 §6.1.2.
const GRANULARITY: Duration = Duration::from_millis(1);
/// RFC 9002 §6.2.2.
const INITIAL_RTT: Duration = Duration::from_millis(333);
/// Larger packets than these may be probes for a larger MTU.
const PROBE_MIN: usize = 1_200;

/// The packets of one endpoint in one packet number space.
#[derive(Debug, Default)]
pub(super) struct SentPackets {
    packets: BTreeMap<u64, Sent>,
    /// Those that were declared lost; they may arrive yet.
    lost: BTreeMap<u64, Sent>,
    largest_acknowledged: Option<u64>,
    /// By the first offset: the packet that carried the data last, and the end of the data.
    carried: HashMap<Carrier, BTreeMap<u64, (u64, u64)>>,
    /// Number of pieces that the packets remember.
    pieces: usize,
}

#[derive(Debug)]
struct Sent {
    at: Duration,
    packet_type: PacketType,
    size: usize,
    carried: Vec<(Carrier, u64)>,
    is_probe: bool,
}

/// Data and frames that are sent again when they were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Carrier {
    Crypto,
    Stream(StreamId),
    Fin(StreamId),
    Reset(StreamId),
    Stop(StreamId),
    NewConnectionId,
    RetireConnectionId,
    NewToken,
    HandshakeDone,
}

impl SentPackets {
    /// Remembers a packet; notes with each of its frames which other packet
    /// carried the same.
    pub(super) fn send(
        &mut self,
        at: Duration,
        (packet_type, number, size): (PacketType, u64, usize),
        frames: &mut [AnnotatedFrame<'_>],
    ) {
        let mut sent = Sent {
            at,
            packet_type,
            size,
            carried: Vec::new(),
            is_probe: size > PROBE_MIN && frames.iter().all(|noted| is_of_a_probe(&noted.frame)),
        };
        for noted in frames {
            let mut earlier = None;
            for (carrier, start, end) in content(&noted.frame) {
                earlier = earlier.or(self.earlier(carrier, start, end));
                let carried = self.carried.entry(carrier).or_default();
                carried.insert(start, (end, number));
                sent.carried.push((carrier, start));
            }
            noted.retransmission_of = earlier.filter(|again| again.number != number);
        }
        self.pieces += sent.carried.len();
        if let Some(same) = self.packets.insert(number, sent) {
            self.pieces -= same.carried.len();
        }
        self.tidy();
    }

    /// Forgets what is beyond the limits, the oldest first.
    fn tidy(&mut self) {
        loop {
            let oldest = if self.lost.len() > PACKETS_MAX {
                self.lost.pop_first()
            } else if self.packets.len() > PACKETS_MAX {
                self.packets.pop_first()
            } else if self.pieces > CARRIED_MAX {
                self.lost.pop_first().or_else(|| self.packets.pop_first())
            } else {
                return;
            };
            if let Some((number, oldest)) = oldest {
                self.forget(number, &oldest);
            }
        }
    }

    /// Returns how much is remembered, in pieces.
    pub(super) fn weight(&self) -> usize {
        self.packets.len() + self.lost.len() + self.pieces
    }

    fn earlier(&self, carrier: Carrier, start: u64, end: u64) -> Option<RetransmissionOf> {
        let carried = self.carried.get(&carrier)?;
        let before = carried.range(..=start).next_back();
        let covering = before.filter(|(_, (covered, _))| *covered > start);
        let (_, (_, number)) = covering.or_else(|| carried.range(start..end).next())?;
        let number = *number;
        let lost = self.lost.contains_key(&number);
        Some(RetransmissionOf { number, lost })
    }

    fn forget(&mut self, number: u64, sent: &Sent) {
        self.pieces -= sent.carried.len();
        for (carrier, start) in &sent.carried {
            let Some(carried) = self.carried.get_mut(carrier) else {
                continue;
            };
            if carried.get(start).is_some_and(|(_, by)| *by == number) {
                carried.remove(start);
            }
            if carried.is_empty() {
                self.carried.remove(carrier);
            }
        }
    }

    /// Takes acknowledged packets out; calls `arrived` for each with its type,
    /// number, the time it was sent and whether it was declared lost.
    pub(super) fn acknowledge(
        &mut self,
        ranges: &[RangeInclusive<u64>],
        mut arrived: impl FnMut(PacketType, u64, Duration, bool),
    ) {
        for range in ranges {
            for lost in [false, true] {
                let known = match lost {
                    false => &mut self.packets,
                    true => &mut self.lost,
                };
                let numbers: Vec<u64> = known.range(range.clone()).map(|(at, _)| *at).collect();
                let taken: Vec<_> = numbers
                    .into_iter()
                    .filter_map(|number| known.remove_entry(&number))
                    .collect();
                for (number, sent) in taken {
                    self.forget(number, &sent);
                    arrived(sent.packet_type, number, sent.at, lost);
                }
            }
        }
        let largest = ranges.first().map(|range| *range.end());
        self.largest_acknowledged = self.largest_acknowledged.max(largest);
    }

    /// Returns those that may be lost at `at`, with the reason that there
    /// would be: later ones were acknowledged.
    pub(super) fn overtaken(
        &self,
        at: Duration,
        direction: Direction,
    ) -> impl Iterator<Item = (Lost, Duration)> {
        let acknowledged = self.largest_acknowledged.unwrap_or(0);
        let overtaken = self.packets.range(..acknowledged);
        overtaken.map(move |(number, sent)| {
            let age = at.saturating_sub(sent.at);
            let reason = match (sent.is_probe, acknowledged >= number + PACKET_THRESHOLD) {
                (true, _) => LossReason::MtuProbe,
                (false, true) => LossReason::PacketThreshold { acknowledged },
                (false, false) => LossReason::TimeThreshold { acknowledged, age },
            };
            let lost = Lost {
                direction,
                packet_type: sent.packet_type,
                number: *number,
                size: sent.size,
                reason,
            };
            (lost, sent.at)
        })
    }

    /// Returns those that RFC 9002 §6.1 takes for lost.
    pub(super) fn lost(
        &self,
        at: Duration,
        direction: Direction,
        round_trip: &RoundTrip,
    ) -> Vec<Lost> {
        let acknowledged = self.largest_acknowledged.unwrap_or(0);
        self.overtaken(at, direction)
            .filter(|(lost, sent)| {
                acknowledged >= lost.number + PACKET_THRESHOLD
                    || at.saturating_sub(*sent) >= round_trip.loss_delay()
            })
            .map(|(lost, _)| lost)
            .collect()
    }

    pub(super) fn declare_lost(&mut self, number: u64) {
        self.lost.extend(self.packets.remove_entry(&number));
        self.tidy();
    }
}

/// The round trip as packets and acknowledgements show it (RFC 9002 §5.3).
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    latest: Option<Duration>,
    smoothed: Option<Duration>,
}

impl RoundTrip {
    pub(super) fn measure(&mut self, sample: Duration) {
        self.latest = Some(sample);
        let smoothed = self.smoothed.unwrap_or(sample);
        self.smoothed = Some((smoothed * 7 + sample) / 8);
    }

    fn loss_delay(&self) -> Duration {
        let longer = self.latest.max(self.smoothed).unwrap_or(INITIAL_RTT);
        (longer * 9 / 8).max(GRANULARITY)
    }
}

fn is_of_a_probe(frame: &Frame<'_>) -> bool {
    matches!(
        frame,
        Frame::Ping | Frame::Padding { .. } | Frame::ImmediateAck
    )
}

/// Returns what of a frame is sent again if it is lost, as ranges.
fn content(frame: &Frame<'_>) -> Vec<(Carrier, u64, u64)> {
    let one = |carrier, place: u64| vec![(carrier, place, place + 1)];
    match *frame {
        Frame::Crypto { offset, data } => {
            vec![(Carrier::Crypto, offset, offset + data.len() as u64)]
        }
        Frame::Stream {
            id,
            offset,
            fin,
            data,
        } => {
            let mut content = Vec::new();
            if !data.is_empty() {
                content.push((Carrier::Stream(id), offset, offset + data.len() as u64));
            }
            if fin {
                content.push((Carrier::Fin(id), 0, 1));
            }
            content
        }
        Frame::ResetStream { id, .. } => one(Carrier::Reset(id), 0),
        Frame::StopSending { id, .. } => one(Carrier::Stop(id), 0),
        Frame::NewConnectionId { sequence, .. } => one(Carrier::NewConnectionId, sequence),
        Frame::RetireConnectionId { sequence } => one(Carrier::RetireConnectionId, sequence),
        Frame::NewToken { .. } => one(Carrier::NewToken, 0),
        Frame::HandshakeDone => one(Carrier::HandshakeDone, 0),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::connection_tracker::unnoted, *};

    const MS: Duration = Duration::from_millis(1);

    fn stream(offset: u64, data: &[u8]) -> Frame<'_> {
        Frame::Stream {
            id: StreamId::from_value(0),
            offset,
            fin: false,
            data,
        }
    }

    fn send(sent: &mut SentPackets, number: u64, frame: Frame<'_>) -> Option<RetransmissionOf> {
        let packet = (PacketType::OneRtt, number, 100);
        let mut noted = [unnoted(frame)];
        sent.send(MS * number as u32, packet, &mut noted);
        noted[0].retransmission_of
    }

    fn acknowledge(sent: &mut SentPackets, range: RangeInclusive<u64>) -> Vec<(u64, bool)> {
        let mut arrived = Vec::new();
        sent.acknowledge(&[range], |_, number, _, lost| arrived.push((number, lost)));
        arrived
    }

    #[test]
    fn what_is_sent_again_names_the_packet_that_had_it_whole_or_in_part() {
        let mut sent = SentPackets::default();
        assert_eq!(send(&mut sent, 0, stream(0, b"0123456789")), None);
        assert_eq!(send(&mut sent, 1, stream(10, b"0123456789")), None);
        let again = |number, lost| Some(RetransmissionOf { number, lost });
        assert_eq!(send(&mut sent, 2, stream(3, b"34")), again(0, false));
        sent.declare_lost(1);
        assert_eq!(send(&mut sent, 3, stream(12, b"2")), again(1, true));
        assert_eq!(send(&mut sent, 4, stream(20, b"x")), None);
    }

    #[test]
    fn what_was_acknowledged_is_not_sent_again() {
        let mut sent = SentPackets::default();
        send(&mut sent, 0, stream(0, b"0123456789"));
        assert_eq!(acknowledge(&mut sent, 0..=0), [(0, false)]);
        assert_eq!(send(&mut sent, 1, stream(0, b"0123456789")), None);
        assert!(sent.carried[&Carrier::Stream(StreamId::from_value(0))].len() == 1);
        acknowledge(&mut sent, 1..=1);
        assert!(sent.carried.is_empty(), "nothing is remembered for ever");
        assert_eq!(sent.weight(), 0);
    }

    #[test]
    fn what_is_never_acknowledged_is_forgotten_in_the_end() {
        let mut sent = SentPackets::default();
        let stream_at = |at: u64| unnoted(stream(at * 10, b"012345678"));
        let mut many: Vec<_> = (0..100).map(stream_at).collect();
        for number in 0..2_000 {
            let packet = (PacketType::OneRtt, number, 1_200);
            sent.send(MS, packet, &mut many);
            if number % 2 == 0 {
                sent.declare_lost(number);
            }
            assert!(sent.weight() <= CARRIED_MAX + PACKETS_MAX);
        }
        for number in 2_000..50_000 {
            send(&mut sent, number, stream(number, b"x"));
            assert!(sent.packets.len() <= PACKETS_MAX);
        }
        let all = sent.packets.len() + sent.lost.len();
        assert_eq!(acknowledge(&mut sent, 0..=u64::MAX >> 2).len(), all);
        assert_eq!(sent.weight(), 0);
    }

    #[test]
    fn three_later_or_an_eighth_of_a_round_trip_too_late_is_lost() {
        let mut sent = SentPackets::default();
        let mut round_trip = RoundTrip::default();
        for number in 0..6 {
            send(&mut sent, number, stream(number * 10, b"0123456789"));
        }
        acknowledge(&mut sent, 4..=4);
        round_trip.measure(MS * 8);
        let lost = sent.lost(MS * 5, Direction::Sent, &round_trip);
        let numbers: Vec<_> = lost.iter().map(|gone| gone.number).collect();
        assert_eq!(numbers, [0, 1]);
        let acknowledged = 4;
        assert_eq!(lost[0].reason, LossReason::PacketThreshold { acknowledged });
        sent.declare_lost(0);
        sent.declare_lost(1);
        // Number 2 left at 2 ms, and nine eighths of 8 ms have passed.
        let lost = sent.lost(MS * 11, Direction::Sent, &round_trip);
        assert_eq!(lost.len(), 1);
        let age = MS * 9;
        assert_eq!(
            lost[0].reason,
            LossReason::TimeThreshold { acknowledged, age }
        );
        assert_eq!(acknowledge(&mut sent, 0..=0), [(0, true)]);
    }
}

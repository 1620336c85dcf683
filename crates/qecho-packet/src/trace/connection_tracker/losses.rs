//! Losses of a connection.

use std::time::Duration;

use super::ConnectionTracker;
use crate::{
    Direction, RecoveryMetrics,
    trace::event::{Event, EventKind, LossReason, Lost},
};

impl ConnectionTracker {
    /// Takes the endpoint's word on its path and on what was lost.
    pub(in crate::trace) fn recover(
        &mut self,
        at: Duration,
        recovery: &RecoveryMetrics,
        tell: &mut dyn FnMut(&Event<'_>),
    ) {
        let before = &self.recovery;
        let mut lost = recovery.lost_packets.saturating_sub(before.lost_packets);
        let mut probes = recovery.lost_probes.saturating_sub(before.lost_probes);
        self.recovery = *recovery;
        if (lost, probes) == (0, 0) {
            self.tell(at, EventKind::Recovery(recovery), tell);
            return;
        }
        let mut overtaken: Vec<_> = (0..3)
            .flat_map(|place| {
                let overtaken = self.senders[Direction::Sent as usize].spaces[place]
                    .sent_packets
                    .overtaken(at, Direction::Sent);
                overtaken.map(move |(packet, sent)| (place, packet, sent))
            })
            .collect();
        // The endpoint tells how many; those are the ones that most others
        // have overtaken, and among the rest the oldest.
        overtaken.sort_by_key(|(_, packet, sent)| {
            let by_time = matches!(packet.reason, LossReason::TimeThreshold { .. });
            (by_time, *sent, packet.number)
        });
        for (place, packet, _) in overtaken {
            let left = match packet.reason {
                LossReason::MtuProbe => &mut probes,
                _ => &mut lost,
            };
            if *left > 0 {
                *left -= 1;
                self.lose(at, place, packet, tell);
            }
        }
        self.tell(at, EventKind::Recovery(recovery), tell);
    }

    /// Takes for lost, in both directions, what an endpoint would that saw
    /// what was seen.
    pub(in crate::trace) fn infer_losses(
        &mut self,
        at: Duration,
        tell: &mut dyn FnMut(&Event<'_>),
    ) {
        for direction in [Direction::Sent, Direction::Received] {
            for place in 0..3 {
                let sender = self.sender(direction);
                let sent_packets = &sender.spaces[place].sent_packets;
                let lost = sent_packets.lost(at, direction, &sender.round_trip);
                for packet in lost {
                    self.lose(at, place, packet, tell);
                }
            }
        }
    }

    fn lose(&mut self, at: Duration, place: usize, lost: Lost, tell: &mut dyn FnMut(&Event<'_>)) {
        let space = &mut self.sender(lost.direction).spaces[place];
        space.sent_packets.declare_lost(lost.number);
        self.tell(at, EventKind::Lost(lost), tell);
    }
}

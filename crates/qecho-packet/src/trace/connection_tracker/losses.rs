//! What of a connection was lost.

use std::time::Duration;

use super::ConnectionTracker;
use crate::{
    Direction, RecoveryMetrics,
    trace::{
        event::{Event, EventKind, LossReason, Lost},
        sent_packets::Gone,
    },
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
                let overtaken = self.went.spaces[place].ledger.overtaken(at);
                overtaken.map(move |(gone, sent)| (place, gone, sent))
            })
            .collect();
        // The endpoint tells how many; those are the ones that most others
        // have overtaken, and among the rest the oldest.
        overtaken.sort_by_key(|(_, gone, sent)| {
            let by_time = matches!(gone.reason, LossReason::TimeThreshold { .. });
            (by_time, *sent, gone.number)
        });
        for (place, gone, _) in overtaken {
            let left = match gone.reason {
                LossReason::MtuProbe => &mut probes,
                _ => &mut lost,
            };
            if *left > 0 {
                *left -= 1;
                self.lose(at, Direction::Sent, place, gone, tell);
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
                let lost = sender.spaces[place].ledger.lost(at, &sender.round_trip);
                for gone in lost {
                    self.lose(at, direction, place, gone, tell);
                }
            }
        }
    }

    fn lose(
        &mut self,
        at: Duration,
        direction: Direction,
        place: usize,
        gone: Gone,
        tell: &mut dyn FnMut(&Event<'_>),
    ) {
        let ledger = &mut self.sender(direction).spaces[place].ledger;
        ledger.declare_lost(gone.number);
        let Gone {
            packet_type,
            number,
            size,
            reason,
        } = gone;
        let lost = Lost {
            direction,
            packet_type,
            number,
            size,
            reason,
        };
        self.tell(at, EventKind::Lost(lost), tell);
    }
}

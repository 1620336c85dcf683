//! What a shard counts while it makes load.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use qecho_engine::{Connection, Traffic};

use super::report::{EarlyCounts, ErrorKind};

/// Longest time that is told apart from longer ones.
const TIME_MAX: Duration = Duration::from_secs(3_600);

/// Significant digits of every percentile.
const DIGITS: u8 = 3;

/// Times in nanoseconds, exact to three digits.
#[derive(Clone, Debug)]
pub(super) struct Times(pub(super) Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        let histogram = Histogram::new_with_max(TIME_MAX.as_nanos() as u64, DIGITS);
        Self(histogram.expect("the bounds are constants that fit"))
    }
}

impl Times {
    pub(super) fn record(&mut self, time: Duration) {
        self.0.saturating_record(time.as_nanos() as u64);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }
}

/// Counts of one shard; those of several can be added.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// From the instant a message was meant to be sent until its last byte
    /// came back.
    pub(super) latency: Times,
    /// From the first packet to the completed handshake.
    pub(super) connect: Times,
    /// How late messages of an open loop left.
    pub(super) lateness: Times,
    /// Messages that were meant to be sent in the time that is measured.
    pub(super) offered: u64,
    /// Those of them that came back.
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// Messages that came back while it was measured, and their bytes: also of
    /// the warm-up, and none that came back after the end.
    pub(super) in_time: u64,
    pub(super) bytes_in_time: u64,
    /// Messages that were never sent, for want of room.
    pub(super) unsent: u64,
    /// DATAGRAM frames that did not come back in time.
    pub(super) lost: u64,
    /// DATAGRAM frames that came back after they were given up.
    pub(super) late: u64,
    /// Connections that went on with a TLS session, in the time that is
    /// measured.
    pub(super) resumed: u64,
    /// What became of messages that went with the first packets of those.
    pub(super) early: EarlyCounts,
    pub(super) errors: Errors,
    pub(super) path: PathCounts,
    /// Everything since the start, warm-up included.
    pub(super) totals: Totals,
}

/// Counts of everything since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) connections: u64,
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

/// How often something went wrong, and what it said first.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors(pub(super) BTreeMap<ErrorKind, (u64, String)>);

impl Errors {
    pub(super) fn note(&mut self, kind: ErrorKind, words: impl FnOnce() -> String) {
        let (count, _) = self.0.entry(kind).or_insert_with(|| (0, words()));
        *count += 1;
    }

    fn add(&mut self, other: &Self) {
        for (kind, (count, words)) in &other.0 {
            let (known, _) = self.0.entry(*kind).or_insert_with(|| (0, words.clone()));
            *known += count;
        }
    }
}

/// What the transport tells of the time that is measured.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PathCounts {
    pub(super) traffic: Traffic,
    pub(super) packets_lost: u64,
    pub(super) congestion_events: u64,
    /// The largest that any connection found.
    pub(super) mtu: u16,
}

impl PathCounts {
    pub(super) fn of(connection: &Connection<'_>) -> Self {
        let recovery = connection.recovery();
        Self {
            traffic: connection.traffic(),
            packets_lost: recovery.lost_packets,
            congestion_events: recovery.congestion_events,
            mtu: recovery.mtu,
        }
    }

    /// Adds what has happened since `before`.
    pub(super) fn add_since(&mut self, before: &Self, now: &Self) {
        let (sum, before_traffic, now_traffic) = (&mut self.traffic, before.traffic, now.traffic);
        for (sum, before, now) in [
            (
                &mut sum.datagrams_sent,
                before_traffic.datagrams_sent,
                now_traffic.datagrams_sent,
            ),
            (
                &mut sum.bytes_sent,
                before_traffic.bytes_sent,
                now_traffic.bytes_sent,
            ),
            (
                &mut sum.datagrams_received,
                before_traffic.datagrams_received,
                now_traffic.datagrams_received,
            ),
            (
                &mut sum.bytes_received,
                before_traffic.bytes_received,
                now_traffic.bytes_received,
            ),
            (
                &mut sum.packets_sent,
                before_traffic.packets_sent,
                now_traffic.packets_sent,
            ),
            (
                &mut self.packets_lost,
                before.packets_lost,
                now.packets_lost,
            ),
            (
                &mut self.congestion_events,
                before.congestion_events,
                now.congestion_events,
            ),
        ] {
            *sum += now.saturating_sub(before);
        }
        self.mtu = self.mtu.max(now.mtu);
    }
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency);
        self.connect.add(&other.connect);
        self.lateness.add(&other.lateness);
        for (sum, part) in [
            (&mut self.offered, other.offered),
            (&mut self.messages, other.messages),
            (&mut self.bytes, other.bytes),
            (&mut self.in_time, other.in_time),
            (&mut self.bytes_in_time, other.bytes_in_time),
            (&mut self.unsent, other.unsent),
            (&mut self.lost, other.lost),
            (&mut self.late, other.late),
            (&mut self.resumed, other.resumed),
            (&mut self.early.accepted, other.early.accepted),
            (&mut self.early.rejected, other.early.rejected),
            (&mut self.totals.connections, other.totals.connections),
            (&mut self.totals.messages, other.totals.messages),
            (&mut self.totals.bytes, other.totals.bytes),
        ] {
            *sum += part;
        }
        self.errors.add(&other.errors);
        self.path.add_since(&PathCounts::default(), &other.path);
    }
}

//! Counters of one shard's load; those of several can be added.

use std::{collections::BTreeMap, time::Duration};

use qecho_engine::Connection;
use serde::{Deserialize, Serialize};

use super::failure::{ConnectionFailure, ErrorKind};
use crate::latency::LatencyRecorder;

/// Counters of one shard.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    /// From the instant a message was meant to be sent until its last byte
    /// came back.
    pub(super) latency: LatencyRecorder,
    /// From the first packet to the completed handshake.
    pub(super) connect: LatencyRecorder,
    /// Lateness of the messages of an open loop.
    pub(super) lateness: LatencyRecorder,
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
    /// Connections that resumed a TLS session, in the time that is measured.
    pub(super) resumed: u64,
    /// Messages that went with the first packets of those.
    pub(super) early: EarlyCounts,
    pub(super) errors: BTreeMap<ErrorKind, ErrorCount>,
    pub(super) transport: TransportCounts,
    /// Longest time for which the generator itself stood still.
    pub(super) paused: Duration,
    /// Everything since the start, warm-up included.
    pub(super) totals: TotalCounts,
}

impl Counters {
    pub(super) fn count_failure(&mut self, failure: ConnectionFailure) {
        let ConnectionFailure { kind, reason } = failure;
        let error = self.errors.entry(kind).or_insert(ErrorCount {
            kind,
            count: 0,
            example: reason,
        });
        error.count += 1;
    }

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
        ] {
            *sum += part;
        }
        self.paused = self.paused.max(other.paused);
        self.early.add(other.early);
        self.transport.add(other.transport);
        self.totals.add(other.totals);
        for (kind, error) in &other.errors {
            match self.errors.get_mut(kind) {
                Some(known) => known.count += error.count,
                None => drop(self.errors.insert(*kind, error.clone())),
            }
        }
    }
}

/// Number of failures of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// Kind of the error.
    pub kind: ErrorKind,
    /// Times that it happened.
    pub count: u64,
    /// Description of the first.
    pub example: String,
}

/// Fate of messages that went with the first packets (0-RTT).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyCounts {
    /// The server took so many of them.
    pub accepted: u64,
    /// The server ignored so many, which were sent again.
    pub rejected: u64,
}

impl EarlyCounts {
    pub(super) fn add(&mut self, other: Self) {
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.rejected = self.rejected.saturating_add(other.rejected);
    }
}

/// Counts of everything since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalCounts {
    /// Completed handshakes, that of the probe included, which finds the
    /// server and hangs up.
    pub connections: u64,
    /// Messages that came back.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl TotalCounts {
    pub(super) fn add(&mut self, other: Self) {
        self.connections = self.connections.saturating_add(other.connections);
        self.messages = self.messages.saturating_add(other.messages);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// The transport's counts in the measured time, of all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportCounts {
    /// QUIC packets sent.
    pub packets_sent: u64,
    /// Those of them that were declared lost; what was in them was sent again
    /// (RFC 9002 §6.1).
    pub packets_lost: u64,
    /// Times that a congestion window was cut (RFC 9002 §7.3.2).
    pub congestion_events: u64,
    /// UDP datagrams sent.
    pub datagrams_sent: u64,
    /// UDP datagrams received.
    pub datagrams_received: u64,
    /// Bytes of UDP payload sent.
    pub bytes_sent: u64,
    /// Bytes of UDP payload received.
    pub bytes_received: u64,
    /// Largest UDP payload that any connection found to pass.
    pub mtu_bytes: u16,
}

impl TransportCounts {
    /// Returns the counts of a connection since it began.
    pub(super) fn of(connection: &Connection<'_>) -> Self {
        let (traffic, recovery) = (connection.traffic(), connection.recovery());
        Self {
            packets_sent: traffic.packets_sent,
            packets_lost: recovery.lost_packets,
            congestion_events: recovery.congestion_events,
            datagrams_sent: traffic.datagrams_sent,
            datagrams_received: traffic.datagrams_received,
            bytes_sent: traffic.bytes_sent,
            bytes_received: traffic.bytes_received,
            mtu_bytes: recovery.mtu,
        }
    }

    fn counts(&mut self) -> [&mut u64; 7] {
        [
            &mut self.packets_sent,
            &mut self.packets_lost,
            &mut self.congestion_events,
            &mut self.datagrams_sent,
            &mut self.datagrams_received,
            &mut self.bytes_sent,
            &mut self.bytes_received,
        ]
    }

    /// Returns what was counted after `before`.
    pub(super) fn since(mut self, mut before: Self) -> Self {
        for (count, before) in self.counts().into_iter().zip(before.counts()) {
            *count = count.saturating_sub(*before);
        }
        self
    }

    pub(super) fn add(&mut self, mut other: Self) {
        for (sum, part) in self.counts().into_iter().zip(other.counts()) {
            *sum = sum.saturating_add(*part);
        }
        self.mtu_bytes = self.mtu_bytes.max(other.mtu_bytes);
    }
}

//! The metrics that each shard has.

use std::fmt;

use prometheus_client::{encoding::EncodeMetric, registry::Unit};
use qecho_echo::server::{Ending, Report};
use qecho_engine::Refusal;
use qecho_io::ShardStatus;

use super::{Description, Out, Snapshot, counter, gauge, measured, metric};

/// Figure of one metric.
type Figure = fn(&ShardStatus<Report>) -> u64;

/// Counts of one metric by a label of this name.
type Labelled = (&'static str, fn(&ShardStatus<Report>) -> Vec<(String, u64)>);

const GAUGES: &[(Description, Figure)] = &[
    (
        metric(
            "qecho_connections_open",
            "Connections whose handshake is complete, and not ended",
        ),
        |status| status.application.open(),
    ),
    (
        metric(
            "qecho_handshakes_under_way",
            "Clients whose handshake has begun and is not over",
        ),
        |status| status.half_open as u64,
    ),
    (
        metric(
            "qecho_memory_crowded",
            "1 while windows are small because memory is nearly used up",
        ),
        |status| u64::from(status.is_crowded),
    ),
];

const COUNTERS: &[(Description, Figure)] = &[
    (
        metric(
            "qecho_connections_accepted",
            "Clients that were let in, so that a handshake began",
        ),
        |status| status.counts.accepted,
    ),
    (
        metric(
            "qecho_retries_sent",
            "Retry packets sent, for clients to prove their address",
        ),
        |status| status.counts.retries,
    ),
    (
        metric("qecho_udp_received_datagrams", "UDP datagrams received"),
        |status| status.sockets.datagrams_received,
    ),
    (
        measured("qecho_udp_received", &Unit::Bytes, "UDP payload received"),
        |status| status.sockets.bytes_received,
    ),
    (
        metric("qecho_udp_sent_datagrams", "UDP datagrams sent"),
        |status| status.sockets.datagrams_sent,
    ),
    (
        measured("qecho_udp_sent", &Unit::Bytes, "UDP payload sent"),
        |status| status.sockets.bytes_sent,
    ),
    (
        metric(
            "qecho_udp_send_failures",
            "Sends that the system has refused",
        ),
        |status| status.sockets.sends_failed,
    ),
    (
        metric("qecho_streams_opened", "Streams that clients have opened"),
        |status| status.application.streams,
    ),
    (
        measured(
            "qecho_stream_echoed",
            &Unit::Bytes,
            "Stream data handed back for sending",
        ),
        |status| status.application.bytes_echoed,
    ),
];

const LABELLED: &[(Description, Labelled)] = &[
    (
        metric(
            "qecho_handshakes",
            "Handshakes by outcome, those of refused clients included",
        ),
        ("outcome", handshakes),
    ),
    (
        metric(
            "qecho_connections_ended",
            "Connections that have ended after their handshake, by cause",
        ),
        ("cause", |status| {
            endings(|ending| status.application.ended(ending))
        }),
    ),
    (
        metric(
            "qecho_udp_dropped_datagrams",
            "Received UDP datagrams that were of no use, by cause",
        ),
        ("cause", |status| {
            named([
                ("unclaimed", status.counts.unclaimed),
                ("oversized", status.counts.oversized),
                ("handover_full", status.sockets.handovers_dropped),
            ])
        }),
    ),
    (
        metric(
            "qecho_datagram_frames",
            "DATAGRAM frames received, by what became of their echo",
        ),
        ("outcome", |status| {
            let report = &status.application;
            named([
                ("echoed", report.datagrams_echoed),
                ("queue_full", report.datagrams_blocked),
                ("too_large", report.datagrams_too_large),
                ("unsupported", report.datagrams_unsupported),
            ])
        }),
    ),
];

impl Snapshot {
    pub(super) fn encode_shards(&self, out: &mut Out<'_>) -> fmt::Result {
        let up = metric(
            "qecho_shard_up",
            "1 if the shard answers, 0 if it stands still or has failed",
        );
        let shards = self.shards.iter().enumerate();
        let ups =
            shards.map(|(index, status)| ([("shard", index)], gauge(status.is_some().into())));
        out.family(up, ups)?;
        for (description, value) in GAUGES {
            self.each(out, *description, |status| gauge(value(status)))?;
        }
        for (description, value) in COUNTERS {
            self.each(out, *description, |status| counter(value(status)))?;
        }
        for (description, (label, counts)) in LABELLED {
            let values = self.answered().flat_map(|(index, status)| {
                let counts = counts(status).into_iter();
                counts.map(move |(name, count)| {
                    let labels = [("shard", index.to_string()), (*label, name)];
                    (labels, counter(count))
                })
            });
            out.family(*description, values)?;
        }
        Ok(())
    }

    fn each<M: EncodeMetric>(
        &self,
        out: &mut Out<'_>,
        description: Description,
        value: impl Fn(&ShardStatus<Report>) -> M,
    ) -> fmt::Result {
        let shards = self.answered();
        out.family(
            description,
            shards.map(|(index, status)| ([("shard", index)], value(status))),
        )
    }

    /// Returns the shards that have answered, each with its index.
    fn answered(&self) -> impl Iterator<Item = (usize, &ShardStatus<Report>)> {
        let shards = self.shards.iter().enumerate();
        shards.filter_map(|(index, status)| Some((index, status.as_ref()?)))
    }
}

fn handshakes(status: &ShardStatus<Report>) -> Vec<(String, u64)> {
    let report = &status.application;
    let mut outcomes = vec![("complete".into(), report.connections)];
    outcomes.extend(endings(|ending| report.handshakes_failed_by(ending)));
    outcomes.extend(Refusal::ALL.map(|refusal| {
        let name = format!("refused_{}", refusal.name());
        (name, report.refused_by(refusal))
    }));
    outcomes
}

fn endings(count: impl Fn(Ending) -> u64) -> Vec<(String, u64)> {
    let counts = Ending::ALL.map(|ending| (ending.name().into(), count(ending)));
    counts.into()
}

/// Counts with names of their own.
fn named<const N: usize>(counts: [(&str, u64); N]) -> Vec<(String, u64)> {
    counts.map(|(name, count)| (name.into(), count)).into()
}

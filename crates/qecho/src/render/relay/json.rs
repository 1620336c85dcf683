//! What a relay shows, as JSON.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use qecho_netsim::{
    link::Conditions,
    relay::{DirectionReport, RebindKind, Report},
};
use serde::Serialize;

use super::Relaying;
use crate::render::{json_line, microseconds};

/// Version of the form of these lines.
const SCHEMA: u32 = 1;

/// Writes between whom the relay is, and how bad it is.
pub(crate) fn relaying(relaying: &Relaying<'_>, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line {
        event: &'static str,
        schema: u32,
        addresses: Vec<String>,
        to: String,
        seed: u64,
        rebind: Option<&'static str>,
        rebind_every_ms: Option<f64>,
        up: Path,
        down: Path,
    }
    let config = relaying.config;
    let addresses = relaying.addresses.iter();
    let line = Line {
        event: "relaying",
        schema: SCHEMA,
        addresses: addresses.map(SocketAddr::to_string).collect(),
        to: config.to.to_string(),
        seed: config.seed,
        rebind: config.rebind.map(|rebind| match rebind.kind {
            RebindKind::Port => "port",
            RebindKind::Address => "address",
        }),
        rebind_every_ms: config.rebind.map(|rebind| milliseconds(rebind.every)),
        up: (&config.up).into(),
        down: (&config.down).into(),
    };
    json_line(&line, out)
}

/// The conditions of one direction; `null` is no limit.
#[derive(Serialize)]
struct Path {
    delay_ms: f64,
    jitter_ms: f64,
    loss: f64,
    burst: u32,
    reorder: f64,
    duplicate: f64,
    corrupt: f64,
    rate_bits_per_second: Option<u64>,
    queue: usize,
    mtu: Option<usize>,
    blackhole_open_ms: Option<f64>,
    blackhole_closed_ms: Option<f64>,
    drop_first: Option<u64>,
    drop_last: Option<u64>,
}

impl From<&Conditions> for Path {
    fn from(path: &Conditions) -> Self {
        Self {
            delay_ms: milliseconds(path.delay),
            jitter_ms: milliseconds(path.jitter),
            loss: path.loss,
            burst: path.burst,
            reorder: path.reorder,
            duplicate: path.duplicate,
            corrupt: path.corrupt,
            rate_bits_per_second: path.rate.map(u64::from),
            queue: path.queue,
            mtu: (path.mtu < usize::MAX).then_some(path.mtu),
            blackhole_open_ms: path.blackhole.map(|times| milliseconds(times.open)),
            blackhole_closed_ms: path.blackhole.map(|times| milliseconds(times.closed)),
            drop_first: path.drop.as_ref().map(|drop| *drop.start()),
            drop_last: path.drop.as_ref().map(|drop| *drop.end()),
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    microseconds(duration) / 1e3
}

/// Writes what the relay did in its life as JSON.
pub(crate) fn stopped(report: &Report, seed: u64, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line {
        event: &'static str,
        schema: u32,
        seed: u64,
        clients: u64,
        rebinds: u64,
        datagrams_refused: u64,
        datagrams_stray: u64,
        sockets_failed: u64,
        up: DirectionCounts,
        down: DirectionCounts,
    }
    let line = Line {
        event: "stopped",
        schema: SCHEMA,
        seed,
        clients: report.flows,
        rebinds: report.rebinds,
        datagrams_refused: report.refused,
        datagrams_stray: report.strays,
        sockets_failed: report.sockets_failed,
        up: (&report.up).into(),
        down: (&report.down).into(),
    };
    json_line(&line, out)
}

/// Datagrams of one direction, by what became of them.
#[derive(Serialize)]
struct DirectionCounts {
    received: u64,
    bytes_received: u64,
    delivered: u64,
    bytes_delivered: u64,
    dropped: u64,
    lost: u64,
    too_long: u64,
    blackholed: u64,
    queue_full: u64,
    reordered: u64,
    duplicated: u64,
    corrupted: u64,
    overflowed: u64,
    unsent: u64,
    under_way: u64,
}

impl From<&DirectionReport> for DirectionCounts {
    fn from(direction: &DirectionReport) -> Self {
        let counts = &direction.counts;
        Self {
            received: counts.sent,
            bytes_received: direction.bytes_received,
            delivered: direction.delivered,
            bytes_delivered: direction.bytes_delivered,
            dropped: counts.dropped,
            lost: counts.lost,
            too_long: counts.too_long,
            blackholed: counts.blackholed,
            queue_full: counts.queue_full,
            reordered: counts.reordered,
            duplicated: counts.duplicated,
            corrupted: counts.corrupted,
            overflowed: direction.overflowed,
            unsent: direction.unsent,
            under_way: direction.under_way,
        }
    }
}

//! A relay's conditions and counts, as JSON.

use std::time::Duration;

use qecho_netsim::{
    link::{Conditions, Marking},
    relay::{DirectionReport, FLOWS_MAX, Notice, RebindKind},
};

use super::{Relaying, Stopped};
use crate::render::{Object, microseconds};

/// Returns between whom the relay is, and how bad it is.
pub(super) fn relaying(relaying: &Relaying<'_>) -> Object {
    let config = relaying.config;
    let rebind = config.rebind.map(|rebind| match rebind.kind {
        RebindKind::Port => "port",
        RebindKind::Address => "address",
    });
    let every = config.rebind.map(|rebind| milliseconds(rebind.every));
    Object::event("relaying")
        .with_schema()
        .with("addresses", relaying.addresses)
        .with("to", config.to)
        .with("seed", config.seed)
        .with("rebind", rebind)
        .with("rebind_every_ms", every)
        .with("nat_timeout_ms", config.nat_timeout.map(milliseconds))
        .with("up", conditions(&config.up))
        .with("down", conditions(&config.down))
}

/// Returns the conditions of one direction; `null` is no limit.
fn conditions(path: &Conditions) -> Object {
    let blackhole = path.blackhole;
    let (drop, police) = (path.drop.as_ref(), path.police);
    Object::default()
        .with("delay_ms", milliseconds(path.delay))
        .with("jitter_ms", milliseconds(path.jitter))
        .with("loss", path.loss)
        .with("burst", path.burst)
        .with("reorder", path.reorder)
        .with("duplicate", path.duplicate)
        .with("corrupt", path.corrupt)
        .with("rate_bits_per_second", path.rate)
        .with("queue", path.queue)
        .with("police_datagrams", police.map(|police| police.datagrams))
        .with("police_ms", police.map(|police| milliseconds(police.per)))
        .with("ecn", path.ecn.map(Marking::name))
        .with("mtu", (path.mtu < usize::MAX).then_some(path.mtu))
        .with(
            "blackhole_open_ms",
            blackhole.map(|times| milliseconds(times.open)),
        )
        .with(
            "blackhole_closed_ms",
            blackhole.map(|times| milliseconds(times.closed)),
        )
        .with("drop_first", drop.map(|drop| drop.start()))
        .with("drop_last", drop.map(|drop| drop.end()))
}

fn milliseconds(duration: Duration) -> f64 {
    microseconds(duration) / 1e3
}

/// Returns what happened for the first time.
pub(super) fn notice(notice: Notice) -> Object {
    let event = match notice {
        Notice::ClientReplaced => "client_replaced",
        Notice::ClientRefused => "client_refused",
        _ => "notice",
    };
    Object::event(event).with("clients_max", FLOWS_MAX)
}

/// Returns what the relay did in its life.
pub(super) fn stopped(stopped: &Stopped<'_>) -> Object {
    let report = stopped.report;
    Object::event("stopped")
        .with_schema()
        .with("seed", stopped.seed)
        .with("clients", report.flows)
        .with("clients_replaced", report.replaced)
        .with("rebinds", report.rebinds)
        .with("datagrams_refused", report.refused)
        .with("datagrams_stray", report.strays)
        .with("sockets_failed", report.sockets_failed)
        .with("up", counts(&report.up))
        .with("down", counts(&report.down))
}

/// Returns the datagrams of one direction, by what became of them.
fn counts(direction: &DirectionReport) -> Object {
    let counts = &direction.counts;
    Object::default()
        .with("received", counts.sent)
        .with("bytes_received", direction.bytes_received)
        .with("delivered", direction.delivered)
        .with("bytes_delivered", direction.bytes_delivered)
        .with("dropped", counts.dropped)
        .with("lost", counts.lost)
        .with("too_long", counts.too_long)
        .with("blackholed", counts.blackholed)
        .with("policed", counts.policed)
        .with("queue_full", counts.queue_full)
        .with("reordered", counts.reordered)
        .with("duplicated", counts.duplicated)
        .with("corrupted", counts.corrupted)
        .with("remarked", counts.remarked)
        .with("overflowed", direction.overflowed)
        .with("unsent", direction.unsent)
        .with("under_way", direction.under_way)
}

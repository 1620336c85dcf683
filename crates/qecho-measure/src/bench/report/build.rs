//! Makes a report of the counters of all shards.

use std::time::Duration;

use super::{
    histogram,
    latency::Latency,
    parts::{GeneratorCost, Run, ScheduleKept, Server, ServerCost, Start},
    schema::{Report, SCHEMA},
};
use crate::bench::{
    collector::Collector,
    config::{Arrival, Config, Goal, Sessions},
    counters::{Counters, TotalCounts},
    outcome::Outcome,
    processor::Usage,
};

/// Share of the time from which on a thread counts as always busy.
const BUSY: f64 = 0.95;

/// Lateness that an open loop's messages may have.
const LATE: Duration = Duration::from_millis(1);

/// Measurements that a report is made of.
pub(in crate::bench) struct Measurements<'a> {
    pub(in crate::bench) config: &'a Config,
    pub(in crate::bench) server: Server,
    /// Connections that were opened to find the server.
    pub(in crate::bench) probes: u64,
    pub(in crate::bench) sockets: usize,
    pub(in crate::bench) outcomes: &'a [Outcome],
    pub(in crate::bench) collector: Collector,
    /// Usage of the server's process before the first connection; and when the
    /// measuring began, and when it ended.
    pub(in crate::bench) usages: Option<(Usage, [Usage; 2])>,
}

impl Report {
    /// Makes a report of a load that has ended.
    pub(in crate::bench) fn new(measured: Measurements<'_>) -> Self {
        let mut counters = Counters::default();
        for outcome in measured.outcomes {
            counters.add(&outcome.counters);
        }
        let elapsed = measured.outcomes.iter().map(|outcome| outcome.elapsed);
        let elapsed = elapsed.max().unwrap_or_default();
        let per_second = |count: u64| match elapsed {
            Duration::ZERO => None,
            elapsed => Some(count as f64 / elapsed.as_secs_f64()),
        };
        let sessions = measured.config.sessions;
        let stop = measured.outcomes.iter().find_map(|outcome| outcome.stop);
        Self {
            event: "report".into(),
            time: None,
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: None,
            command_line: None,
            host: None,
            start: start(measured.config, measured.outcomes),
            partial: stop.map(|stop| stop.to_string()),
            server: measured.server,
            run: run(measured.config, measured.sockets),
            elapsed_s: elapsed.as_secs_f64(),
            offered: counters.offered,
            messages: counters.messages,
            bytes: counters.bytes,
            rate_per_s: per_second(counters.in_time),
            goodput_bytes_per_s: per_second(counters.bytes_in_time),
            latency: Latency::of(counters.latency.histogram()),
            connect: Latency::of(counters.connect.histogram()),
            resumed: (sessions != Sessions::New).then_some(counters.resumed),
            early_data: (sessions == Sessions::EarlyData).then_some(counters.early),
            lost: counters.lost,
            late: counters.late,
            unanswered: counters
                .offered
                .saturating_sub(counters.messages + counters.lost + counters.unsent),
            errors: counters.errors.values().cloned().collect(),
            transport: counters.transport,
            generator: generator(measured.outcomes, counters.paused),
            server_process: measured.usages.and_then(|usages| {
                let pid = measured.config.server_pid?;
                Some(server_cost(pid, usages, &counters))
            }),
            schedule: schedule(measured.config.arrival, &counters),
            intervals: measured.collector.into_rows(elapsed),
            totals: TotalCounts {
                connections: counters.totals.connections + measured.probes,
                ..counters.totals
            },
            fail_if: Vec::new(),
            steps: Vec::new(),
            limit: None,
            comparison: None,
            histogram: histogram::encode(counters.latency.histogram()),
            connect_histogram: histogram::encode(counters.connect.histogram()),
        }
    }
}

fn start(config: &Config, outcomes: &[Outcome]) -> Option<Start> {
    let late = outcomes.iter().filter_map(|outcome| outcome.late).max()?;
    Some(Start {
        at: config.begin.as_ref()?.name.clone(),
        late_s: late.as_secs_f64(),
    })
}

fn run(config: &Config, sockets: usize) -> Run {
    let workload = config.workload;
    Run {
        over: workload.mode.name().into(),
        transport: "quic".into(),
        size_bytes: workload.sizes.least as u64,
        size_max_bytes: (workload.sizes.most > workload.sizes.least)
            .then_some(workload.sizes.most as u64),
        connections: config.connections as u64,
        idle_connections: (config.idle_connections > 0).then_some(config.idle_connections as u64),
        streams: workload.streams as u64,
        in_flight: workload.in_flight as u64,
        shards: config.shards as u64,
        sockets: sockets as u64,
        arrival: match config.arrival {
            Arrival::Closed => "closed",
            Arrival::Constant(_) => "constant",
            Arrival::Poisson(_) => "poisson",
        }
        .into(),
        offered_rate_per_s: config.arrival.rate(),
        duration_s: config
            .goal
            .duration()
            .map(|duration| duration.as_secs_f64()),
        count: match config.goal {
            Goal::Duration(_) => None,
            Goal::Messages(count) => Some(count.get()),
        },
        warmup_s: config.warmup.as_secs_f64(),
        verified: config.verify,
        seed: config.seed,
    }
}

fn generator(outcomes: &[Outcome], paused: Duration) -> GeneratorCost {
    let share = |outcome: &Outcome| match outcome.elapsed {
        Duration::ZERO => 0.0,
        // A turn that is long ends after the time that is measured.
        elapsed => (outcome.processor.as_secs_f64() / elapsed.as_secs_f64()).min(1.0),
    };
    let busiest_share = outcomes.iter().map(share).fold(0.0, f64::max);
    let processor: Duration = outcomes.iter().map(|outcome| outcome.processor).sum();
    GeneratorCost {
        processor_s: processor.as_secs_f64(),
        busiest_share,
        is_bottleneck: busiest_share >= BUSY,
        paused_s: (!paused.is_zero()).then_some(paused.as_secs_f64()),
    }
}

fn server_cost(
    pid: u32,
    (first, [begun, ended]): (Usage, [Usage; 2]),
    counters: &Counters,
) -> ServerCost {
    let processor = ended.processor.saturating_sub(begun.processor);
    let each =
        |count: f64, unit: f64| (count > 0.0).then(|| processor.as_secs_f64() * unit / count);
    ServerCost {
        pid,
        processor_s: processor.as_secs_f64(),
        processor_us_per_message: each(counters.messages as f64, 1e6),
        processor_ms_per_megabyte: each(counters.bytes as f64 / 1e6, 1e3),
        memory_before_bytes: first.memory,
        memory_after_bytes: ended.memory,
    }
}

fn schedule(arrival: Arrival, counters: &Counters) -> Option<ScheduleKept> {
    arrival.rate()?;
    let lateness = counters.lateness.histogram();
    let is_late = lateness.value_at_quantile(0.99) > LATE.as_nanos() as u64;
    Some(ScheduleKept {
        is_kept: !is_late && counters.unsent == 0,
        late_p99_us: Latency::of(lateness).p99_us,
        unsent: counters.unsent,
    })
}

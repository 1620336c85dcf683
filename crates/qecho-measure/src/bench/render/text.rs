//! The report of a load, for people.

mod comparison;
mod series;

use std::{
    io::{self, Write},
    time::Duration,
};

use qecho_packet::text::{self, counted, grouped as number};

pub(super) use self::comparison::{cells, transport_name};
pub use self::series::offered;
use crate::bench::{
    GeneratorCost, Latency, Metric, Report, Run, ServerCost, ThresholdResult, Unit,
};

/// Writes a report for people.
///
/// # Errors
/// Those of the writer.
pub fn text(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for (name, words) in rows(report) {
        writeln!(out, "{name:<12} {words}")?;
    }
    series::steps(report, out)?;
    if let Some(comparison) = &report.comparison {
        comparison::text(comparison, out)?;
    }
    for error in &report.errors {
        let (count, example) = (
            counted(error.count, "connection"),
            text::shown(&error.example),
        );
        writeln!(out, "failed       {count}: {example}")?;
    }
    for judged in &report.fail_if {
        let verdict = if judged.fails { "FAILED" } else { "passed" };
        let (value, bound) = (compared(judged), &judged.bound);
        writeln!(out, "bound        {verdict}, {value}: fails if {bound}")?;
    }
    for words in warnings(report) {
        writeln!(out, "warning: {words}")?;
    }
    Ok(())
}

/// Returns what is said of any run.
fn rows(report: &Report) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("server", server(report)),
        ("load", load(&report.run)),
        ("measured", measured(report)),
    ];
    if !report.steps.is_empty() {
        // Each step has figures of its own.
        rows.push(("transport", transport(report)));
        return rows;
    }
    if let Some(start) = &report.start {
        let late = seconds(start.late_s);
        rows.push(("start", format!("at {}, {late} late", start.at)));
    }
    let sends = report.run.size_bytes > 0;
    if sends {
        rows.extend(rate(report).map(|rate| ("rate", rate)));
        rows.push(("echo time", latency(&report.latency)));
    }
    rows.push(("handshake", latency(&report.connect)));
    if let Some(resumed) = report.resumed {
        let of = number(report.connect.count);
        rows.push(("resumed", format!("{} of {of} handshakes", number(resumed))));
    }
    if let Some(early) = report.early_data {
        let (accepted, rejected) = (number(early.accepted), number(early.rejected));
        let words = format!("{accepted} messages accepted, {rejected} rejected and sent again");
        rows.push(("0-RTT", words));
    }
    let of_offered = |count| format!("{} of {}", number(count), number(report.offered));
    if report.run.over == "datagram" {
        let late = match report.late {
            0 => String::new(),
            late => format!("; {} came back too late", number(late)),
        };
        rows.push(("lost", of_offered(report.lost) + &late));
    }
    if report.unanswered > 0 {
        rows.push(("unanswered", of_offered(report.unanswered)));
    }
    rows.push(("transport", transport(report)));
    rows.push(("generator", generator(&report.generator, report.run.shards)));
    if let Some(cost) = &report.server_process {
        rows.push(("server cost", server_cost(cost, report)));
    }
    rows
}

/// Writes a number of seconds; a file may hold some that are no time at all.
fn seconds(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) => text::duration(time),
        Err(_) => format!("{seconds} s"),
    }
}

fn server(report: &Report) -> String {
    let server = &report.server;
    let alpn = match &server.alpn {
        Some(name) => format!("ALPN {}", text::name(name)),
        None => "no ALPN".into(),
    };
    let key_exchange = server.key_exchange.as_deref().unwrap_or("resumed");
    format!(
        "{} ({}), {}, {key_exchange}, {alpn}",
        server.name, server.address, server.cipher_suite
    )
}

fn load(run: &Run) -> String {
    let connections = counted(run.connections, "connection");
    let sockets = counted(run.sockets, "socket");
    let threads = match run.shards {
        1 => String::new(),
        shards => format!(", {shards} threads"),
    };
    let crowd = match run.idle_connections {
        Some(idle) => format!(
            " beside {} that {} idle",
            idle,
            if idle == 1 { "is" } else { "are" }
        ),
        None => String::new(),
    };
    let from = format!("{connections}{crowd} from {sockets}{threads}");
    if run.size_bytes == 0 {
        return format!("{from}, held");
    }
    let streams = match (run.over.as_str(), run.streams) {
        ("stream" | "bulk", streams @ 2..) => format!(", {streams} streams on each"),
        _ => String::new(),
    };
    let arrival = match run.offered_rate_per_s {
        Some(rate) => format!("open loop at {} a second, {}", decimal(rate), run.arrival),
        None if run.arrival != "closed" => format!("open loop, {}", run.arrival),
        None if run.over == "handshake" => "closed loop".into(),
        None => format!("closed loop, {} in flight on each", run.in_flight),
    };
    let size = counted(run.size_max_bytes.unwrap_or(run.size_bytes), "byte");
    let size = match run.size_max_bytes {
        Some(_) => format!("{} to {size}", run.size_bytes),
        None => size,
    };
    format!("{}, {size}, {from}{streams}, {arrival}", run.over)
}

fn measured(report: &Report) -> String {
    let mut words = seconds(report.elapsed_s);
    if report.run.warmup_s > 0.0 {
        words += &format!(" after {} of warm-up", seconds(report.run.warmup_s));
    }
    if report.run.size_bytes > 0 {
        words += match report.run.verified {
            true => ", every byte compared",
            false => ", bytes NOT compared (--no-verify)",
        };
    }
    if let Some(reason) = &report.partial {
        words += &format!("; PARTIAL: {reason}");
    }
    words
}

/// Writes the rate; there is none if the run ended before the measuring began.
fn rate(report: &Report) -> Option<String> {
    let unit = match report.run.over.as_str() {
        "handshake" => "connections",
        _ => "messages",
    };
    let rate = decimal(report.rate_per_s?);
    let goodput = decimal(report.goodput_bytes_per_s? / 1e6);
    // In a closed loop they are those that were under way.
    let late = match report.messages_after_end() {
        late @ 1.. if report.run.arrival != "closed" => {
            format!(", {} of them after the end", number(late))
        }
        _ => String::new(),
    };
    Some(format!(
        "{rate} {unit} a second, {goodput} MB/s each way ({} in all{late})",
        number(report.messages)
    ))
}

fn latency(latency: &Latency) -> String {
    if latency.count == 0 {
        return "none".into();
    }
    let times = [
        ("p50", latency.p50_us),
        ("p90", latency.p90_us),
        ("p99", latency.p99_us),
        ("p99.9", latency.p99_9_us),
        ("p99.99", latency.p99_99_us),
        ("max", latency.max_us),
    ];
    let known = times
        .into_iter()
        .filter_map(|(name, time)| Some((name, time?)));
    let words = known.map(|(name, time)| format!("{name} {}", microseconds_text(time)));
    words.collect::<Vec<_>>().join("  ")
}

/// Writes the median, the higher percentiles and the longest time.
pub(super) fn percentiles(of: &Latency) -> [String; 6] {
    [
        of.p50_us,
        of.p90_us,
        of.p99_us,
        of.p99_9_us,
        of.p99_99_us,
        of.max_us,
    ]
    .map(time)
}

/// Writes a time that is given in microseconds; there may be none.
pub fn time(microseconds: Option<f64>) -> String {
    microseconds.map_or("–".into(), microseconds_text)
}

fn microseconds_text(microseconds: f64) -> String {
    text::duration(Duration::from_nanos((microseconds * 1e3) as u64))
}

fn transport(report: &Report) -> String {
    let counts = &report.transport;
    format!(
        "{} packets sent, {} lost and sent again, {} datagrams received, UDP payload up to {}",
        number(counts.packets_sent),
        number(counts.packets_lost),
        number(counts.datagrams_received),
        counted(counts.mtu_bytes, "byte"),
    )
}

fn generator(cost: &GeneratorCost, shards: u64) -> String {
    let share = decimal(cost.busiest_share * 100.0);
    match shards {
        1 => format!("busy for {share} % of the time"),
        _ => format!("busiest thread busy for {share} % of the time"),
    }
}

/// Memory for each connection below which a server has used again what it had, in kB.
const MEMORY_EACH_MIN_KB: f64 = 1.0;

fn server_cost(cost: &ServerCost, report: &Report) -> String {
    let mut words = format!("{} s of processor", decimal(cost.processor_s));
    let (each, unit, thing) = match report.run.over.as_str() {
        "bulk" => (cost.processor_ms_per_megabyte, "ms", "MB"),
        "handshake" => (cost.processor_us_per_message, "µs", "connection"),
        _ => (cost.processor_us_per_message, "µs", "message"),
    };
    if let Some(cost) = each {
        words += &format!(", {} {unit} for each {thing}", decimal(cost));
    }
    if let (Some(before), Some(after)) = (cost.memory_before_bytes, cost.memory_after_bytes) {
        let megabytes = |bytes: u64| decimal(bytes as f64 / 1e6);
        words += &format!("; memory {} → {} MB", megabytes(before), megabytes(after));
        if report.run.over == "idle" {
            let grown = after.saturating_sub(before) as f64 / 1e3;
            let each = grown / report.run.connections as f64;
            words += &match each >= MEMORY_EACH_MIN_KB {
                true => format!(", {} kB for each connection", decimal(each)),
                false => ", which it had free from before: start it anew to see their cost".into(),
            };
        }
    }
    words
}

/// Seconds that a run may begin too late without a warning.
const LATE_S: f64 = 0.1;

fn warnings(report: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(start) = report.start.as_ref().filter(|start| start.late_s > LATE_S) {
        let late = seconds(start.late_s);
        warnings.push(format!("the run began {late} after --start-at"));
    }
    if !report.steps.is_empty() {
        // Each says it of itself.
        return warnings;
    }
    if report.generator.is_bottleneck {
        warnings.push(
            "the generator was busy all the time: these figures are its own, not the server's; \
             give it more --shards"
                .into(),
        );
    }
    if let Some(paused) = report.generator.paused_s {
        warnings.push(format!(
            "the generator itself stood still for {paused:.1} s: these figures have that in them"
        ));
    }
    if let Some(schedule) = report.schedule.filter(|schedule| !schedule.is_kept) {
        let late = match schedule.late_p99_us {
            Some(late) => format!(
                "1 of 100 messages left more than {} late",
                microseconds_text(late)
            ),
            None => "messages left late".into(),
        };
        let never = number(schedule.unsent);
        warnings.push(format!("the schedule was not kept: {late}, {never} never"));
    }
    warnings
}

/// Writes what was compared with a threshold; there may be nothing.
pub fn compared(judged: &ThresholdResult) -> String {
    let name = &judged.figure;
    match (judged.value, judged.max_us) {
        (Some(value), _) => format!("{name} is {}", figure(name, value)),
        (None, Some(longest)) => {
            let longest = microseconds_text(longest);
            format!("the messages are too few for {name}, and the longest took {longest}")
        }
        (None, None) => format!("{name} is none"),
    }
}

/// Writes a figure by its name.
fn figure(name: &str, value: f64) -> String {
    match Metric::ALL.iter().find(|(known, _)| *known == name) {
        Some((_, figure)) => match figure.unit() {
            Unit::Time => microseconds_text(value),
            Unit::Rate => format!("{} a second", decimal(value)),
            Unit::Bytes => format!("{} MB/s", decimal(value / 1e6)),
            _ => number(value as u64),
        },
        None => decimal(value),
    }
}

/// Writes a number with three digits at least.
pub fn decimal(value: f64) -> String {
    match value {
        100.0.. => number(value.round() as u64),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_eyes() {
        assert_eq!(decimal(0.4712), "0.471");
        assert_eq!(decimal(27.31), "27.3");
        assert_eq!(decimal(999.6), "1,000");
    }
}

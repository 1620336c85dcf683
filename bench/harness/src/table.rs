//! The page that a run prints: Markdown, to be read as it is or pasted.

use std::fmt::Write;

use crate::Options;
use crate::build::Built;
use crate::catalogue::PEERS;
use crate::figures::{Spread, three_digits};
use crate::goals;
use crate::machine::Machine;
use crate::record::{Figure, Record, Row};
use crate::workload::{Measure, WORKLOADS, Workload};

/// Returns everything that a run has to say.
pub(crate) fn page(machine: &Machine, options: &Options, all: &[Built], record: &Record) -> String {
    let mut page = machine.text();
    page += &format!(
        "- medians of {} rounds of {} s after 1 s of warm-up, interleaved, each with a server of \
         its own; in brackets the least and the most\n\
         - every byte that came back was compared; *: the generator was the bottleneck, so rate \
         and times are its own\n\n",
        options.rounds, options.seconds
    );
    page += "| server | version | agreed on | settings |\n|---|---|---|---|\n";
    for Built { peer, version } in all {
        let version = match version {
            Ok(version) => version.clone(),
            Err(reason) => format!("not here: {}", in_a_cell(reason)),
        };
        let (name, agreed) = (peer.name, record.agreed(peer));
        page += &format!("| {name} | {version} | {agreed} | {} |\n", peer.settings);
    }
    for workload in &options.workloads {
        page += &table(workload, record);
    }
    page += &goals::table(record);
    page
}

/// Returns what could be selected.
pub(crate) fn catalogue() -> String {
    let mut text = "peers\n".to_owned();
    for peer in PEERS {
        text += &format!("  {:<22}{}\n", peer.name, peer.settings);
    }
    text += "workloads\n";
    for workload in WORKLOADS {
        text += &format!("  {:<22}{}\n", workload.name, workload.title);
    }
    text
}

fn table(workload: &Workload, record: &Record) -> String {
    let mut text = format!("\n### {}: {}\n\n", workload.name, workload.title);
    let unit = workload.unit();
    text += &match workload.measure {
        Measure::Memory => {
            format!("| server | memory, {unit} | of qecho's | |\n|---|---|---|---|\n")
        }
        _ => format!(
            "| server | server CPU, {unit} | of qecho's | {} | p50, µs | p99, µs | |\n\
             |---|---|---|---|---|---|---|\n",
            workload.rate_unit()
        ),
    };
    for row in record.of(workload.name) {
        text += &line(row, record);
    }
    if let Some(line) = against_the_best(workload, record) {
        let _ = write!(text, "\n{line}\n");
    }
    text
}

fn line(row: &Row, record: &Record) -> String {
    let is_memory = row.workload.measure == Measure::Memory;
    let Some(cost) = row.spread(|sample| Some(sample.cost)) else {
        let reason = match (row.is_here, row.failures.first()) {
            (false, _) => "not here".to_owned(),
            (true, Some(reason)) => format!("fails: {}", in_a_cell(reason)),
            (true, None) => "not measured".to_owned(),
        };
        let empty = if is_memory { "| |" } else { "| | | | |" };
        return format!("| {} | {reason} {empty} |\n", row.peer.name);
    };
    let ours = record.row(row.workload.name, "qecho");
    let ours = ours.and_then(|row| row.median(|sample| Some(sample.cost)));
    let ratio = ours.map_or(String::new(), |ours| three_digits(cost.median / ours));
    let mut cells = vec![row.peer.name.to_owned(), with_range(cost), ratio];
    if !is_memory {
        let is_limited = row.generator_was_the_bottleneck();
        let star = if is_limited { "*" } else { "" };
        let figures: [Figure; 3] = [|it| Some(it.rate), |it| it.p50_us, |it| it.p99_us];
        cells.extend(figures.map(|figure| {
            let median = row.median(figure).map_or(String::new(), three_digits);
            format!("{median}{star}")
        }));
    }
    cells.push(remarks(row));
    format!("| {} |\n", cells.join(" | "))
}

/// Returns what else is worth knowing of a row.
fn remarks(row: &Row) -> String {
    let mut remarks = Vec::new();
    let lost = row.median(|sample| Some(sample.lost)).unwrap_or_default();
    if lost > 0.0 {
        remarks.push(format!("{:.2} % lost", lost * 100.0));
    }
    if row.workload.measure == Measure::Megabyte {
        let payload = row
            .median(|sample| Some(sample.payload))
            .filter(|it| *it > 0.0);
        remarks.extend(payload.map(|it| format!("its datagrams: {} B", three_digits(it))));
    }
    if let Some(reason) = row.failures.first() {
        let runs = row.samples.len() + row.failures.len();
        let failed = row.failures.len();
        let reason = in_a_cell(reason);
        remarks.push(format!("{failed} of {runs} runs failed: {reason}"));
    }
    remarks.join("; ")
}

/// Returns how ours compares with the best QUIC peer of the run.
fn against_the_best(workload: &Workload, record: &Record) -> Option<String> {
    let ours = record.row(workload.name, "qecho")?;
    let mut parts = Vec::new();
    let mut compare = |what: &str, figure: Figure| {
        let (peer, best) = record.best(workload.name, figure)?;
        let ratio = three_digits(ours.median(figure)? / best);
        parts.push(format!("{what} is {ratio} of {}'s", peer.name));
        Some(())
    };
    match workload.measure {
        Measure::Memory => compare("memory", |sample| Some(sample.cost)),
        _ => compare("cost", |sample| Some(sample.cost)),
    }?;
    if workload.name == "a" {
        compare("p50", |sample| sample.p50_us);
    }
    let parts = parts.join("; its ");
    let best = "the best QUIC peer of this run";
    Some(format!("Against {best}, qecho's {parts}."))
}

fn with_range(Spread { median, min, max }: Spread) -> String {
    let [median, min, max] = [median, min, max].map(three_digits);
    format!("{median} ({min}–{max})")
}

/// Returns text that does not end a cell of a table.
fn in_a_cell(text: &str) -> String {
    text.replace('|', "/").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Kind;

    #[test]
    fn a_reason_stays_in_its_cell() {
        assert_eq!(in_a_cell("a | b\nc"), "a / b c");
    }

    #[test]
    fn every_peer_says_how_it_is_set() {
        assert!(PEERS.iter().all(|peer| !peer.settings.is_empty()));
        let ours = PEERS.iter().filter(|peer| peer.kind == Kind::Ours);
        assert_eq!(ours.count(), 2);
    }
}

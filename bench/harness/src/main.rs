//! `cargo xtask peers`: our echo server beside other people's, on one machine in one run.
//!
//! Every QUIC server is driven by the same generator in a row; the server has one core and the generator
//! another. The runs are interleaved, so that a slow minute of the machine falls on everybody.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its reader sits at a terminal or pastes what it prints"
)]

mod build;
mod catalogue;
mod figures;
mod goals;
mod machine;
mod measure;
mod options;
mod record;
mod table;
mod testbed;
mod workload;

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use xtask::Outcome;

use self::build::Built;
use self::figures::three_digits;
use self::machine::Machine;
use self::options::Options;
use self::record::Record;
use self::testbed::Testbed;
use self::workload::Workload;

fn main() -> ExitCode {
    xtask::main(run)
}

/// Builds, runs and measures what the options select, and prints what came of it.
fn run(arguments: &[String]) -> Result<Outcome> {
    let options = &Options::parse(arguments)?;
    ensure!(
        cfg!(target_os = "linux"),
        "peers are measured on Linux only"
    );
    if options.list {
        print!("{}", table::catalogue());
        return Ok(Outcome::Good);
    }
    let cores = machine::cores_for_both()?;
    let machine = Machine::look(cores);
    let testbed = Testbed::prepare(cores)?;
    let peers = options.peers.iter();
    let built: Vec<Built> = peers.map(|peer| build::build(peer)).collect();
    let workloads = options.workloads.iter();
    let generators = workloads.map(|workload| workload.generator);
    let generators: BTreeSet<&str> = generators.filter(|name| !name.is_empty()).collect();
    for generator in generators {
        build::build_generator(generator)?;
    }
    let mut record = Record::new(options, &built);
    for round in 0..options.rounds {
        for workload in &options.workloads {
            measure_all(&testbed, options, round, workload, &mut record);
        }
    }
    print!("{}", table::page(&machine, options, &built, &record));
    if let Some(file) = &options.output {
        let report = report(&machine, options, &built, &record);
        fs::write(file, format!("{report:#}\n"))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(Outcome::Good)
}

/// Lets every peer do one workload once; each round begins with another peer.
fn measure_all(
    testbed: &Testbed,
    options: &Options,
    round: usize,
    workload: &Workload,
    record: &mut Record,
) {
    let peers = record.runnable(workload);
    for place in 0..peers.len() {
        let peer = peers[(place + round) % peers.len()];
        let (nth, rounds) = (round + 1, options.rounds);
        eprint!(
            "round {nth} of {rounds}, {}, {}: ",
            workload.name, peer.name
        );
        let sample = measure::measure(testbed, peer, workload, options, round);
        match &sample {
            Ok(sample) => eprintln!("{} {}", three_digits(sample.cost), workload.unit()),
            Err(error) => eprintln!("{error:#}"),
        }
        record.add(workload, peer, sample);
    }
}

fn report(machine: &Machine, options: &Options, built: &[Built], record: &Record) -> Value {
    json!({
        "machine": machine,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "peers": built.iter().map(Built::json).collect::<Vec<_>>(),
        "workloads": record.json(),
        "bar": goals::json(record),
    })
}

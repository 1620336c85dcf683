//! Everything that was measured, by workload and peer.

use anyhow::Result;
use serde_json::{Value, json};

use crate::Options;
use crate::build::Built;
use crate::catalogue::{Kind, Peer};
use crate::figures::Spread;
use crate::measure::Sample;
use crate::workload::Workload;

/// Rows of all tables.
#[derive(Debug)]
pub(crate) struct Record {
    rows: Vec<Row>,
}

/// Samples of a peer with a workload.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) workload: &'static Workload,
    pub(crate) peer: &'static Peer,
    pub(crate) is_here: bool,
    pub(crate) samples: Vec<Sample>,
    /// Error of each run that failed.
    pub(crate) failures: Vec<String>,
}

impl Record {
    /// Makes an empty row for each workload and each peer that does it.
    pub(crate) fn new(options: &Options, built: &[Built]) -> Self {
        let mut rows = Vec::new();
        for workload in &options.workloads {
            let doing = built.iter().filter(|built| built.peer.does(workload.name));
            rows.extend(doing.map(|built| Row {
                workload,
                peer: built.peer,
                is_here: built.version.is_ok(),
                samples: Vec::new(),
                failures: Vec::new(),
            }));
        }
        Self { rows }
    }

    /// Returns the peers that a workload can be measured with.
    pub(crate) fn runnable(&self, workload: &Workload) -> Vec<&'static Peer> {
        let here = self.of(workload.name).filter(|row| row.is_here);
        here.map(|row| row.peer).collect()
    }

    /// Keeps what a run came to.
    pub(crate) fn add(&mut self, workload: &Workload, peer: &Peer, sample: Result<Sample>) {
        let mut rows = self.rows.iter_mut();
        let row = rows
            .find(|row| row.workload.name == workload.name && row.peer.name == peer.name)
            .expect("only runnable pairs are measured, and they have rows");
        match sample {
            Ok(sample) => row.samples.push(sample),
            Err(error) => row.failures.push(format!("{error:#}")),
        }
    }

    /// Returns the rows of one workload.
    pub(crate) fn of(&self, workload: &str) -> impl Iterator<Item = &Row> {
        self.rows
            .iter()
            .filter(move |row| row.workload.name == workload)
    }

    /// Returns the row of one workload and one peer.
    pub(crate) fn row(&self, workload: &str, peer: &str) -> Option<&Row> {
        self.of(workload).find(|row| row.peer.name == peer)
    }

    /// Returns what the handshake with a peer came to, if there was one.
    pub(crate) fn agreed(&self, peer: &Peer) -> &str {
        let mut rows = self.rows.iter().filter(|row| row.peer.name == peer.name);
        let sample = rows.find_map(|row| row.samples.first());
        sample.map_or("", |sample| &sample.agreed)
    }

    /// Returns the QUIC peer that does a workload with the least of `figure`.
    pub(crate) fn best(&self, workload: &str, figure: Figure) -> Option<(&'static Peer, f64)> {
        let peers = self.of(workload).filter(|row| row.peer.kind == Kind::Quic);
        let medians = peers.filter_map(|row| Some((row.peer, row.median(figure)?)));
        medians.min_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    pub(crate) fn json(&self) -> Vec<Value> {
        self.rows.iter().map(Row::json).collect()
    }
}

/// Picks a figure of a sample, if it has that one.
pub(crate) type Figure = fn(&Sample) -> Option<f64>;

impl Row {
    /// Sums up a figure of all runs that went well.
    pub(crate) fn spread(&self, figure: Figure) -> Option<Spread> {
        Spread::of(self.samples.iter().filter_map(figure))
    }

    /// Returns the median of a figure.
    pub(crate) fn median(&self, figure: Figure) -> Option<f64> {
        self.spread(figure).map(|spread| spread.median)
    }

    /// Tells whether more than half of the figures are the generator's rather than the server's.
    pub(crate) fn generator_was_the_bottleneck(&self) -> bool {
        let samples = self.samples.iter();
        let limited = samples.filter(|sample| sample.generator_was_the_bottleneck);
        2 * limited.count() > self.samples.len()
    }

    fn json(&self) -> Value {
        json!({
            "workload": self.workload.name,
            "title": self.workload.title,
            "unit": self.workload.unit(),
            "generator": match self.workload.generator {
                "" => "qecho",
                other => other,
            },
            "generator_arguments": self.workload.arguments.split(' ').collect::<Vec<_>>(),
            "udp_payload_max": self.workload.udp_payload_max,
            "peer": self.peer.name,
            "cost": self.spread(|sample| Some(sample.cost)),
            "rate": self.spread(|sample| Some(sample.rate)),
            "p50_us": self.spread(|sample| sample.p50_us),
            "p99_us": self.spread(|sample| sample.p99_us),
            "generator_was_the_bottleneck": self.generator_was_the_bottleneck(),
            "samples": self.samples,
            "failures": self.failures,
        })
    }
}

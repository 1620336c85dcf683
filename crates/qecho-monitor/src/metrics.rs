//! The metrics of a server, each with its name, unit and meaning (docs/operation.md lists them).

mod exposition;
mod shards;

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::Unit,
};

pub(crate) use self::exposition::{Format, exposition};
use crate::{Limits, Monitor, Reload, process::ProcessFigures, rounds::Answers};

/// Metric before its values: name without unit and suffix, unit, and meaning.
#[derive(Clone, Copy)]
struct Description {
    name: &'static str,
    unit: Option<&'static Unit>,
    help: &'static str,
}

const fn metric(name: &'static str, help: &'static str) -> Description {
    Description {
        name,
        unit: None,
        help,
    }
}

const fn measured(name: &'static str, unit: &'static Unit, help: &'static str) -> Description {
    Description {
        unit: Some(unit),
        ..metric(name, help)
    }
}

/// Figures of a server at one time.
#[derive(Debug)]
pub(crate) struct Snapshot {
    shards: Answers,
    limits: Limits,
    is_ready: bool,
    certificate_expires: i64,
    /// By the kind of file, how often files were used, and how often not.
    reloads: [[u64; 2]; Reload::ALL.len()],
    process: Option<ProcessFigures>,
}

impl Snapshot {
    /// Asks for all of them.
    pub(crate) fn take(monitor: &Monitor) -> Self {
        Self {
            shards: monitor.shards(),
            limits: monitor.limits(),
            is_ready: monitor.is_ready(),
            certificate_expires: monitor.certificate_expires(),
            reloads: Reload::ALL.map(|files| monitor.reloads(files)),
            process: ProcessFigures::read(),
        }
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(encoder);
        self.encode_server(&mut out)?;
        self.encode_shards(&mut out)?;
        match &self.process {
            Some(process) => encode_process(process, &mut out),
            None => Ok(()),
        }
    }
}

impl Snapshot {
    fn encode_server(&self, out: &mut Out<'_>) -> fmt::Result {
        let build = metric("qecho_build", "Version of the program");
        out.single(build, &Info::new([("version", env!("CARGO_PKG_VERSION"))]))?;
        let ready = metric(
            "qecho_ready",
            "1 while new connections are let in, 0 while draining",
        );
        out.single(ready, &gauge(u64::from(self.is_ready)))?;
        let help = "Connections that there may be at once";
        let connections = metric("qecho_connections_max", help);
        out.single(connections, &gauge(self.limits.connections as u64))?;
        if let Some(most) = self.limits.memory {
            let help = "Memory that the process may use (--memory-max)";
            out.single(
                measured("qecho_memory_max", &Unit::Bytes, help),
                &gauge(most),
            )?;
        }
        let help = "Time at which the certificate in use expires, since 1970";
        let expires = measured(
            "qecho_certificate_not_after_timestamp",
            &Unit::Seconds,
            help,
        );
        out.single(expires, &ConstGauge::new(self.certificate_expires))?;
        let help = "Files that were read again, by kind, and whether they are used";
        let mut reloads = Vec::new();
        for (files, counts) in Reload::ALL.into_iter().zip(self.reloads) {
            let file = match files {
                Reload::Certificate => "certificate",
                Reload::ClientCa => "client_ca",
            };
            for (outcome, count) in ["success", "failure"].into_iter().zip(counts) {
                reloads.push(([("file", file), ("outcome", outcome)], counter(count)));
            }
        }
        out.family(metric("qecho_reloads", help), reloads)
    }
}

fn encode_process(process: &ProcessFigures, out: &mut Out<'_>) -> fmt::Result {
    let help = "User and system processor time of the process";
    let seconds = ConstCounter::new(process.processor_time.as_secs_f64());
    out.single(measured("process_cpu", &Unit::Seconds, help), &seconds)?;
    let help = "Start of the process, since 1970";
    let started = measured("process_start_time", &Unit::Seconds, help);
    out.single(started, &ConstGauge::new(process.started))?;
    let help = "Memory of the process, of which qecho_memory_max_bytes is the limit";
    let resident = measured("process_resident_memory", &Unit::Bytes, help);
    out.single(resident, &gauge(process.resident_bytes))?;
    let files = metric(
        "process_open_fds",
        "File descriptors that the process has open",
    );
    out.single(files, &gauge(process.open_files))
}

fn counter(count: u64) -> ConstCounter<u64> {
    ConstCounter::new(count)
}

/// Makes a gauge of a figure that is far below 2⁶³.
fn gauge(figure: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(figure).unwrap_or(i64::MAX))
}

/// Destination of metrics.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    /// Writes a metric that has one value.
    fn single(&mut self, description: Description, value: &impl EncodeMetric) -> fmt::Result {
        let Description { name, unit, help } = description;
        let kind = value.metric_type();
        value.encode(self.0.encode_descriptor(name, help, unit, kind)?)
    }

    /// Writes a metric that has a value for each set of labels; without any, nothing.
    fn family<L: EncodeLabelSet, M: EncodeMetric>(
        &mut self,
        description: Description,
        values: impl IntoIterator<Item = (L, M)>,
    ) -> fmt::Result {
        let Description { name, unit, help } = description;
        let mut values = values.into_iter().peekable();
        let Some((_, first)) = values.peek() else {
            return Ok(());
        };
        let kind = first.metric_type();
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in values {
            value.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

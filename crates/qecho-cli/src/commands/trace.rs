//! `qecho trace`: the packets in a file.

mod counts;
mod input;

use std::{
    collections::BTreeSet,
    io::{self, Cursor, IsTerminal, Write},
    os::fd::AsFd,
    path::Path,
    time::Duration,
};

use anyhow::anyhow;
use qecho_engine::Side;
use qecho_packet::{
    Observation,
    capture::{Captured, Item},
    dissect::{Dissector, Recognition, Recognized},
    trace::{Event, LossSource, Sink, Tracer, qlog::Qlog},
};
use qecho_trace::{Detail, Sequence};

use self::{
    counts::Counts,
    input::{CaptureInput, add_key_log},
};
use super::tracing;
use crate::{
    args::TraceFileArguments,
    exit::{ExitStatus, Failure, is_closed_terminal},
};

/// Columns of a sequence diagram that goes to no terminal.
const SEQUENCE_COLUMNS: usize = 100;

/// Shows what a capture has.
pub(super) fn run(arguments: &TraceFileArguments) -> Result<ExitStatus, Failure> {
    match show_file(arguments) {
        // Whatever is wrong with what came until then.
        Err(_) if input::is_stdin(&arguments.file) && is_closed_terminal(io::stdin()) => {
            Err(Failure::silent(ExitStatus::Terminated))
        }
        outcome => outcome,
    }
}

fn show_file(arguments: &TraceFileArguments) -> Result<ExitStatus, Failure> {
    let mut dissector = Dissector::default();
    let mut input = CaptureInput::open(&arguments.file, &mut dissector)?;
    for path in &arguments.key_logs {
        add_key_log(path, &mut dissector)?;
    }
    let qlog = match &arguments.qlog.directory {
        None => None,
        Some(directory) => Some(tracing::make_qlog(
            directory,
            arguments.qlog.form,
            Side::Client,
        )?),
    };
    let mut view = FileTracer::new(sinks(arguments, qlog.as_ref()));
    let outcome = view.read(&mut input, &mut dissector);
    view.finish()?;
    if let Some(qlog) = &qlog {
        tracing::conclude_qlog(qlog);
    }
    let counts = &view.counts;
    if counts.has_quic() || outcome.is_err() {
        counts.tell(input.is_stream());
    }
    outcome?;
    if counts.has_quic() {
        return Ok(ExitStatus::Done);
    }
    let shown = input.shown();
    let left_out = [counts.left_out(), counts.other_versions()];
    let left_out: Vec<_> = left_out.into_iter().flatten().collect();
    let left_out = match left_out.is_empty() {
        true => String::new(),
        false => format!(", but {}", left_out.join("; ")),
    };
    Err(Failure::negative(anyhow!(
        "there is no QUIC of version 1 in {shown}{left_out}"
    )))
}

/// Shows the packets of a capture that is in memory, and marks some datagrams by their places.
pub(super) fn show<W>(capture: Vec<u8>, marked: BTreeSet<usize>, out: W) -> Result<(), Failure>
where
    W: Write + IsTerminal + AsFd + Send + 'static,
{
    let mut dissector = Dissector::default();
    let source = Box::new(Cursor::new(capture));
    let mut input = CaptureInput::of(source, Path::new(""), "the packets".into())?;
    let layout = tracing::layout(&out);
    let mut view = FileTracer::new(vec![tracing::marked_lines_to(
        Detail::Packets,
        marked,
        layout,
        out,
    )]);
    view.recognition = None;
    view.read(&mut input, &mut dissector)?;
    view.finish()
}

fn sinks(arguments: &TraceFileArguments, qlog: Option<&Qlog>) -> Vec<Box<dyn Sink>> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(qlog) = qlog {
        sinks.push(Box::new(qlog.clone()));
    }
    sinks.push(match arguments.sequence {
        false => tracing::lines_to(
            arguments.detail.into(),
            tracing::layout(&io::stdout()),
            io::stdout(),
        ),
        true => {
            let width = tracing::layout(&io::stdout()).width;
            let width = width.unwrap_or(SEQUENCE_COLUMNS);
            Box::new(SequenceSink(Sequence::new(width)))
        }
    });
    sinks
}

/// Traces the datagrams of a file.
struct FileTracer {
    tracer: Tracer,
    sinks: Vec<Box<dyn Sink>>,
    /// `None` where everything is known to be QUIC, or to be meant so.
    recognition: Option<Recognition>,
    counts: Counts,
    /// Reason for which nothing more can be shown.
    failure: Option<io::Error>,
}

impl FileTracer {
    fn new(sinks: Vec<Box<dyn Sink>>) -> Self {
        Self {
            tracer: Tracer::new(LossSource::Inferred),
            sinks,
            recognition: Some(Recognition::default()),
            counts: Counts::default(),
            failure: None,
        }
    }

    fn read(&mut self, input: &mut CaptureInput, dissector: &mut Dissector) -> Result<(), Failure> {
        let mut at = Duration::ZERO;
        while let Some(item) = input.next()? {
            match item {
                Item::Secrets(secrets) => dissector.add_secrets(&secrets),
                Item::Datagram(captured) => {
                    at = captured.at;
                    dissector.datagram(&captured.datagram(), &mut |observation| match captured
                        .repeated
                    {
                        true => self.learn(&captured, &observation),
                        false => self.take(&captured, &observation),
                    });
                }
                Item::Skipped { why, .. } => self.counts.leave_out(why),
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure.into());
            }
        }
        dissector.finish(&mut |observation| self.show(at, &observation));
        let recognition = self.recognition.as_ref();
        let late = recognition.map_or(0, Recognition::perhaps_late);
        self.counts.note_late(late);
        Ok(())
    }

    /// Counts what a datagram of the file means, and shows it if it is QUIC.
    fn take(&mut self, captured: &Captured, observation: &Observation) {
        if let (Observation::Datagram(datagram), Some(recognition)) =
            (observation, &mut self.recognition)
        {
            match recognition.judge(&captured.datagram(), datagram) {
                Recognized::Quic => self.counts.count(datagram),
                Recognized::OtherVersion(version) => {
                    self.counts.count(datagram);
                    self.counts.count_version(version);
                }
                Recognized::Opaque(version) => return self.counts.count_version(version),
                _ => return self.counts.count_other(),
            }
        }
        self.show(captured.at, observation);
    }

    fn show(&mut self, at: Duration, observation: &Observation) {
        let (sinks, failure) = (&mut self.sinks, &mut self.failure);
        let tell = &mut |event: &Event<'_>| pass_on(event, sinks, failure);
        self.tracer.observe(at, observation, tell);
    }

    /// Takes in what the file repeats of another, so that the rest makes sense.
    fn learn(&mut self, captured: &Captured, observation: &Observation) {
        if let (Observation::Datagram(datagram), Some(recognition)) =
            (observation, &mut self.recognition)
        {
            recognition.judge(&captured.datagram(), datagram);
        }
        let (sinks, failure) = (&mut self.sinks, &mut self.failure);
        let tell = &mut |event: &Event<'_>| pass_on(event, sinks, failure);
        self.tracer.learn(captured.at, observation, tell);
    }

    fn finish(&mut self) -> Result<(), Failure> {
        for sink in &mut self.sinks {
            sink.finish()?;
        }
        Ok(())
    }
}

fn pass_on(event: &Event<'_>, sinks: &mut [Box<dyn Sink>], failure: &mut Option<io::Error>) {
    for sink in sinks {
        if let Err(error) = sink.take(event) {
            failure.get_or_insert(error);
        }
    }
}

/// Draws a sequence diagram on stdout.
struct SequenceSink(Sequence);

impl Sink for SequenceSink {
    fn take(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.0.write(event, &mut io::stdout().lock())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.finish(&mut io::stdout().lock())
    }
}

#[cfg(test)]
mod tests;

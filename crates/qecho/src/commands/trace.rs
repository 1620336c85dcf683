//! `qecho trace`: the packets in a file.

mod counts;
mod input;

use std::{collections::HashSet, io, net::SocketAddr, time::Duration};

use anyhow::anyhow;
use qecho_engine::{Side, limits::INITIAL_DATAGRAM_MIN};
use qecho_packet::{
    DecodedDatagram, Observation,
    capture::Item,
    dissect::Dissector,
    trace::{Event, LossSource, Sink, Tracer, qlog::Qlog},
    wire::PacketType,
};

use self::{
    counts::Counts,
    input::{CaptureInput, add_key_log},
};
use super::tracing;
use crate::{
    args::TraceFileArguments,
    exit::{ExitStatus, Failure},
    render::sequence::Sequence,
};

/// Columns of a sequence diagram that goes to no terminal.
const SEQUENCE_COLUMNS: usize = 100;

/// Shows what a capture has.
pub(super) fn run(arguments: &TraceFileArguments) -> Result<ExitStatus, Failure> {
    let mut dissector = Dissector::default();
    let mut input = CaptureInput::open(&arguments.file, &mut dissector)?;
    for path in &arguments.key_logs {
        add_key_log(path, &mut dissector)?;
    }
    let qlog = match &arguments.qlog.directory {
        None => None,
        Some(directory) => Some(tracing::make_qlog(directory, Side::Client)?),
    };
    let mut view = FileTracer {
        tracer: Tracer::new(LossSource::Inferred),
        sinks: sinks(arguments, qlog.as_ref()),
        known: HashSet::new(),
        counts: Counts::default(),
        failure: None,
    };
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
    let left_out = counts.left_out();
    let left_out = left_out.map(|words| format!(", but {words}"));
    Err(Failure::negative(anyhow!(
        "there is no QUIC of version 1 in {shown}{}",
        left_out.unwrap_or_default()
    )))
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
    /// Pairs of addresses that have connections.
    known: HashSet<(SocketAddr, SocketAddr)>,
    counts: Counts,
    /// Reason for which nothing more can be shown.
    failure: Option<io::Error>,
}

impl FileTracer {
    fn read(&mut self, input: &mut CaptureInput, dissector: &mut Dissector) -> Result<(), Failure> {
        let mut at = Duration::ZERO;
        while let Some(item) = input.next()? {
            match item {
                Item::Secrets(secrets) => dissector.add_secrets(&secrets),
                Item::Datagram(captured) => {
                    at = captured.at;
                    let repeated = captured.repeated;
                    dissector.datagram(&captured.datagram(), &mut |observation| match repeated {
                        true => self.learn(at, &observation),
                        false => self.show(at, &observation),
                    });
                }
                Item::Skipped { why, .. } => self.counts.leave_out(why),
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure.into());
            }
        }
        dissector.finish(&mut |observation| self.show(at, &observation));
        Ok(())
    }

    fn show(&mut self, at: Duration, observation: &Observation) {
        if let Observation::Datagram(datagram) = observation {
            if !self.is_quic(datagram) {
                self.counts.other_udp += 1;
                return;
            }
            self.counts.count(datagram);
        }
        let (sinks, failure) = (&mut self.sinks, &mut self.failure);
        let tell = &mut |event: &Event<'_>| pass_on(event, sinks, failure);
        self.tracer.observe(at, observation, tell);
    }

    /// Takes in what the file repeats of another, so that the rest makes sense.
    fn learn(&mut self, at: Duration, observation: &Observation) {
        if let Observation::Datagram(datagram) = observation {
            self.is_quic(datagram);
        }
        let (sinks, failure) = (&mut self.sinks, &mut self.failure);
        let tell = &mut |event: &Event<'_>| pass_on(event, sinks, failure);
        self.tracer.learn(at, observation, tell);
    }

    /// Tells whether a datagram is to be taken for QUIC: anything that is UDP
    /// may be in a capture.
    fn is_quic(&mut self, datagram: &DecodedDatagram) -> bool {
        let ends = (datagram.local, datagram.remote);
        if datagram.connection.is_some() {
            self.known.insert(ends);
            return true;
        }
        let first = datagram.packets.first();
        let header = first.and_then(|packet| packet.header.as_ref());
        let long = header.is_some_and(|header| match header.packet_type {
            PacketType::OneRtt => false,
            // What asks for another version is padded as well.
            PacketType::Unknown => datagram.size >= usize::from(INITIAL_DATAGRAM_MIN),
            _ => true,
        });
        long || self.known.contains(&ends) || self.known.contains(&(ends.1, ends.0))
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

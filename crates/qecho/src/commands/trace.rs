//! `qecho trace`: the packets in a file.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufReader, Read, Write},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use anyhow::{Context, anyhow};
use qecho_engine::{
    Dissected, Observation, Side, Unprocessed, limits::INITIAL_DATAGRAM_MIN, wire::PacketType,
};
use qecho_tools::{
    capture::{CaptureReader, Item, ReadError},
    dissect::{Dissector, Seen},
    trace::{Event, Losses, Sink, Tracer, qlog::Qlog},
};

use super::tracing;
use crate::{
    args::TraceFileArguments,
    ending::{Ending, Failure},
    render::sequence::Sequence,
};

/// Columns of a sequence diagram that goes to no terminal.
const SEQUENCE_COLUMNS: usize = 100;

/// Shows what a capture has.
pub(super) fn run(arguments: &TraceFileArguments) -> Result<Ending, Failure> {
    let mut dissector = Dissector::default();
    for path in &arguments.key_logs {
        let secrets = read_key_log(path)
            .with_context(|| format!("cannot read TLS secrets from {}", path.display()))?;
        dissector.add_secrets(&secrets);
    }
    if arguments.key_logs.is_empty() {
        // Elsewhere they may stand after the packets that they open.
        add_secrets_inside(&arguments.file, &mut dissector);
    }
    let qlog = match &arguments.qlog.directory {
        None => None,
        Some(directory) => Some(tracing::make_qlog(directory, Side::Client)?),
    };
    let mut view = View {
        tracer: Tracer::new(Losses::Inferred),
        sinks: sinks(arguments, qlog.as_ref()),
        known: HashSet::new(),
        counts: Counts::default(),
        failure: None,
    };
    let outcome = view.read(&arguments.file, &mut dissector);
    view.finish()?;
    if let Some(qlog) = &qlog {
        tracing::conclude_qlog(qlog);
    }
    outcome?;
    view.counts.conclude(arguments)
}

fn sinks(arguments: &TraceFileArguments, qlog: Option<&Qlog>) -> Vec<Box<dyn Sink>> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(qlog) = qlog {
        sinks.push(Box::new(qlog.clone()));
    }
    sinks.push(match arguments.sequence {
        false => tracing::lines_to(arguments.detail.into(), io::stdout()),
        true => {
            let width = tracing::layout(&io::stdout()).width;
            let width = width.unwrap_or(SEQUENCE_COLUMNS);
            Box::new(Diagram(Some(Sequence::new(width))))
        }
    });
    sinks
}

/// Reads a key log, of which only as much as makes sense is kept.
fn read_key_log(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(KEY_LOG_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Bytes of a key log that are read.
const KEY_LOG_BYTES_MAX: u64 = 64 << 20;

/// Adds the secrets that stand anywhere in a regular file; what is wrong with
/// it shows when it is read again.
fn add_secrets_inside(path: &Path, dissector: &mut Dissector) {
    let regular = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let Some(file) = File::open(path).ok().filter(|_| regular) else {
        return;
    };
    let Ok(mut reader) = CaptureReader::new(BufReader::new(file)) else {
        return;
    };
    while let Ok(Some(item)) = reader.next() {
        if let Item::Secrets(secrets) = item {
            dissector.add_secrets(&secrets);
        }
    }
}

/// What is seen of a file.
struct View {
    tracer: Tracer,
    sinks: Vec<Box<dyn Sink>>,
    /// Who has connections with whom.
    known: HashSet<(SocketAddr, SocketAddr)>,
    counts: Counts,
    /// Why nothing more can be shown.
    failure: Option<io::Error>,
}

#[derive(Default)]
struct Counts {
    /// Datagrams with QUIC in them.
    datagrams: u64,
    /// Packets that only missing secrets keep closed.
    closed: u64,
    opened: u64,
}

impl View {
    fn read(&mut self, path: &Path, dissector: &mut Dissector) -> Result<(), Failure> {
        let shown = path.display();
        let file: Box<dyn Read> = match path == Path::new("-") {
            true => Box::new(io::stdin()),
            false => {
                let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
                Box::new(BufReader::new(file))
            }
        };
        self.read_from(file, path, dissector)
    }

    fn read_from(
        &mut self,
        file: impl Read,
        path: &Path,
        dissector: &mut Dissector,
    ) -> Result<(), Failure> {
        let shown = path.display();
        let explain = |error: ReadError| anyhow!(error).context(format!("cannot read {shown}"));
        let mut reader = CaptureReader::new(file).map_err(explain)?;
        let mut at = Duration::ZERO;
        while let Some(item) = reader.next().map_err(explain)? {
            match item {
                Item::Secrets(secrets) => dissector.add_secrets(&secrets),
                Item::Datagram(captured) => {
                    at = captured.at;
                    let seen = Seen {
                        source: captured.source,
                        destination: captured.destination,
                        ecn: captured.ecn,
                        passage: captured.passage,
                        payload: &captured.payload,
                        cut: captured.cut,
                    };
                    let repeated = captured.repeated;
                    dissector.datagram(&seen, &mut |observation| match repeated {
                        true => self.learn(at, &observation),
                        false => self.show(at, &observation),
                    });
                }
                Item::Skipped { .. } => {}
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
    fn is_quic(&mut self, datagram: &Dissected) -> bool {
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

impl Counts {
    fn count(&mut self, datagram: &Dissected) {
        self.datagrams += 1;
        for packet in &datagram.packets {
            self.opened += u64::from(packet.opened.is_some());
            self.closed += u64::from(packet.unprocessed == Some(Unprocessed::NoSecrets));
        }
    }

    /// Says what could not be shown.
    fn conclude(&self, arguments: &TraceFileArguments) -> Result<Ending, Failure> {
        let shown = arguments.file.display();
        if self.datagrams == 0 {
            return Err(Failure::negative(anyhow!(
                "there is no QUIC of version 1 in {shown}"
            )));
        }
        if self.closed > 0 {
            let words = match self.closed {
                1 => "1 packet stays closed: its TLS secrets are".to_owned(),
                count => format!("{count} packets stay closed: their TLS secrets are"),
            };
            // With stderr gone there is nobody to tell.
            let _ = writeln!(
                io::stderr(),
                "{words} neither inside nor in a --keylog; programs write them to $SSLKEYLOGFILE"
            );
        }
        Ok(Ending::Done)
    }
}

/// Draws a sequence diagram on stdout.
struct Diagram(Option<Sequence>);

impl Sink for Diagram {
    fn take(&mut self, event: &Event<'_>) -> io::Result<()> {
        match &mut self.0 {
            None => Ok(()),
            Some(sequence) => sequence.write(event, &mut io::stdout().lock()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.0.take() {
            None => Ok(()),
            Some(sequence) => sequence.finish(&mut io::stdout().lock()),
        }
    }
}

#[cfg(test)]
mod tests;

//! Shows the packets as they pass: lines on stderr, and qlog files.

use std::{
    io::{self, ErrorKind, IsTerminal, Write},
    os::fd::AsFd,
    path::Path,
};

use anyhow::{Context, anyhow};
use qecho_engine::Side;
use qecho_packet::trace::{Event, Sink, Trace, TraceReport, qlog::Qlog};
use rustix::fs::{Access, access};

use crate::{
    args::TraceArgument,
    ending::Failure,
    render::{
        story::Story,
        trace::{Detail, Layout, TraceText},
    },
};

const PROGRAM: &str = concat!("qecho ", env!("CARGO_PKG_VERSION"));

impl From<TraceArgument> for Detail {
    fn from(argument: TraceArgument) -> Self {
        match argument {
            TraceArgument::Handshake => Self::Handshake,
            TraceArgument::Packets => Self::Packets,
            TraceArgument::Frames => Self::Frames,
        }
    }
}

/// Who is to see the packets.
#[derive(Default)]
pub(super) struct TraceSinks {
    sinks: Vec<Box<dyn Sink>>,
    qlog: Option<Qlog>,
}

impl TraceSinks {
    /// Adds lines on stderr, which `out` leads to.
    pub(super) fn lines(mut self, detail: Detail, out: Box<dyn Write + Send>) -> Self {
        self.sinks
            .push(lines_to(detail, layout(&io::stderr()), out));
        self
    }

    /// Adds the story of the first steps, on stdout.
    pub(super) fn story(mut self) -> Self {
        let mut story = Story::new(layout(&io::stdout()));
        let write = move |event: &Event<'_>, out: &mut Vec<u8>| story.write(event, out);
        self.sinks.push(Box::new(Lines::new(write, io::stdout())));
        self
    }

    /// Adds qlog files in a folder, and says what they reveal.
    pub(super) fn qlog(mut self, directory: &Path, side: Side) -> Result<Self, Failure> {
        let qlog = make_qlog(directory, side)?;
        self.sinks.push(Box::new(qlog.clone()));
        self.qlog = Some(qlog);
        Ok(self)
    }

    /// Does a command's work while they see what passes; says what they have
    /// missed.
    pub(super) fn during<T>(
        self,
        work: impl FnOnce(Option<Trace>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.sinks.is_empty() {
            return work(None);
        }
        let trace = Trace::start(self.sinks).context("cannot start a thread")?;
        let outcome = work(Some(trace.clone()));
        let report = trace.finish();
        // Whoever does not read the trace would hold up what is said of it too.
        let stuck = |failure: &io::Error| failure.kind() == ErrorKind::TimedOut;
        if !report.failures.iter().any(stuck) {
            conclude(&report);
        }
        if let Some(qlog) = &self.qlog {
            conclude_qlog(qlog);
        }
        outcome
    }
}

/// Makes a folder of qlog files, and says what they reveal.
pub(super) fn make_qlog(directory: &Path, side: Side) -> Result<Qlog, Failure> {
    let shown = directory.display();
    let qlog = Qlog::new(directory.to_owned(), PROGRAM, side)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => anyhow!("it is there, and is no folder"),
            _ => error.into(),
        })
        .and_then(|qlog| {
            // Its files are made when connections begin; that would be late.
            access(directory, Access::WRITE_OK | Access::EXEC_OK)?;
            Ok(qlog)
        })
        .with_context(|| format!("cannot write qlog files to {shown}"))?;
    say(&format!(
        "writing qlog files to {shown}: whoever has them knows who talked to whom, when and how much"
    ));
    Ok(qlog)
}

fn conclude(report: &TraceReport) {
    if report.left_out > 0 {
        say(&format!(
            "warning: left out of the trace: {} datagrams and events; they came faster than they could be shown",
            report.left_out
        ));
    }
    for failure in &report.failures {
        // Who looked has seen enough.
        if failure.kind() != ErrorKind::BrokenPipe {
            say(&format!("warning: the trace ends too early: {failure}"));
        }
    }
}

/// Says what the qlog files lack.
pub(super) fn conclude_qlog(qlog: &Qlog) {
    let report = qlog.report();
    if let Some(failure) = &report.failure {
        let (events, source) = (report.events_lost, &failure.source);
        say(&format!(
            "warning: {failure}: {source}; events that are in no qlog file: {events}"
        ));
    }
    if report.connections_left_out > 0 {
        let count = report.connections_left_out;
        say(&format!(
            "warning: connections without a qlog file: {count}; there are {} files",
            report.files
        ));
    }
}

/// Tells what lines are to look like there.
pub(super) fn layout(out: &(impl IsTerminal + AsFd)) -> Layout {
    let size = rustix::termios::tcgetwinsize(out).ok();
    Layout {
        colour: is_coloured(out),
        width: size
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0 && out.is_terminal()),
    }
}

/// Tells whether colours are wanted there (no-color.org).
fn is_coloured(out: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    out.is_terminal() && !refused && !dumb
}

/// Makes what writes events as lines.
pub(super) fn lines_to(
    detail: Detail,
    layout: Layout,
    out: impl Write + Send + 'static,
) -> Box<dyn Sink> {
    let mut text = TraceText::new(detail, layout);
    let write = move |event: &Event<'_>, out: &mut Vec<u8>| text.write(event, out);
    Box::new(Lines::new(write, out))
}

/// Writes each event's lines at once, so that other lines stand between and
/// not within them.
struct Lines<F, W> {
    write: F,
    lines: Vec<u8>,
    out: W,
}

impl<F, W> Lines<F, W> {
    fn new(write: F, out: W) -> Self {
        let lines = Vec::new();
        Self { write, lines, out }
    }
}

impl<F, W> Sink for Lines<F, W>
where
    F: FnMut(&Event<'_>, &mut Vec<u8>) -> io::Result<()> + Send,
    W: Write + Send,
{
    fn take(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.lines.clear();
        (self.write)(event, &mut self.lines)?;
        self.out.write_all(&self.lines)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Says something on stderr; with that gone there is nobody to tell.
fn say(words: &str) {
    let _ = writeln!(io::stderr(), "{words}");
}

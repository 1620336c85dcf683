//! Packets as they pass: lines for people, and qlog files.

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind, IsTerminal, Write},
    os::fd::AsFd,
    path::Path,
};

use anyhow::{Context, anyhow};
use qecho_engine::Side;
use qecho_packet::{
    text,
    trace::{
        Event, EventKind, Sink, TraceReport,
        qlog::{Form, Qlog},
    },
};
use qecho_terminal::colour;
use qecho_trace::{Detail, Layout, StoryText, TraceText};
use rustix::fs::{Access, access};

use super::PROGRAM;
use crate::{
    args::{QlogFormArgument, TraceArgument},
    exit::Failure,
    stderr::{say, say_if_read},
};

impl From<TraceArgument> for Detail {
    fn from(argument: TraceArgument) -> Self {
        match argument {
            TraceArgument::Handshake => Self::Handshake,
            TraceArgument::Packets => Self::Packets,
            TraceArgument::Frames => Self::Frames,
        }
    }
}

/// Makes a folder of qlog files, and says what they reveal.
pub(super) fn make_qlog(
    directory: &Path,
    form: QlogFormArgument,
    side: Side,
) -> Result<Qlog, Failure> {
    let form = match form {
        QlogFormArgument::Current => Form::Current,
        QlogFormArgument::Qvis => Form::Qvis,
    };
    let shown = text::path(directory);
    let qlog = Qlog::new(directory.to_owned(), PROGRAM, side)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => anyhow!("it is there, and is no folder"),
            _ => error.into(),
        })
        .and_then(|qlog| {
            // Its files are made when connections begin; that would be late.
            access(directory, Access::WRITE_OK | Access::EXEC_OK)?;
            Ok(qlog.with_form(form))
        })
        .with_context(|| format!("cannot write qlog files to {shown}"))?;
    say(format_args!(
        "writing qlog files to {shown}: whoever has them knows who talked to whom, when and how much"
    ));
    Ok(qlog)
}

/// Says what the trace lacks.
pub(super) fn conclude(report: &TraceReport) {
    if report.left_out > 0 {
        say_if_read(format_args!(
            "warning: left out of the trace: {} datagrams and events; they came faster than they could be shown",
            report.left_out
        ));
    }
    for failure in &report.failures {
        // Who looked has seen enough.
        if failure.kind() != ErrorKind::BrokenPipe {
            say_if_read(format_args!("warning: the trace ends too early: {failure}"));
        }
    }
}

/// Says what the qlog files lack.
pub(super) fn conclude_qlog(qlog: &Qlog) {
    let report = qlog.report();
    if let Some(failure) = &report.failure {
        let (events, source) = (report.events_lost, &failure.source);
        say_if_read(text::line(&format!(
            "warning: {failure}: {source}; events that are in no qlog file: {events}"
        )));
    }
    if report.connections_left_out > 0 {
        let count = report.connections_left_out;
        say_if_read(format_args!(
            "warning: connections without a qlog file: {count}; there are {} files",
            report.files
        ));
    }
}

/// Tells what lines are to look like there.
pub(super) fn layout(out: &(impl IsTerminal + AsFd)) -> Layout {
    let size = rustix::termios::tcgetwinsize(out).ok();
    let columns = size.map(|size| usize::from(size.ws_col));
    let width = columns.filter(|columns| *columns > 0 && out.is_terminal());
    Layout::default()
        .with_colour(colour::is_wanted(out))
        .with_width(width)
}

/// Returns a sink that explains each step when it first happens, on stdout.
pub(super) fn story() -> Box<dyn Sink> {
    let mut story = StoryText::new(layout(&io::stdout()));
    let write = move |event: &Event<'_>, out: &mut Vec<u8>| story.write(event, out);
    Box::new(Lines::new(write, io::stdout()))
}

/// Returns a sink that writes events as lines.
pub(super) fn lines_to(
    detail: Detail,
    layout: Layout,
    out: impl Write + Send + 'static,
) -> Box<dyn Sink> {
    marked_lines_to(detail, BTreeSet::new(), layout, out)
}

/// The same, with a mark below some datagrams, which are named by their places.
pub(super) fn marked_lines_to(
    detail: Detail,
    marked: BTreeSet<usize>,
    layout: Layout,
    out: impl Write + Send + 'static,
) -> Box<dyn Sink> {
    let mut text = TraceText::new(detail, layout);
    let mut place = 0;
    let write = move |event: &Event<'_>, out: &mut Vec<u8>| {
        text.write(event, out)?;
        if matches!(event.kind, EventKind::Datagram(_)) {
            if marked.contains(&place) {
                text.mark("▲ the stimulus", out)?;
            }
            place += 1;
        }
        Ok(())
    };
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

//! Captures, traces and key logs of a command, from its beginning to its end.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use qecho_engine::Side;
use qecho_packet::{
    Observers,
    trace::{Sink, Trace, qlog::Qlog},
};
use rustls::KeyLog;

use super::{
    capture,
    key_log::{self, KeyLogFiles},
    signals::FilesEnding,
    tracing,
};
use crate::{
    args::{CaptureArguments, ObserveArguments, QlogArguments},
    exit::Failure,
    stderr::say_if_read,
};

/// The capture, the trace, the qlog files and the key logs of a command, which end with
/// [`finish`](Self::finish).
pub(super) struct Observing {
    observers: Observers,
    /// Name of the capture's file in messages.
    capture_name: String,
    qlog: Option<Qlog>,
    key_logs: RefCell<Vec<Arc<KeyLogFiles>>>,
}

impl Observing {
    /// Begins what was asked for; lines about packets go to `lines`, which leads
    /// to stderr. A connection that was silent for `idle_timeout` has ended.
    pub(super) fn start(
        arguments: &ObserveArguments,
        side: Side,
        idle_timeout: Duration,
        lines: impl Write + Send + 'static,
    ) -> Result<Self, Failure> {
        let layout = tracing::layout(&io::stderr());
        let lines = arguments
            .trace
            .map(|detail| tracing::lines_to(detail.into(), layout, lines));
        Self::start_with(
            &arguments.capture,
            idle_timeout,
            lines,
            &arguments.qlog,
            side,
        )
    }

    /// Begins with any way to show the packets.
    pub(super) fn start_with(
        arguments: &CaptureArguments,
        idle_timeout: Duration,
        lines: Option<Box<dyn Sink>>,
        qlog: &QlogArguments,
        side: Side,
    ) -> Result<Self, Failure> {
        let capture_name = capture::name(arguments);
        let mut observing = Self {
            observers: Observers {
                capture: capture::start(arguments, &capture_name, idle_timeout)?,
                trace: None,
            },
            capture_name,
            qlog: None,
            key_logs: RefCell::default(),
        };
        match observing.start_trace(lines, qlog, side) {
            Ok(()) => Ok(observing),
            Err(failure) => {
                observing.finish();
                Err(failure)
            }
        }
    }

    fn start_trace(
        &mut self,
        lines: Option<Box<dyn Sink>>,
        qlog: &QlogArguments,
        side: Side,
    ) -> Result<(), Failure> {
        let mut sinks: Vec<_> = lines.into_iter().collect();
        if let Some(directory) = &qlog.directory {
            let qlog = self
                .qlog
                .insert(tracing::make_qlog(directory, qlog.form, side)?);
            sinks.push(Box::new(qlog.clone()));
        }
        if !sinks.is_empty() {
            self.observers.trace = Some(Trace::start(sinks).context("cannot start a thread")?);
        }
        Ok(())
    }

    /// Returns what the command's shards tell of their packets.
    pub(super) fn observers(&self) -> Observers {
        self.observers.clone()
    }

    /// Opens the key logs that were asked for; the capture wants the secrets too.
    pub(super) fn key_log(&self, path: Option<&Path>) -> anyhow::Result<Option<Arc<dyn KeyLog>>> {
        let files = KeyLogFiles::open(path)?;
        self.key_logs.borrow_mut().extend(files.clone());
        Ok(key_log::join(files, self.observers.capture.as_ref()))
    }

    /// Ends the trace and the qlog files, and says what is missing in them.
    pub(super) fn finish_trace(&mut self) {
        let qlog = self.qlog.take();
        if let Some(trace) = self.observers.trace.take() {
            let report = FilesEnding::during(|| trace.finish());
            let is_stuck = |failure: &io::Error| failure.kind() == ErrorKind::TimedOut;
            if report.failures.iter().any(is_stuck) {
                // Its thread holds the qlog files; and if it is stderr that nobody reads,
                // what is said of it would be held up too.
                say_if_read("warning: the trace ends too early: nothing takes it any more");
                return;
            }
            tracing::conclude(&report);
        }
        if let Some(qlog) = qlog {
            tracing::conclude_qlog(&qlog);
        }
    }

    /// Ends all files, and says what is missing in them.
    pub(super) fn finish(mut self) {
        self.finish_trace();
        if let Some(capture) = &self.observers.capture {
            let report = FilesEnding::during(|| capture.finish());
            capture::conclude(&report, &self.capture_name);
        }
        for files in self.key_logs.take() {
            FilesEnding::during(|| files.finish());
        }
    }
}

//! Packets of the first run of each requirement: kept in a folder, or shown.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use qecho_packet::capture::Capture;
use qecho_probe::{
    conform::{Finding, Liveness, Prober, Requirement, Row, Target, Verdict, write},
    remote::{RemoteServer, SharedObserver},
};
use qecho_terminal::prose::Prose;

use crate::{
    args::Format,
    commands::{PROGRAM, capture, trace},
    exit::Failure,
    stderr::say,
};

/// Folder that keeps a capture of each requirement.
pub(super) struct CaptureFolder {
    path: PathBuf,
}

impl CaptureFolder {
    /// Makes a folder, if it is not there, and says what will be in it.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        fs::create_dir_all(path).with_context(|| format!("cannot keep packets in {shown}"))?;
        say(format_args!(
            "writing packets and TLS secrets to {shown}: whoever has them can read this traffic"
        ));
        Ok(Self { path: path.into() })
    }

    fn keep(&self, name: &str, packets: &[u8]) -> anyhow::Result<()> {
        let path = self.path.join(format!("{name}.pcapng"));
        let write = || capture::create(&path)?.write_all(packets);
        write().with_context(|| format!("cannot write packets to {}", path.display()))
    }
}

/// Server whose requirements are tried and whose packets are kept.
pub(super) struct Recorded<'f> {
    prober: Prober<RemoteServer>,
    observer: SharedObserver,
    folder: Option<&'f CaptureFolder>,
    /// Begins the names of files.
    prefix: String,
    is_shown: bool,
    done: BTreeSet<&'static str>,
    /// Captures that are to be shown.
    pub(super) shown: Vec<(&'static Requirement, Vec<u8>)>,
    /// Why a file could not be written.
    pub(super) failure: Option<anyhow::Error>,
}

impl<'f> Recorded<'f> {
    pub(super) fn new(
        server: RemoteServer,
        folder: Option<&'f CaptureFolder>,
        prefix: String,
        is_shown: bool,
    ) -> Self {
        Self {
            observer: server.observer(),
            prober: Prober::new(server),
            folder,
            prefix,
            is_shown,
            done: BTreeSet::new(),
            shown: Vec::new(),
            failure: None,
        }
    }

    /// Runs a requirement, and returns its packets, too.
    fn run_captured(
        &mut self,
        requirement: &'static Requirement,
    ) -> io::Result<(Finding, Vec<u8>)> {
        let memory = Memory::default();
        let capture = Capture::start(Box::new(memory.clone()), PROGRAM, None)?;
        let set = |observer| {
            let mut place = self.observer.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, observer)
        };
        set(Some(capture.observer()));
        let finding = self.prober.run(requirement);
        for line in &finding.key_log {
            capture.add_secrets(line);
        }
        if let Some(mut observer) = set(None) {
            observer.flush();
        }
        match capture.finish().failure {
            Some(failure) => Err(failure),
            None => Ok((finding, memory.take())),
        }
    }
}

impl Target for Recorded<'_> {
    fn run(&mut self, requirement: &'static Requirement) -> Finding {
        let is_wanted = self.is_shown || self.folder.is_some();
        if !is_wanted || !self.done.insert(requirement.id) {
            return self.prober.run(requirement);
        }
        let (finding, packets) = match self.run_captured(requirement) {
            Ok(run) => run,
            Err(error) => {
                self.failure.get_or_insert(error.into());
                return self.prober.run(requirement);
            }
        };
        if let Some(folder) = self.folder {
            let name = format!("{}{}", self.prefix, requirement.id);
            if let Err(error) = folder.keep(&name, &packets) {
                self.failure.get_or_insert(error);
            }
        }
        if self.is_shown {
            self.shown.push((requirement, packets));
        }
        finding
    }

    fn look(&mut self) -> Liveness {
        self.prober.look()
    }

    fn pause(&mut self, time: Duration) {
        self.prober.pause(time);
    }
}

/// Shows the packets of a requirement, as `qecho trace` does, and what it is about: beside JSON, on
/// stderr. There is no row if a signal has cut it off.
pub(super) fn show_packets(
    requirement: &Requirement,
    row: Option<&Row>,
    packets: Vec<u8>,
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Text => show_on(requirement, row, packets, io::stdout, io::stdout()),
        Format::Json => show_on(requirement, row, packets, io::stderr, io::stderr()),
    }
}

fn show_on<W>(
    requirement: &Requirement,
    row: Option<&Row>,
    packets: Vec<u8>,
    open: fn() -> W,
    out: W,
) -> Result<(), Failure>
where
    W: Write + IsTerminal + AsFd + Send + 'static,
{
    let mut lines = Prose::new(out);
    write::text_of_requirement(requirement, &mut lines)?;
    lines.flush()?;
    trace::show(packets, open())?;
    if let Some(row) = row {
        write::text_of_row(row, &mut lines)?;
    }
    Ok(lines.flush()?)
}

/// Server that cannot be reached.
pub(super) struct Unreachable(pub(super) String);

impl Target for Unreachable {
    fn run(&mut self, _requirement: &'static Requirement) -> Finding {
        Finding::new(Verdict::NotReached, &self.0)
    }

    fn look(&mut self) -> Liveness {
        Liveness::Gone(self.0.clone())
    }

    fn pause(&mut self, _time: Duration) {}
}

/// A file in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn take(&self) -> Vec<u8> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut bytes)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Captures of runs, for files and for people.

use std::{
    collections::BTreeSet,
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use qecho_packet::capture::Capture;

use crate::{
    conform::{Finding, Liveness, Requirement, Target},
    remote::{SharedObserver, locked},
};

/// Endpoint whose packets are captured, in the first run of each requirement.
pub struct Captured<'k, T> {
    target: T,
    observer: SharedObserver,
    program: &'static str,
    keep: Option<Keep<'k>>,
    done: BTreeSet<&'static str>,
}

/// Takes captures, or the reason that there is none; returns whether it takes more.
pub type Keep<'k> = &'k mut dyn FnMut(io::Result<RunCapture>) -> bool;

/// Packets of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunCapture {
    /// The requirement that was tried.
    pub requirement: &'static Requirement,
    /// A file in the form of pcapng, with the TLS secrets.
    pub packets: Vec<u8>,
    /// The datagrams in it that are the stimulus, by their places.
    pub stimuli: BTreeSet<usize>,
}

impl<'k, T: Target> Captured<'k, T> {
    /// Captures what an observer of the endpoint sees, if anything is to be kept; `program` is the
    /// one that files say they are of.
    pub fn new(
        target: T,
        observer: SharedObserver,
        program: &'static str,
        keep: Option<Keep<'k>>,
    ) -> Self {
        Self {
            target,
            observer,
            program,
            keep,
            done: BTreeSet::new(),
        }
    }

    /// Runs a requirement, and returns its packets, too.
    fn run_captured(
        &mut self,
        requirement: &'static Requirement,
    ) -> io::Result<(Finding, RunCapture)> {
        let memory = Memory::default();
        let capture = Capture::start(Box::new(memory.clone()), self.program, None)?;
        let set = |observer| std::mem::replace(&mut *locked(&self.observer), observer);
        set(Some(capture.observer()));
        let finding = self.target.run(requirement);
        for line in &finding.key_log {
            capture.add_secrets(line);
        }
        if let Some(mut observer) = set(None) {
            observer.flush();
        }
        if let Some(failure) = capture.finish().failure {
            return Err(failure);
        }
        let packets = (0..).zip(&finding.packets);
        let stimuli = packets.filter(|(_, packet)| packet.is_stimulus);
        let captured = RunCapture {
            requirement,
            stimuli: stimuli.map(|(place, _)| place).collect(),
            packets: std::mem::take(&mut *locked(&memory.0)),
        };
        Ok((finding, captured))
    }
}

impl<T: Target> Target for Captured<'_, T> {
    fn run(&mut self, requirement: &'static Requirement) -> Finding {
        if self.keep.is_none() || !self.done.insert(requirement.id) {
            return self.target.run(requirement);
        }
        let (finding, captured) = match self.run_captured(requirement) {
            Ok((finding, captured)) => (Some(finding), Ok(captured)),
            Err(error) => (None, Err(error)),
        };
        if let Some(keep) = &mut self.keep
            && !keep(captured)
        {
            self.keep = None;
        }
        finding.unwrap_or_else(|| self.target.run(requirement))
    }

    fn look(&mut self) -> Liveness {
        self.target.look()
    }

    fn pause(&mut self, time: Duration) {
        self.target.pause(time);
    }
}

impl<T> fmt::Debug for Captured<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured").finish_non_exhaustive()
    }
}

/// A file in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        locked(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

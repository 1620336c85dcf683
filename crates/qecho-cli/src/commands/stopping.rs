//! Signals, which end a run between two of its steps.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, Ordering::SeqCst},
};

use super::signals;
use crate::exit::{ExitStatus, Failure};

/// Whether a signal has come, and which.
pub(super) struct Stopping {
    ending: Arc<AtomicU8>,
    is_stopped: Arc<AtomicBool>,
}

impl Stopping {
    /// Begins to listen for signals.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let stopping = Self {
            ending: Arc::default(),
            is_stopped: Arc::default(),
        };
        let (ending, is_stopped) = (stopping.ending.clone(), stopping.is_stopped.clone());
        signals::on_signal(move |came| {
            ending.store(came as u8, SeqCst);
            is_stopped.store(true, SeqCst);
        })?;
        Ok(stopping)
    }

    /// Returns what ends waiting as soon as a signal has come.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        self.is_stopped.clone()
    }

    /// Tells whether a signal has come.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(SeqCst)
    }

    /// Returns how the program ends by the signal that has come, if one has.
    pub(super) fn ending(&self) -> Option<ExitStatus> {
        match self.ending.load(SeqCst) {
            0 => None,
            code if code == ExitStatus::Interrupted as u8 => Some(ExitStatus::Interrupted),
            _ => Some(ExitStatus::Terminated),
        }
    }

    /// Fails once a signal has come.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.ending()
            .map_or(Ok(()), |ending| Err(Failure::silent(ending)))
    }
}

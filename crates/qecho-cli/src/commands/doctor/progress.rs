//! A line on a terminal that says what is being tried.

use indicatif::ProgressBar;
use qecho_probe::doctor::{Options, Progress, Rung};

use crate::{commands::progress_bar::progress_bar, render::doctor::title};

/// A line on a terminal; elsewhere nothing.
pub(super) struct ProgressLine(Option<ProgressBar>);

impl ProgressLine {
    pub(super) fn new(options: &Options) -> Self {
        let rungs = Rung::ALL.iter().filter(|rung| **rung <= options.highest);
        Self(progress_bar(rungs.count()))
    }

    /// Shows what is done.
    pub(super) fn show(&self, progress: &Progress) {
        let Some(bar) = &self.0 else {
            return;
        };
        match progress {
            Progress::Begins(rung) => {
                let done = Rung::ALL.iter().take_while(|one| *one != rung);
                bar.set_position(done.count() as u64);
                bar.set_message(title(*rung));
            }
            Progress::Tries(what) => bar.set_message(what.clone()),
            _ => {}
        }
        bar.tick();
    }

    /// Writes something where the line is, which comes again below it.
    pub(super) fn past<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Leaves the line to the verdict.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

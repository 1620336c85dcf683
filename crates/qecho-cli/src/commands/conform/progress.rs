//! A line on a terminal that says which requirement is tried.

use indicatif::ProgressBar;
use qecho_packet::text::counted;
use qecho_probe::conform::{Counts, Event, Requirement, Verdict};

use crate::{commands::progress_bar::progress_bar, stderr::say};

/// A line on a terminal; elsewhere nothing.
pub(super) struct ProgressLine {
    bar: Option<ProgressBar>,
    server: String,
    verdicts: Vec<Verdict>,
}

impl ProgressLine {
    pub(super) fn new(server: String, requirements: usize) -> Self {
        Self {
            bar: progress_bar(requirements),
            server,
            verdicts: Vec::new(),
        }
    }

    /// Shows how it goes; says at once if the server is gone.
    pub(super) fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Started(requirement) => self.tell(requirement, ""),
            Event::Repeated(requirement, _) => self.tell(requirement, ", once more"),
            Event::Finished(row) => {
                self.verdicts.push(row.verdict());
                if let Some(bar) = &self.bar {
                    bar.inc(1);
                }
            }
            Event::Lost { why, remaining } => {
                let server = &self.server;
                let remaining = counted(*remaining as u64, "requirement");
                let words = format!("{server} is lost, {why}; not tried: {remaining}");
                match &self.bar {
                    Some(bar) => bar.suspend(|| say(words)),
                    None => say(words),
                }
            }
            _ => {}
        }
    }

    fn tell(&self, requirement: &Requirement, how: &str) {
        let Some(bar) = &self.bar else {
            return;
        };
        let counts: Counts = self.verdicts.iter().copied().collect();
        let broken = match counts.broken() {
            0 => String::new(),
            count => format!(", {count} broken"),
        };
        let (id, section) = (requirement.id, requirement.section);
        bar.set_message(format!("{id} {section}{how}{broken}"));
        bar.tick();
    }

    /// Leaves the line to the report.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

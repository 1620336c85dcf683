//! Progress on stderr while load is made.

use std::time::SystemTime;

use indicatif::{ProgressBar, ProgressStyle};
use qecho_measure::bench::{Goal, Progress, render};
use qecho_packet::text;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    args::{BenchArguments, Load},
    stderr::{is_drawn_on, say},
};

/// A line on a terminal; elsewhere nothing.
pub(super) struct ProgressLine {
    bar: Option<ProgressBar>,
    goal: String,
    /// Number and rate of this run, of several.
    step: String,
    began: SystemTime,
}

impl ProgressLine {
    pub(super) fn new(arguments: &BenchArguments, load: &Load) -> Self {
        let server = &arguments.server;
        // Packets are shown on stderr, or how it goes.
        let is_shown = is_drawn_on() && arguments.observe.trace.is_none();
        let bar = is_shown.then(|| bar(load.goal));
        if let Some(bar) = &bar {
            bar.set_message(format!("connecting to {server} …"));
            bar.tick();
        }
        Self {
            bar,
            goal: match load.goal {
                Goal::Duration(duration) => format!(" of {}", text::duration(duration)),
                Goal::Messages(_) => String::new(),
            },
            step: String::new(),
            began: SystemTime::now(),
        }
    }

    /// Says what is waited for.
    pub(super) fn wait(&self, until: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("waiting until {until} …"));
                bar.tick();
            }
            None => say(format_args!("waiting until {until}")),
        }
    }

    /// Shows how it goes.
    pub(super) fn show(&mut self, progress: &Progress) {
        let Some(bar) = &self.bar else {
            return;
        };
        if let Progress::Step(step) = progress {
            let of = step.of.map(|of| format!(" of {of}")).unwrap_or_default();
            let rate = render::decimal(step.rate_per_s);
            self.step = format!("run {}{of} at {rate}/s  ", step.number);
        }
        let step = &self.step;
        match progress {
            Progress::Reached(_) => {
                bar.set_position(0);
                bar.set_message(format!("{step}connecting …"));
            }
            Progress::Ready { live } => {
                bar.set_message(format!("{step}{live} connected, warming up …"))
            }
            Progress::Interval(interval) => {
                let over = interval.at_s + interval.length_s;
                bar.set_position((over * 1e3) as u64);
                let goal = match interval.after_end {
                    true => ", late answers",
                    false => &self.goal,
                };
                bar.set_message(format!(
                    "{step}{over:.1} s{goal}  {:.0}/s  p50 {}  p99 {}",
                    interval.rate_per_s,
                    render::time(interval.p50_us),
                    render::time(interval.p99_us),
                ));
            }
            _ => {}
        }
        bar.tick();
    }

    /// Leaves the line to the report.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Returns when it all began.
    pub(super) fn started_at(&self) -> String {
        let began = OffsetDateTime::from(self.began);
        let began = began.replace_nanosecond(0).unwrap_or(began);
        began.format(&Rfc3339).unwrap_or_default()
    }
}

/// Returns a bar that fills with the time, if time is the goal.
fn bar(goal: Goal) -> ProgressBar {
    let Goal::Duration(duration) = goal else {
        return ProgressBar::new_spinner();
    };
    let bar = ProgressBar::new(duration.as_millis() as u64);
    match ProgressStyle::with_template("{bar:20} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

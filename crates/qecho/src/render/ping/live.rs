//! A ping while it goes on: a plot and a histogram for each host.

mod plot;

use std::time::Duration;

use qecho_measure::ping::{Connected, Counts, LatencyRecorder, PingEvent, Report};
use qecho_packet::text;
use qecho_terminal::canvas::{Area, Canvas};

use self::plot::Recent;
use super::PingTarget;

/// Answers and losses that the plot and the histogram are about.
const KEPT_MAX: usize = 600;

/// Columns of the histogram.
const HISTOGRAM_WIDTH: usize = 34;

/// Columns of a histogram's label.
const LABEL_WIDTH: usize = 10;

/// Rows below which no host has a plot: three have one on a terminal of 24 rows.
const ROWS_OF_PLOT_MIN: usize = 7;

/// Everything that is seen.
#[derive(Debug)]
pub(crate) struct Live {
    hosts: Vec<LiveHost>,
    /// Hosts that are not pinged, and why.
    absent: Vec<String>,
    /// Whether there are colours.
    colour: bool,
}

/// A host, as it is seen.
#[derive(Debug)]
struct LiveHost {
    subject: PingTarget,
    status: String,
    /// The last answers, `None` for those that did not come.
    recent: Recent,
    counts: Counts,
    times: LatencyRecorder,
}

impl Live {
    pub(crate) fn new(
        subjects: impl Iterator<Item = PingTarget>,
        absent: Vec<String>,
        colour: bool,
    ) -> Self {
        let watched = |subject| LiveHost {
            subject,
            status: "connecting".into(),
            recent: Recent::new(),
            counts: Counts::default(),
            times: LatencyRecorder::default(),
        };
        Self {
            hosts: subjects.map(watched).collect(),
            absent,
            colour,
        }
    }

    /// Notes what there is to tell of a host.
    pub(crate) fn note(&mut self, host: usize, event: &PingEvent) {
        self.hosts[host].note(event);
    }

    /// Draws everything.
    pub(crate) fn draw(&self, canvas: &mut Canvas) {
        let absent = self.absent.len().min(canvas.area().height / 3);
        let (above, foot) = canvas.area().split_bottom(1);
        let (body, missing) = above.split_bottom(absent);
        canvas.lines(missing, &self.absent);
        let parts = || body.stacked(self.hosts.len());
        // Where the rows do not come out even, all hosts look alike nevertheless.
        let have_plots = parts().all(|area| area.height >= ROWS_OF_PLOT_MIN);
        for (host, area) in self.hosts.iter().zip(parts()) {
            match have_plots {
                true => host.draw(canvas, area, self.colour),
                false => host.draw_lines(canvas, area),
            }
        }
        canvas.text(foot, " q or Ctrl-C: end and sum up");
    }
}

impl LiveHost {
    fn note(&mut self, event: &PingEvent) {
        match event {
            PingEvent::Connected(connected) => {
                let Connected { address, .. } = **connected;
                self.status = address.to_string();
            }
            PingEvent::Disconnected(failure) => self.status = text::shown(&failure.to_string()),
            PingEvent::Reply(reply) => {
                self.counts.received += 1;
                self.status = reply.address.to_string();
                self.times.record(reply.time);
                self.remember(reply.sequence, Some(reply.time));
            }
            PingEvent::Lost(lost) => {
                self.counts.lost += 1;
                self.remember(lost.sequence, None);
            }
            PingEvent::Late(_) => self.counts.late += 1,
            PingEvent::Duplicate { .. } => self.counts.duplicates += 1,
            PingEvent::Ended(report) => self.end(report),
            _ => {}
        }
    }

    fn remember(&mut self, sequence: u64, time: Option<Duration>) {
        self.counts.sent = self.counts.sent.max(sequence);
        self.recent.push_back((sequence, time));
        if self.recent.len() > KEPT_MAX {
            self.recent.pop_front();
        }
    }

    fn end(&mut self, report: &Report) {
        self.counts = report.counts;
        self.status = match &report.outcome {
            Ok(()) => "ended".into(),
            Err(failure) => text::shown(&failure.to_string()),
        };
    }

    fn title(&self) -> String {
        let PingTarget { host, over, .. } = &self.subject;
        format!(" {host} over {over}: {} ", self.status)
    }

    /// Draws a line or two alone; the counts are seen, whatever the title's length.
    fn draw_lines(&self, canvas: &mut Canvas, area: Area) {
        let title = self.title();
        let counts = self.figures(0).chars().count() + 1;
        let fits = title.chars().count() + counts <= area.width;
        if !fits && area.height > 1 {
            return canvas.lines(area, [title, self.figures(area.width)]);
        }
        let kept = area.width.saturating_sub(counts).max(area.width / 3);
        let title: String = title.chars().take(kept).collect();
        let room = area.width.saturating_sub(title.chars().count() + 1);
        canvas.text(area, &format!("{title} {}", self.figures(room)));
    }

    fn draw(&self, canvas: &mut Canvas, area: Area, colour: bool) {
        canvas.border(area, &self.title());
        let (graphs, figures) = area.inner().split_bottom(1);
        let (plot_area, histogram) = graphs.split_right(HISTOGRAM_WIDTH);
        plot::draw(
            canvas,
            plot_area,
            &self.recent,
            self.subject.interval,
            colour,
        );
        canvas.lines(histogram, self.histogram(histogram));
        canvas.text(figures, &self.figures(figures.width));
    }

    /// Returns the histogram of the last times, a line for each range.
    fn histogram(&self, area: Area) -> Vec<String> {
        let times: Vec<_> = self.recent.iter().filter_map(|(_, time)| *time).collect();
        let (Some(min), Some(max)) = (times.iter().min(), times.iter().max()) else {
            return vec![" no answer yet".into()];
        };
        let rows = area.height.max(1);
        let step = (max.saturating_sub(*min) / rows as u32).max(Duration::from_nanos(1));
        let mut counts = vec![0_usize; rows];
        for time in &times {
            let row = (*time - *min).as_nanos() / step.as_nanos();
            counts[(row as usize).min(rows - 1)] += 1;
        }
        let most = counts.iter().copied().max().unwrap_or(1).max(1);
        let room = area.width.saturating_sub(LABEL_WIDTH + 6);
        let line = |(row, count): (usize, &usize)| {
            let upper = text::duration(*min + step * (row as u32 + 1));
            let bar = "█".repeat((count * room).div_ceil(most));
            format!("{upper:>LABEL_WIDTH$} {bar} {count}")
        };
        counts.iter().enumerate().map(line).collect()
    }

    /// Returns what has come so far, in one line: as many of the times as there
    /// is room for, the most telling first.
    fn figures(&self, room: usize) -> String {
        let Counts {
            sent,
            received,
            lost,
            ..
        } = self.counts;
        let mut words = format!(" {sent} sent, {received} received, {lost} lost");
        if let Some(summary) = self.times.summary() {
            for (name, time) in [
                ("p50", Some(summary.p50)),
                ("p99", summary.p99),
                ("max", Some(summary.max)),
                ("min", Some(summary.min)),
                ("jitter", summary.jitter),
                ("p90", summary.p90),
            ] {
                let Some(time) = time else {
                    continue;
                };
                let more = format!(", {name} {}", text::duration(time));
                if words.chars().count() + more.chars().count() > room {
                    break;
                }
                words.push_str(&more);
            }
        }
        words
    }
}

#[cfg(test)]
mod tests;

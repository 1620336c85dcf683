//! A ping while it goes on: a plot and a histogram for each host.
//!
//! A small terminal has no room for the histogram, then for the axis of time, the border, the line
//! of keys and the plot, in this order; of what is cut or left out beyond that it says so.

mod plot;

use std::time::Duration;

use qecho_measure::ping::{Connected, Counts, LatencyRecorder, PingEvent, Report};
use qecho_packet::text::{self, counted};
use qecho_terminal::canvas::{Area, Canvas, shortened, width};

use self::plot::Recent;
use super::PingTarget;

/// Answers and losses that the plot and the histogram are about.
const KEPT_MAX: usize = 600;

/// Columns of the histogram.
const HISTOGRAM_WIDTH: usize = 34;

/// Columns of a histogram's label.
const LABEL_WIDTH: usize = 10;

/// Columns below which there is no histogram: the plot has as many as it, or more.
const COLUMNS_WITH_HISTOGRAM_MIN: usize = 2 * HISTOGRAM_WIDTH;

/// Rows below which no host has a border: three have one on a terminal of 24 rows.
const ROWS_WITH_BORDER_MIN: usize = 7;

/// Rows of the terminal below which nothing says which keys there are.
const ROWS_WITH_KEYS_MIN: usize = 6;

/// Rows and columns below which no host has a plot.
const ROWS_WITH_PLOT_MIN: usize = 4;
const COLUMNS_WITH_PLOT_MIN: usize = 20;

/// Lines that say which keys there are; the first that fits is shown.
const KEYS: [&str; 2] = [" q or Ctrl-C: end and sum up", " q: end"];

/// The share of the rows that hosts may have which are not pinged.
const ABSENT_SHARE: usize = 3;

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
        let Area {
            width: columns,
            height,
            ..
        } = canvas.area();
        let foot = usize::from(height >= ROWS_WITH_KEYS_MIN);
        let absent = self.absent.len().min((height / ABSENT_SHARE).max(1));
        let (above, foot) = canvas.area().split_bottom(foot);
        let (body, missing) = above.split_bottom(absent.min(above.height.saturating_sub(1)));
        canvas.lines(missing, fitting(&self.absent, missing, "not pinged"));
        if let Some(keys) = KEYS.iter().find(|keys| keys.len() <= columns) {
            canvas.text(foot, keys);
        }
        if self.hosts.len() > body.height {
            let lines = self.hosts.iter().map(|host| host.line(columns));
            let lines: Vec<_> = lines.collect();
            return canvas.lines(body, fitting(&lines, body, "not shown"));
        }
        let parts = || body.stacked(self.hosts.len());
        // Where the rows do not come out even, all hosts look alike nevertheless.
        let rows = parts().map(|area| area.height).min().unwrap_or(0);
        for (host, area) in self.hosts.iter().zip(parts()) {
            if rows < ROWS_WITH_PLOT_MIN || columns < COLUMNS_WITH_PLOT_MIN {
                host.draw_lines(canvas, area);
            } else {
                host.draw(canvas, area, rows >= ROWS_WITH_BORDER_MIN, self.colour);
            }
        }
    }
}

/// Returns as many lines as an area has rows, the last of which counts those that are left out.
fn fitting(lines: &[String], area: Area, why: &str) -> Vec<String> {
    let shown = match lines.len() > area.height {
        true => area.height.saturating_sub(1),
        false => lines.len(),
    };
    let more = match (shown, lines.len() - shown) {
        (_, 0) => None,
        (0, count) => Some(format!(" {} {why}", counted(count, "host"))),
        (_, count) => Some(format!(" {} {why}", counted(count, "more host"))),
    };
    lines[..shown].iter().cloned().chain(more).collect()
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
            PingEvent::Paused { left_out, .. } => self.counts.left_out += left_out,
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

    /// Draws a line or two alone.
    fn draw_lines(&self, canvas: &mut Canvas, area: Area) {
        let title = self.title();
        if width(&title) + width(&self.counts()) <= area.width || area.height == 1 {
            return canvas.text(area, &self.line(area.width));
        }
        canvas.lines(
            area,
            [title.trim_end().to_owned(), self.figures(area.width)],
        );
    }

    /// Returns one line; the counts are seen, whatever the title's length.
    fn line(&self, room: usize) -> String {
        let (title, counts) = (self.title(), self.counts());
        let counts = match width(&counts) * 3 <= room * 2 {
            true => counts,
            false => self.losses(),
        };
        let title = shortened(title.trim_end(), room.saturating_sub(width(&counts)));
        let figures = self.figures(room.saturating_sub(width(&title)));
        title + &figures
    }

    fn draw(&self, canvas: &mut Canvas, area: Area, has_border: bool, colour: bool) {
        let (inner, has_histogram) = if has_border {
            canvas.border(area, &self.title());
            let inner = area.inner();
            (inner, inner.width >= COLUMNS_WITH_HISTOGRAM_MIN)
        } else {
            canvas.text(area, self.title().trim_end());
            (area.split_bottom(area.height - 1).1, false)
        };
        let (graphs, figures) = inner.split_bottom(1);
        let mut plot_area = graphs;
        if has_histogram {
            let (left, histogram) = graphs.split_right(HISTOGRAM_WIDTH);
            canvas.lines(histogram, self.histogram(histogram));
            plot_area = left;
        }
        plot::draw(
            canvas,
            plot_area,
            &self.recent,
            self.subject.interval,
            colour,
        );
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

    fn counts(&self) -> String {
        let Counts {
            sent,
            received,
            lost,
            ..
        } = self.counts;
        format!(" {sent} sent, {received} received, {lost} lost")
    }

    /// Returns the counts that matter most.
    fn losses(&self) -> String {
        let Counts { sent, lost, .. } = self.counts;
        format!(" {lost} of {sent} lost")
    }

    /// Returns what has come so far, in one line: as many of the times as there
    /// is room for, the most telling first.
    fn figures(&self, room: usize) -> String {
        let mut words = self.counts();
        if width(&words) > room {
            words = self.losses();
        }
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
                if width(&words) + width(&more) > room {
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

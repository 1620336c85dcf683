//! A ping while it goes on: a plot and a histogram for each host.

mod plot;

use std::time::Duration;

use qecho_measure::ping::{Connected, Counts, LatencyRecorder, PingEvent, Report};
use qecho_packet::text;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::{Block, Paragraph},
};

use self::plot::Recent;
use super::PingTarget;

/// Answers and losses that the plot and the histogram are about.
const KEPT_MAX: usize = 600;

/// Columns of the histogram.
const HISTOGRAM_WIDTH: u16 = 34;

/// Columns of a histogram's label.
const LABEL_WIDTH: usize = 10;

/// Rows below which no host has a plot: three have one on a terminal of 24 rows.
const ROWS_OF_PLOT_MIN: u16 = 7;

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
    pub(crate) fn draw(&self, frame: &mut Frame<'_>) {
        let absent = (self.absent.len() as u16).min(frame.area().height / 3);
        let rows = [
            Constraint::Fill(1),
            Constraint::Length(absent),
            Constraint::Length(1),
        ];
        let [body, missing, foot] = Layout::vertical(rows).areas(frame.area());
        let lines: Vec<_> = self.absent.iter().map(Line::raw).collect();
        frame.render_widget(Paragraph::new(lines), missing);
        let parts = Layout::vertical(self.hosts.iter().map(|_| Constraint::Fill(1))).split(body);
        // Where the rows do not come out even, all hosts look alike nevertheless.
        let have_plots = parts.iter().all(|area| area.height >= ROWS_OF_PLOT_MIN);
        for (host, area) in self.hosts.iter().zip(parts.iter()) {
            match have_plots {
                true => host.draw(frame, *area, self.colour),
                false => host.draw_lines(frame, *area),
            }
        }
        frame.render_widget(Line::from(" q or Ctrl-C: end and sum up"), foot);
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
    fn draw_lines(&self, frame: &mut Frame<'_>, area: Rect) {
        let width = usize::from(area.width);
        let title = self.title();
        let counts = self.figures(0).chars().count() + 1;
        let fits = title.chars().count() + counts <= width;
        if !fits && area.height > 1 {
            let lines = vec![Line::from(title), Line::from(self.figures(width))];
            return frame.render_widget(Paragraph::new(lines), area);
        }
        let kept = width.saturating_sub(counts).max(width / 3);
        let title: String = title.chars().take(kept).collect();
        let room = width.saturating_sub(title.chars().count() + 1);
        let line = format!("{title} {}", self.figures(room));
        frame.render_widget(Line::from(line), area);
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, colour: bool) {
        let block = Block::bordered().title(self.title());
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let [graphs, figures] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(inner);
        let [plot_area, histogram] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(HISTOGRAM_WIDTH)])
                .areas(graphs);
        let interval = self.subject.interval;
        plot::draw(frame, plot_area, &self.recent, interval, colour);
        let lines = self.histogram(histogram);
        frame.render_widget(Paragraph::new(lines), histogram);
        frame.render_widget(Line::from(self.figures(figures.width.into())), figures);
    }

    /// Returns the histogram of the last times, a line for each range.
    fn histogram(&self, area: Rect) -> Vec<Line<'static>> {
        let times: Vec<_> = self.recent.iter().filter_map(|(_, time)| *time).collect();
        let (Some(min), Some(max)) = (times.iter().min(), times.iter().max()) else {
            return vec![Line::from(" no answer yet")];
        };
        let rows = usize::from(area.height).max(1);
        let step = (max.saturating_sub(*min) / rows as u32).max(Duration::from_nanos(1));
        let mut counts = vec![0_usize; rows];
        for time in &times {
            let row = (*time - *min).as_nanos() / step.as_nanos();
            counts[(row as usize).min(rows - 1)] += 1;
        }
        let most = counts.iter().copied().max().unwrap_or(1).max(1);
        let room = usize::from(area.width).saturating_sub(LABEL_WIDTH + 6);
        let line = |(row, count): (usize, &usize)| {
            let upper = text::duration(*min + step * (row as u32 + 1));
            let bar = "█".repeat((count * room).div_ceil(most));
            Line::from(format!("{upper:>LABEL_WIDTH$} {bar} {count}"))
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

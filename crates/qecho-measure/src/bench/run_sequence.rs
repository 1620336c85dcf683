//! Runs that follow one another, and their joint report.

use std::{num::NonZeroU64, time::Duration};

use qecho_engine::ServerShared;

use super::{
    config::{Baseline, Begin, Config, Goal, Plan},
    error::BenchError,
    failure::StopReason,
    progress::{Progress, Step},
    report::{Comparison, MaxRate, Report, Server},
    run::Run,
    search::Search,
    stopper::Stopper,
    threshold::Threshold,
};

/// Share of the messages that must come back for a rate to be sustained.
const ANSWERED_MIN: f64 = 0.99;

/// Share of a threshold from which on the generator's own lateness counts.
const LATENESS_SHARE: f64 = 0.1;

/// Slices that a comparison is cut into.
const SLICES: usize = 5;

/// Time between two steps that begin on time: answers that are late, and new
/// connections.
const STEP_PAUSE: Duration = Duration::from_secs(2);

/// Makes every run of the plan; `tell` is called with their progress.
///
/// # Errors
/// [`BenchError`] if nothing was measured.
pub(super) fn run(
    config: &Config,
    stopper: &Stopper,
    tell: &mut dyn FnMut(Progress),
) -> Result<Report, BenchError> {
    let mut sequence = RunSequence {
        config,
        stopper,
        server_shared: ServerShared::alone(),
        tell,
        reports: Vec::new(),
        failure: None,
    };
    match &config.plan {
        Plan::Once => sequence.run(config),
        Plan::Steps(rates) => sequence.steps(rates),
        Plan::Compare(baseline) => sequence.compare(*baseline),
        Plan::FindLimit { threshold, start } => sequence.find_limit(threshold, *start),
    }
}

struct RunSequence<'a> {
    config: &'a Config,
    stopper: &'a Stopper,
    server_shared: ServerShared,
    tell: &'a mut dyn FnMut(Progress),
    reports: Vec<Report>,
    /// Error for which there are no more.
    failure: Option<BenchError>,
}

impl RunSequence<'_> {
    fn run(&mut self, config: &Config) -> Result<Report, BenchError> {
        let run = Run {
            config,
            stopper: self.stopper,
            server_shared: &self.server_shared,
        };
        run.run(self.tell)
    }

    /// Makes one run at a rate; tells whether another may follow.
    fn step(&mut self, rate: f64, of: Option<usize>) -> bool {
        let step = Step {
            number: self.reports.len() + 1,
            of,
            rate_per_s: rate,
        };
        (self.tell)(Progress::Step(step));
        let config = Config {
            arrival: self.config.arrival.at(rate),
            begin: self.begin(of),
            ..self.config.clone()
        };
        match self.run(&config) {
            Ok(report) => self.reports.push(report),
            Err(error) => self.failure = Some(error),
        }
        self.failure.is_none() && !self.stopper.is_stopped()
    }

    /// Returns the instant at which the next run is to begin: generators whose
    /// steps have the same length begin each together.
    fn begin(&self, of: Option<usize>) -> Option<Begin> {
        let begin = self.config.begin.clone()?;
        let before = self.reports.len() as u32;
        match (self.config.goal, of) {
            _ if before == 0 => Some(begin),
            (Goal::Duration(duration), Some(_)) => {
                let each = self.config.warmup + duration + STEP_PAUSE;
                let at = begin.at + each * before;
                Some(Begin { at, ..begin })
            }
            _ => None,
        }
    }

    fn steps(mut self, rates: &[f64]) -> Result<Report, BenchError> {
        for rate in rates {
            if !self.step(*rate, Some(rates.len())) {
                break;
            }
        }
        self.joined(rates.len())
    }

    fn find_limit(mut self, threshold: &Threshold, start: f64) -> Result<Report, BenchError> {
        let mut search = Search::new(start);
        let mut is_generators = false;
        while let Some(rate) = search.next() {
            let may_follow = self.step(rate, None);
            let Some(last) = self.reports.last().filter(|_| may_follow) else {
                break;
            };
            let has_passed = passes(last, threshold);
            let at_limit = search.failed.is_none_or(|failed| rate <= failed);
            if !has_passed && at_limit {
                is_generators = is_the_generators(last, threshold);
            }
            search.record(has_passed);
        }
        let is_found = search.next().is_none();
        let steps = self.reports.len() + usize::from(!is_found);
        let mut report = self.joined(steps)?;
        report.limit = Some(MaxRate {
            bound: threshold.text.clone(),
            rate_per_s: search.passed,
            broken_at_per_s: search.failed,
            is_generators,
        });
        Ok(report)
    }

    /// Makes the load in turns over QUIC and over a baseline, so that other work
    /// of the host and the network meets both alike.
    fn compare(mut self, baseline: Baseline) -> Result<Report, BenchError> {
        let config = self.slice();
        let mut pairs = Vec::new();
        let mut cut_short = None;
        while pairs.len() < SLICES && !self.stopper.is_stopped() {
            let quic = match self.run(&config) {
                Ok(quic) if quic.partial.is_none() => quic,
                Ok(quic) => {
                    cut_short = Some(quic);
                    break;
                }
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            };
            match self.run_baseline(&config, baseline, &quic) {
                Ok(other) => pairs.push((quic, other)),
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
        }
        let is_partial = pairs.len() < SLICES;
        if pairs.is_empty()
            && let Some(cut_short) = cut_short
        {
            return Ok(cut_short);
        }
        let Some((mut report, comparison)) = Comparison::of(pairs, cut_short) else {
            return Err(self.failure.unwrap_or(BenchError::Stopped));
        };
        let other = comparison.report.partial.clone();
        if let Some(reason) = other.filter(|_| report.partial.is_none()) {
            let transport = &comparison.report.run.transport;
            report.partial = Some(format!("over {transport}: {reason}"));
        }
        if is_partial && report.partial.is_none() {
            let failure = self.failure.map(|failure| failure.to_string());
            report.partial = failure.or_else(|| Some(StopReason::Interrupted.to_string()));
        }
        report.comparison = Some(Box::new(comparison));
        Ok(report)
    }

    /// Makes one slice over a baseline, at the address where QUIC has found the
    /// server.
    fn run_baseline(
        &mut self,
        config: &Config,
        baseline: Baseline,
        quic: &Report,
    ) -> Result<Report, BenchError> {
        let remote = quic.server.address.parse();
        let remote = remote.map_err(|_| BenchError::Stopped)?;
        let run = Run {
            config,
            stopper: self.stopper,
            server_shared: &self.server_shared,
        };
        let other = match baseline {
            Baseline::Tls => run.run_over_tls(remote, self.tell)?,
            Baseline::Udp => run.run_over_udp(remote, self.tell)?,
        };
        if other.messages == 0 && !self.stopper.is_stopped() {
            let error = other.errors.first().map(|error| error.example.clone());
            let Server { address, .. } = other.server;
            return Err(BenchError::NoBaseline {
                transport: other.run.transport,
                address,
                reason: error
                    .or(other.partial)
                    .unwrap_or_else(|| "it is silent".into()),
            });
        }
        Ok(other)
    }

    /// Returns the configuration of one slice of the whole.
    fn slice(&self) -> Config {
        let mut config = self.config.clone();
        let slices = SLICES as u32;
        config.warmup /= slices;
        config.goal = match config.goal {
            Goal::Duration(duration) => Goal::Duration(duration / slices),
            Goal::Messages(count) => {
                let count = count.get().div_ceil(SLICES as u64);
                Goal::Messages(NonZeroU64::new(count).unwrap_or(NonZeroU64::MIN))
            }
        };
        config
    }

    /// Joins the reports there are; if fewer than `wanted`, as a part.
    fn joined(self, wanted: usize) -> Result<Report, BenchError> {
        let is_partial = self.reports.len() < wanted;
        let steps = self.reports.clone();
        let Some(mut report) = Report::in_sequence(self.reports) else {
            return Err(self.failure.unwrap_or(BenchError::Stopped));
        };
        if is_partial && report.partial.is_none() {
            let reason = match self.failure {
                Some(BenchError::Stopped) | None => "interrupted".into(),
                Some(failure) => failure.to_string(),
            };
            report.partial = Some(reason);
        }
        report.steps = steps;
        Ok(report)
    }
}

/// Tells whether a run met a threshold, with nearly all answers there. Lateness
/// of the generator is in the times already.
fn passes(report: &Report, threshold: &Threshold) -> bool {
    let is_answered = report.messages as f64 >= report.offered as f64 * ANSWERED_MIN;
    let value = report.compared(threshold.metric);
    let is_met = value.is_some_and(|value| threshold.holds(value));
    is_met && is_answered && report.is_flawless()
}

/// Tells whether it was the generator that missed a threshold: it was always
/// busy, stood still, or was so late that it shows.
fn is_the_generators(report: &Report, threshold: &Threshold) -> bool {
    let is_late = report.schedule.is_some_and(|schedule| {
        let is_late = |late: f64| late >= threshold.value * LATENESS_SHARE;
        let is_late = schedule.late_p99_us.map_or(!schedule.is_kept, is_late);
        schedule.unsent > 0 || is_late
    });
    report.generator.is_bottleneck || report.generator.paused_s.is_some() || is_late
}

//! The load that was asked for, and checks that it makes sense.

use std::time::Duration;

use qecho_echo::UDP_PAYLOAD_USUAL;
use qecho_measure::{
    baseline_servers::TCP_CONNECTIONS_MAX,
    bench::{
        Arrival, Baseline, Goal, Metric, Mode, Plan, Sessions, Sizes, Sockets, Unit, Workload,
    },
};

use super::{ArrivalArgument, BaselineArgument, BenchArguments, OverArgument};

/// The load that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) workload: Workload,
    pub(crate) arrival: Arrival,
    pub(crate) plan: Plan,
    pub(crate) goal: Goal,
    pub(crate) warmup: Duration,
    pub(crate) connections: usize,
    pub(crate) idle_connections: usize,
    pub(crate) sockets: Sockets,
    pub(crate) shards: usize,
    pub(crate) sessions: Sessions,
    pub(crate) verify: bool,
}

/// Bytes that a DATAGRAM frame needs of a UDP payload beside its data, at
/// least: a short header, the frame's type and the authentication tag.
const DATAGRAM_OVERHEAD_MIN: usize = 20;

/// Time of measuring, unless another is named.
const DURATION: Duration = Duration::from_secs(10);

/// Time before the measuring, unless another is named.
const WARMUP: Duration = Duration::from_secs(1);

/// The same for each rate that a search tries.
const TRIAL: Duration = Duration::from_secs(3);
const TRIAL_WARMUP: Duration = Duration::from_millis(500);

/// Messages a second with which a search begins, unless others are named.
const RATE: f64 = 1_000.0;

impl BenchArguments {
    /// Returns the load; or what of it makes no sense.
    pub(crate) fn load(&self) -> Result<Load, String> {
        let workload = self.workload()?;
        if self.shards > self.connections {
            return Err(format!(
                "{} threads have less than a connection each: give --connections {} or more",
                self.shards, self.shards
            ));
        }
        self.check_bounds(workload.mode)?;
        let (duration, warmup) = match self.find_limit {
            None => (DURATION, WARMUP),
            Some(_) => (TRIAL, TRIAL_WARMUP),
        };
        let goal = match self.count {
            Some(count) => Goal::Messages(count),
            None => Goal::Duration(self.duration.unwrap_or(duration)),
        };
        let usual_warmup = match (goal, workload.mode) {
            (Goal::Messages(_), _) | (_, Mode::Idle) => Duration::ZERO,
            _ => warmup,
        };
        Ok(Load {
            workload,
            arrival: self.arrival()?,
            plan: self.plan(workload)?,
            goal,
            warmup: self.warmup.unwrap_or(usual_warmup),
            connections: self.connections,
            idle_connections: self.idle_connections.unwrap_or_default(),
            sockets: self.sockets,
            shards: self.shards,
            sessions: match (self.resume, self.early_data) {
                (false, _) => Sessions::New,
                (true, false) => Sessions::Resumed,
                (true, true) => Sessions::EarlyData,
            },
            verify: !self.no_verify,
        })
    }

    fn is_open_loop(&self) -> bool {
        self.rate.is_some() || !self.step.is_empty() || self.find_limit.is_some()
    }

    fn arrival(&self) -> Result<Arrival, String> {
        let first = self.rate.or(self.step.first().copied()).unwrap_or(RATE);
        match (self.is_open_loop(), self.arrival) {
            (false, None) => Ok(Arrival::Closed),
            (false, Some(_)) => {
                Err("--arrival is for an open loop: --rate, --step or --find-limit".into())
            }
            (true, Some(ArrivalArgument::Poisson)) => Ok(Arrival::Poisson(first)),
            (true, _) => Ok(Arrival::Constant(first)),
        }
    }

    fn plan(&self, workload: Workload) -> Result<Plan, String> {
        if let Some(baseline) = self.baseline {
            return self.compare(baseline, workload).map(Plan::Compare);
        }
        Ok(match (&self.find_limit, self.step.is_empty()) {
            (Some(bound), _) => Plan::FindLimit {
                threshold: bound.clone(),
                start: self.rate.unwrap_or(RATE),
            },
            (None, false) => Plan::Steps(self.step.clone()),
            (None, true) => Plan::Once,
        })
    }

    /// Returns what QUIC is compared with, if that can do the same work.
    fn compare(&self, baseline: BaselineArgument, workload: Workload) -> Result<Baseline, String> {
        match (baseline, workload.mode) {
            (BaselineArgument::Tls, Mode::Stream | Mode::Bulk | Mode::Handshake) => {
                if workload.streams > 1 {
                    return Err("TCP has one stream: leave out --streams".into());
                }
                if self.connections > TCP_CONNECTIONS_MAX {
                    return Err(format!(
                        "a server takes {TCP_CONNECTIONS_MAX} TCP connections: give \
                         --connections {TCP_CONNECTIONS_MAX} or less"
                    ));
                }
                Ok(Baseline::Tls)
            }
            (BaselineArgument::Tls, _) => {
                Err("over TLS there are stream, bulk and handshake".into())
            }
            (BaselineArgument::Udp, Mode::Stream | Mode::Datagram) => match workload.sizes.most {
                most if most > usize::from(UDP_PAYLOAD_USUAL) => Err(format!(
                    "a message of {most} bytes is no UDP datagram: at most {UDP_PAYLOAD_USUAL}"
                )),
                _ => Ok(Baseline::Udp),
            },
            (BaselineArgument::Udp, _) => Err("over bare UDP there are stream and datagram".into()),
        }
    }

    /// Refuses bounds on what there will not be.
    fn check_bounds(&self, mode: Mode) -> Result<(), String> {
        for bound in &self.fail_if {
            let text = &bound.text;
            if bound.metric.unit() == Unit::Time && mode == Mode::Idle {
                return Err(format!(
                    "idle connections have no echo time to fail by: {text}"
                ));
            }
            if (bound.metric == Metric::Limit) != self.find_limit.is_some() {
                return Err(format!(
                    "a limit, and nothing else, is what --find-limit can fail by: {text}"
                ));
            }
        }
        Ok(())
    }

    fn workload(&self) -> Result<Workload, String> {
        let mode = match self.over {
            OverArgument::Stream => Mode::Stream,
            OverArgument::StreamPerMessage => Mode::StreamPerMessage,
            OverArgument::Bulk => Mode::Bulk,
            OverArgument::Datagram => Mode::Datagram,
            OverArgument::Handshake => Mode::Handshake,
            OverArgument::Idle => Mode::Idle,
        };
        let long_lived = matches!(mode, Mode::Stream | Mode::Bulk);
        if self.streams.is_some() && !long_lived {
            return Err("--streams is for long-lived streams: --over stream or bulk".into());
        }
        if mode == Mode::Idle && (self.size, self.count, self.in_flight) != (None, None, None) {
            return Err("idle connections send no messages: give --connections and -d".into());
        }
        if mode == Mode::Idle && self.is_open_loop() {
            return Err("idle connections send no messages at any --rate".into());
        }
        let has_no_crowd = matches!(mode, Mode::Handshake | Mode::Idle) || self.baseline.is_some();
        if self.idle_connections.is_some() && has_no_crowd {
            return Err(
                "--idle-connections are beside messages on QUIC connections: leave out \
                        --over handshake, --over idle and --baseline"
                    .into(),
            );
        }
        if self.resume && mode != Mode::Handshake {
            return Err("--resume is for --over handshake".into());
        }
        if mode == Mode::Handshake && self.in_flight.is_some() {
            return Err("a handshake brings one message: give --connections instead".into());
        }
        let (size, in_flight) = match mode {
            Mode::Bulk => (64 * 1024, 16),
            Mode::Idle => (0, 0),
            _ => (64, 1),
        };
        let sizes = self.size.unwrap_or(Sizes::fixed(size));
        let most = usize::from(self.udp_payload_max) - DATAGRAM_OVERHEAD_MIN;
        if mode == Mode::Datagram && sizes.most > most {
            return Err(format!(
                "a message of {} bytes fits into no DATAGRAM frame: at most {most} with \
                 --udp-payload-max {}",
                sizes.most, self.udp_payload_max
            ));
        }
        Ok(Workload {
            mode,
            sizes,
            in_flight: self.in_flight.unwrap_or(in_flight),
            streams: self.streams.unwrap_or(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArguments,
    }

    fn load(typed: &str) -> Result<Load, String> {
        let words = ["bench", "localhost"].into_iter();
        let line = Line::try_parse_from(words.chain(typed.split_whitespace()));
        line.map_err(|error| error.to_string())?.bench.load()
    }

    #[test]
    fn what_is_not_said_has_a_usual_value_for_each_way() {
        let stream = load("").expect("nothing is needed");
        assert_eq!(
            (stream.workload.sizes, stream.workload.in_flight),
            (Sizes::fixed(64), 1)
        );
        assert_eq!(stream.goal, Goal::Duration(DURATION));
        assert_eq!(stream.warmup, WARMUP);
        assert!(stream.verify);
        let bulk = load("--over bulk").expect("it is well-formed");
        assert_eq!(
            (bulk.workload.sizes, bulk.workload.in_flight),
            (Sizes::fixed(65_536), 16)
        );
        let counted = load("-n 5").expect("it is well-formed");
        assert_eq!(counted.warmup, Duration::ZERO);
        let poisson = load("--rate 2k --arrival poisson").expect("it is well-formed");
        assert_eq!(poisson.arrival, Arrival::Poisson(2_000.0));
        let steps = load("--step 1k,2k").expect("it is well-formed");
        assert_eq!(steps.plan, Plan::Steps(vec![1e3, 2e3]));
        let limit = load("--find-limit p99<5ms --rate 5k").expect("it is well-formed");
        assert!(matches!(limit.plan, Plan::FindLimit { start: 5e3, .. }));
        assert_eq!(limit.goal, Goal::Duration(TRIAL));
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_said_why() {
        for (typed, reason) in [
            ("--over datagram -s 70000", "fits into no DATAGRAM frame"),
            ("--over datagram --streams 2", "for long-lived streams"),
            ("--over idle -n 5", "send no messages"),
            ("--over idle --rate 5", "send no messages"),
            ("--over handshake --in-flight 2", "one message"),
            ("--shards 2", "less than a connection each"),
            ("-s 0", "at least 1"),
            ("-n 0", "number would be zero"),
            ("-d 0s", "more than 0"),
            ("-n 5 -d 5s", "cannot be used with"),
            ("--rate 0", "more than 0.0"),
            ("--rate 1e99", "no rate"),
            ("--rate 200000k", "at most 100M"),
            ("--rate 5 --in-flight 2", "cannot be used with"),
            ("--arrival poisson", "--rate"),
            ("--connections 0", "1 to 100000"),
            ("--sockets 0", "one, per-connection"),
            ("--output report.txt", "ends in .html or .json"),
            ("--udp-payload-max 1000", "1200..=65527"),
            ("--fail-if p98>5ms", "there is no figure"),
            ("--over idle --fail-if p99>5ms", "no echo time"),
            ("--over idle --idle-connections 5", "beside messages"),
            ("--over handshake --idle-connections 5", "beside messages"),
            ("--baseline tls --idle-connections 5", "beside messages"),
            ("--idle-connections 0", "1 to 100000"),
            ("--resume", "for --over handshake"),
            ("--over handshake --early-data", "--resume"),
            (
                "--over handshake --resume --early-data --baseline tls",
                "cannot be used with",
            ),
            ("--baseline tls --over idle", "over TLS there are"),
            ("--baseline tls --streams 2", "TCP has one stream"),
            ("--baseline tls --connections 2000", "1024 TCP connections"),
            ("--baseline udp --over bulk", "over bare UDP there are"),
            ("--baseline udp -s 2k", "is no UDP datagram"),
            ("--baseline udp --step 1k", "cannot be used with"),
            ("--fail-if limit<5k", "--find-limit"),
            ("--find-limit p99<5ms --fail-if p99>5ms", "--find-limit"),
            ("--find-limit p99>5ms", "stays below"),
            ("--find-limit p99<5ms -n 5", "cannot be used with"),
            ("--step 1k,,2k", "is no rate"),
            ("--step 1k --in-flight 2", "cannot be used with"),
            ("--over idle --step 1k", "send no messages"),
        ] {
            let error = load(typed).expect_err(typed);
            assert!(error.contains(reason), "{typed}: {error}");
        }
    }
}

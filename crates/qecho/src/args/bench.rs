//! `qecho bench`.

mod bound;
mod grammar;

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use clap::ValueEnum;
use qecho_tools::{
    bench::{Arrival, Bound, Goal, Sockets, Unit, Way, Work},
    dial::Alpn,
};

pub(super) use self::grammar::output;
use super::{Format, KeyLogArguments, Place, TrustArguments, client, place};

/// Options of `qecho bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArguments {
    /// The echo server: a name or address, with a port if it is not 4433
    #[arg(value_name = "HOST[:PORT]", value_parser = place::reachable)]
    pub(crate) place: Place,

    /// What the load is made of
    #[arg(long, value_enum, default_value = "stream")]
    over: OverArgument,

    /// Bytes of a message, for instance 64, 1k or 1MiB [default: 64; bulk:
    /// 64KiB]
    #[arg(short, long, value_name = "BYTES", value_parser = grammar::size)]
    size: Option<usize>,

    /// Connections at once
    #[arg(long, value_name = "N", value_parser = grammar::connections, default_value = "1")]
    connections: usize,

    /// Messages under way on each connection; over stream and bulk, on each
    /// stream [default: 1; bulk: 16]
    #[arg(long, value_name = "N", value_parser = grammar::in_flight, conflicts_with = "rate")]
    in_flight: Option<usize>,

    /// Long-lived streams on each connection (over stream and bulk)
    #[arg(long, value_name = "N", value_parser = grammar::in_flight)]
    streams: Option<usize>,

    /// Time of measuring [default: 10s]
    #[arg(short, long, value_name = "TIME", value_parser = super::positive_duration)]
    duration: Option<Duration>,

    /// Measure so many messages instead
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "duration")]
    count: Option<NonZeroU64>,

    /// Time before the measuring, in which the same is done [default: 1s; with
    /// --count: none]
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    warmup: Option<Duration>,

    /// Send so many messages a second in all, for instance 500 or 20k,
    /// whatever comes back (an open loop); echo times then count from the
    /// instant at which a message was to be sent. Without it each message
    /// waits for the echo of another (a closed loop), and a server that stalls
    /// is asked less
    #[arg(long, value_name = "N", value_parser = grammar::rate)]
    rate: Option<f64>,

    /// How the messages of --rate follow one another
    #[arg(long, value_enum, default_value = "constant", requires = "rate")]
    arrival: ArrivalArgument,

    /// Local sockets: one for each thread, one for each connection, or N for
    /// each thread
    #[arg(long, value_name = "one|per-connection|N", value_parser = grammar::sockets,
          default_value = "one")]
    sockets: Sockets,

    /// Threads that make the load; the connections are shared out among them
    #[arg(long, value_name = "N", value_parser = grammar::shards, default_value = "1")]
    shards: usize,

    /// Do not compare the bytes that come back, and say so
    #[arg(long)]
    no_verify: bool,

    /// Measure the processor time and memory of this process too: a server on
    /// this host
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,

    /// Largest UDP payload that is tried on the path (RFC 8899)
    #[arg(long, value_name = "BYTES", default_value_t = 1_452,
          value_parser = clap::value_parser!(u16).range(1_200..=65_527))]
    pub(crate) udp_payload_max: u16,

    /// Time for a handshake, and for each echo; a DATAGRAM frame counts as
    /// lost after 1s at the latest
    #[arg(long, value_name = "TIME", value_parser = super::positive_duration,
          default_value = "5s")]
    pub(crate) timeout: Duration,

    /// Repeat the chances of an earlier run (of --arrival poisson)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Application protocol to offer; auto: `echo`, then none
    #[arg(long, value_name = "auto|none|NAME", value_parser = client::alpn,
          default_value = "auto")]
    pub(crate) alpn: Alpn,

    #[command(flatten)]
    pub(crate) trust: TrustArguments,

    /// Form of the report
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,

    /// Write the report to FILE too, which ends in .html: one page for a
    /// browser; or in .json: with the whole distribution of the echo times
    /// (HdrHistogram V2, compressed), for `qecho report`; may be given more
    /// than once
    #[arg(long, value_name = "FILE", value_parser = grammar::output)]
    pub(crate) output: Vec<PathBuf>,

    /// Exit with 1 if this is true of the report, for instance 'p99>5ms',
    /// 'rate<20k', 'goodput<100MB', 'lost>0' or 'errors>0'; in quotes, for a
    /// shell has other uses for > and <; may be given more than once. The
    /// figures are min, mean, p50, p90, p99, p99.9, p99.99, max, rate, goodput,
    /// lost, unanswered and errors
    #[arg(long, value_name = "BOUND", value_parser = bound::bound)]
    pub(crate) fail_if: Vec<Bound>,

    #[command(flatten)]
    pub(crate) key_log: KeyLogArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OverArgument {
    /// Messages on streams that live as long as their connection
    Stream,
    /// A stream for each message, to its end
    StreamPerMessage,
    /// One transfer without end on each stream: how many bytes a second
    Bulk,
    /// A DATAGRAM frame for each message; it may be lost
    Datagram,
    /// A full handshake, one message and the close, again and again
    Handshake,
    /// Connections that are opened and held: what they cost the server
    Idle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ArrivalArgument {
    /// At equal intervals
    Constant,
    /// Independent of one another, as from many people
    Poisson,
}

/// The load that was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    pub(crate) work: Work,
    pub(crate) arrival: Arrival,
    pub(crate) goal: Goal,
    pub(crate) warmup: Duration,
    pub(crate) connections: usize,
    pub(crate) sockets: Sockets,
    pub(crate) shards: usize,
    pub(crate) verify: bool,
}

/// Bytes that a DATAGRAM frame needs of a UDP payload beside its data, at
/// least: a short header, the frame's type and the authentication tag.
const DATAGRAM_OVERHEAD_MIN: usize = 20;

/// Time of measuring, unless another is named.
const DURATION: Duration = Duration::from_secs(10);

/// Time before the measuring, unless another is named.
const WARMUP: Duration = Duration::from_secs(1);

impl BenchArguments {
    /// Returns the load; or what of it makes no sense.
    pub(crate) fn load(&self) -> Result<Load, String> {
        let work = self.work()?;
        if self.shards > self.connections {
            return Err(format!(
                "{} threads have less than a connection each: give --connections {} or more",
                self.shards, self.shards
            ));
        }
        let goal = match self.count {
            Some(count) => Goal::Messages(count),
            None => Goal::Duration(self.duration.unwrap_or(DURATION)),
        };
        let usual_warmup = match (goal, work.way) {
            (Goal::Messages(_), _) | (_, Way::Idle) => Duration::ZERO,
            _ => WARMUP,
        };
        Ok(Load {
            work,
            arrival: match (self.rate, self.arrival) {
                (None, _) => Arrival::Closed,
                (Some(rate), ArrivalArgument::Constant) => Arrival::Constant(rate),
                (Some(rate), ArrivalArgument::Poisson) => Arrival::Poisson(rate),
            },
            goal,
            warmup: self.warmup.unwrap_or(usual_warmup),
            connections: self.connections,
            sockets: self.sockets,
            shards: self.shards,
            verify: !self.no_verify,
        })
    }

    fn work(&self) -> Result<Work, String> {
        let way = match self.over {
            OverArgument::Stream => Way::Stream,
            OverArgument::StreamPerMessage => Way::StreamPerMessage,
            OverArgument::Bulk => Way::Bulk,
            OverArgument::Datagram => Way::Datagram,
            OverArgument::Handshake => Way::Handshake,
            OverArgument::Idle => Way::Idle,
        };
        let long_lived = matches!(way, Way::Stream | Way::Bulk);
        if self.streams.is_some() && !long_lived {
            return Err("--streams is for long-lived streams: --over stream or bulk".into());
        }
        if way == Way::Idle && (self.size, self.count, self.in_flight) != (None, None, None) {
            return Err("idle connections send no messages: give --connections and -d".into());
        }
        if way == Way::Idle && self.rate.is_some() {
            return Err("idle connections send no messages at any --rate".into());
        }
        let timed = self
            .fail_if
            .iter()
            .find(|bound| bound.figure.unit() == Unit::Time);
        if let Some(bound) = timed.filter(|_| way == Way::Idle) {
            return Err(format!(
                "idle connections have no echo time to fail by: {}",
                bound.text
            ));
        }
        if way == Way::Handshake && self.in_flight.is_some() {
            return Err("a handshake brings one message: give --connections instead".into());
        }
        let (size, in_flight) = match way {
            Way::Bulk => (64 * 1024, 16),
            Way::Idle => (0, 0),
            _ => (64, 1),
        };
        let size = self.size.unwrap_or(size);
        let most = usize::from(self.udp_payload_max) - DATAGRAM_OVERHEAD_MIN;
        if way == Way::Datagram && size > most {
            return Err(format!(
                "a message of {size} bytes fits into no DATAGRAM frame: at most {most} with \
                 --udp-payload-max {}",
                self.udp_payload_max
            ));
        }
        Ok(Work {
            way,
            size,
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
        assert_eq!((stream.work.size, stream.work.in_flight), (64, 1));
        assert_eq!(stream.goal, Goal::Duration(DURATION));
        assert_eq!(stream.warmup, WARMUP);
        assert!(stream.verify);
        let bulk = load("--over bulk").expect("it is well-formed");
        assert_eq!((bulk.work.size, bulk.work.in_flight), (65_536, 16));
        let counted = load("-n 5").expect("it is well-formed");
        assert_eq!(counted.warmup, Duration::ZERO);
        let poisson = load("--rate 2k --arrival poisson").expect("it is well-formed");
        assert_eq!(poisson.arrival, Arrival::Poisson(2_000.0));
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
        ] {
            let error = load(typed).expect_err(typed);
            assert!(error.contains(reason), "{typed}: {error}");
        }
    }
}

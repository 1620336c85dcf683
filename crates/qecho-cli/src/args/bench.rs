//! `qecho bench`.

mod bound;
mod grammar;
mod load;
mod start;

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use clap::ValueEnum;
use qecho_cert::HostPort;
use qecho_measure::bench::{Sizes, Sockets, Threshold};

pub(super) use self::grammar::output;
pub(crate) use self::{load::Load, start::StartAt};
use super::{DialArguments, ObserveArguments, host_port};

/// Options of `qecho bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArguments {
    /// The echo server, with a port if it is not 4433
    ///
    /// A name or an address; a link-local address has its interface, as in [fe80::1%eth0]:4433.
    #[arg(value_name = "HOST[:PORT]", value_parser = host_port::reachable)]
    pub(crate) server: HostPort,

    /// What the load is made of
    #[arg(long, value_enum, default_value = "stream")]
    over: OverArgument,

    /// Bytes of a message: 64, 1k, 1MiB or 64..1k [default: 64; bulk: 64KiB]
    ///
    /// Of 64..1k all numbers between are equally likely.
    #[arg(short, long, value_name = "BYTES[..BYTES]", value_parser = grammar::sizes)]
    size: Option<Sizes>,

    /// Connections at once
    #[arg(long, value_name = "N", value_parser = grammar::connections, default_value = "1")]
    connections: usize,

    /// Connections beside them on which nothing is sent
    ///
    /// They show what a crowd costs those at work.
    #[arg(long, value_name = "N", value_parser = grammar::connections)]
    idle_connections: Option<usize>,

    /// Messages under way on each [default: 1; bulk: 16]
    ///
    /// On each connection; over stream and bulk, on each stream.
    #[arg(long, value_name = "N", value_parser = grammar::in_flight,
          conflicts_with_all = ["rate", "step", "find_limit"])]
    in_flight: Option<usize>,

    /// Long-lived streams on each connection (over stream and bulk)
    #[arg(long, value_name = "N", value_parser = grammar::in_flight)]
    streams: Option<usize>,

    /// Begin at this time, as other generators do elsewhere
    ///
    /// 2026-11-23T10:00:00Z, seconds since 1970, or HH:MM:SS (UTC). Connections are made five
    /// seconds before; the report says how late it was.
    #[arg(long, value_name = "TIME", value_parser = start::start_at)]
    pub(crate) start_at: Option<StartAt>,

    /// Time of measuring [default: 10s; --find-limit: 3s]
    #[arg(short, long, value_name = "TIME", value_parser = super::positive_duration)]
    duration: Option<Duration>,

    /// Measure so many messages instead
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "duration")]
    count: Option<NonZeroU64>,

    /// Time before the measuring, in which the same is done [default: 1s]
    ///
    /// With --count there is none, with --find-limit it is 500ms.
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    warmup: Option<Duration>,

    /// Messages a second (500, 20k), whatever comes back
    ///
    /// An open loop: echo times count from the instant at which a message was to be sent.
    /// Without it each message waits for the echo of another (a closed loop), and a server
    /// that stalls is asked less.
    #[arg(long, value_name = "N", value_parser = grammar::rate)]
    rate: Option<f64>,

    /// How the messages of an open loop follow one another [default: constant]
    #[arg(long, value_enum)]
    arrival: Option<ArrivalArgument>,

    /// One run at each of these rates, in one report
    #[arg(long, value_name = "N,N,…", value_parser = grammar::rate, value_delimiter = ',',
          conflicts_with = "rate")]
    step: Vec<f64>,

    /// Find the highest rate at which 'p99<5ms' is true
    ///
    /// It doubles the rate until it does not, two times in a row, then halves the gap. It
    /// begins with --rate, or 1k, and takes -d [default: 3s] for each rate. A rate is kept only
    /// if nothing fails and 99% of the messages come back; the report says if the limit is the
    /// generator's.
    #[arg(long, value_name = "BOUND", value_parser = bound::upper_bound,
          conflicts_with_all = ["step", "count"])]
    find_limit: Option<Threshold>,

    /// Do the same over TLS or UDP, and show the ratios
    ///
    /// They take turns of a fifth each. tls is TLS 1.3 over TCP on the same port number (the
    /// server needs --also tls), for stream, bulk and handshake; udp is bare UDP on the port
    /// after it (--also udp), for stream and datagram.
    #[arg(long, value_enum, conflicts_with_all = ["step", "find_limit", "start_at"])]
    baseline: Option<BaselineArgument>,

    /// Exit with 1 if this is true: 'p99>5ms', 'lost>0'
    ///
    /// In quotes, for a shell has other uses for > and <; may be given more than once. The
    /// figures are min, mean, p50, p90, p99, p99.9, p99.99, max, rate ('rate<20k'), goodput
    /// ('goodput<100MB'), lost, unanswered and errors, of each step; with --find-limit, limit.
    #[arg(long, value_name = "BOUND", value_parser = bound::bound)]
    pub(crate) fail_if: Vec<Threshold>,

    /// Local sockets: one or N for each thread, or one for each connection
    #[arg(long, value_name = "one|per-connection|N", value_parser = grammar::sockets,
          default_value = "one")]
    sockets: Sockets,

    /// Threads that make the load, among which the connections are shared out
    #[arg(long, value_name = "N", value_parser = grammar::shards, default_value = "1")]
    shards: usize,

    /// With --over handshake: resume the TLS session of a connection before
    ///
    /// Only where the server lets it; the report says how many did.
    #[arg(long)]
    resume: bool,

    /// With --resume: send a message with the first packets (0-RTT)
    ///
    /// Where the server has allowed it (server --early-data on); the report says how many it
    /// took.
    #[arg(long, requires = "resume", conflicts_with = "baseline")]
    early_data: bool,

    /// Do not compare the bytes that come back, and say so
    #[arg(long)]
    no_verify: bool,

    /// Largest UDP payload to look for on the path (RFC 8899), 1200 to 65527
    #[arg(long, value_name = "BYTES", default_value_t = 1_452,
          value_parser = clap::value_parser!(u16).range(1_200..=65_527))]
    pub(crate) udp_payload_max: u16,

    /// Time for the handshake and for each echo
    ///
    /// What comes later is lost. A DATAGRAM frame counts as lost after 1s at the latest.
    #[arg(long, value_name = "TIME", value_parser = super::positive_duration,
          default_value = "5s")]
    pub(crate) timeout: Duration,

    /// Repeat the chances of an earlier run
    ///
    /// Those of --arrival poisson, and of a range of sizes.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    #[command(flatten)]
    pub(crate) dial: DialArguments,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: BenchFormat,

    /// Write the report to FILE.html or FILE.json too
    ///
    /// May be given more than once. .html is one page for a browser; .json has the whole distribution of the echo times
    /// (HdrHistogram V2, compressed), for `qecho report`.
    #[arg(long, value_name = "FILE", value_parser = grammar::output)]
    pub(crate) output: Vec<PathBuf>,

    /// Measure processor time and memory of this process too: a server here
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,

    #[command(flatten)]
    pub(crate) observe: ObserveArguments,
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
enum BaselineArgument {
    /// TLS 1.3 over TCP
    Tls,
    /// Bare UDP: no encryption, and what is lost is lost
    Udp,
}

/// Form of the report on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchFormat {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
    /// Comma-separated values, with a header; a row for each step, and for a
    /// baseline
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ArrivalArgument {
    /// At equal intervals
    Constant,
    /// Independent of one another, as from many people
    Poisson,
}

//! A load generator: sends messages to an echo server as fast as it answers, or
//! at a rate, and tells how long the answers take.
//!
//! One [`Generator`] runs on each shard; the thread that calls [`Bench::run`]
//! joins what they measure.

mod baseline;
mod book;
mod brief;
mod chance;
mod collector;
mod config;
mod datagrams;
mod flow;
mod generator;
mod intervals;
mod lane;
mod pattern;
mod probe;
mod processor;
mod report;
mod run;
mod schedule;
mod search;
mod series;
mod session;
mod slots;
mod stopper;
mod tally;
mod threshold;

use std::io;

use qecho_engine::TlsError;
use qecho_io::{BindError, StartError};

use qecho_echo::dial::DialFailure;

pub use self::{
    config::{
        Arrival, Baseline, Begin, CONNECTIONS_MAX, Config, Goal, IN_FLIGHT_MAX, Mode, Plan,
        RATE_MAX, SHARDS_MAX, SIZE_MAX, Sessions, Sizes, Sockets, TIMEOUT, Workload,
    },
    datagrams::LOST_AFTER,
    generator::{Command, Generator, Listener, Outcome, Part, ProcessorClock, Recent, Told},
    probe::{Probe, Reached},
    report::{
        Comparison, EarlyCounts, ErrorCount, ErrorKind, GeneratorCost, Interval, Latency, MaxRate,
        MergeError, Ratio, Report, Run, SCHEMA, ScheduleKept, Server, ServerCost, Start, Stop,
        ThresholdResult, TotalCounts, TransportCounts, name,
    },
    series::Step,
    session::Session,
    stopper::Stopper,
    threshold::{Metric, Relation, Threshold, Unit},
};

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The server cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialFailure),
    /// No local address could be bound, or the system gave no thread.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Waiting for packets failed.
    #[error("cannot wait for packets")]
    Wait(#[source] io::Error),
    /// The server takes no DATAGRAM frames.
    #[error("the server takes no DATAGRAM frames (RFC 9221)")]
    NoDatagrams,
    /// What the server's process uses cannot be read.
    #[error("cannot read what process {pid} uses")]
    Process {
        /// The process.
        pid: u32,
        /// The system's reason.
        source: io::Error,
    },
    /// What QUIC is to be compared with brings nothing back.
    #[error("nothing comes back over {transport} from {address}: {reason}")]
    NoBaseline {
        /// `tls` or `udp`.
        transport: String,
        /// Where.
        address: String,
        /// Why, as far as that is known.
        reason: String,
    },
    /// It was told to end before it had begun to measure.
    #[error("ended before anything was measured")]
    Stopped,
}

impl From<BindError> for BenchError {
    fn from(error: BindError) -> Self {
        Self::Start(error.into())
    }
}

impl From<TlsError> for BenchError {
    fn from(error: TlsError) -> Self {
        Self::Start(error.into())
    }
}

/// What a thread is for that could not be started.
const THREAD: &str = "a thread that makes load";

/// Something to show while load is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// The server answers.
    Reached(Box<Reached>),
    /// So many connections have come about.
    Ready {
        /// Connections that live.
        live: usize,
    },
    /// An interval of the measuring is over.
    Interval(Interval),
    /// The next of several runs begins.
    Step(Step),
}

/// A load that can be put on a server.
#[derive(Debug)]
pub struct Bench {
    config: Config,
    stopper: Stopper,
}

impl Bench {
    /// Prepares a load.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            stopper: Stopper::default(),
        }
    }

    /// Returns what ends the load from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Makes the load and waits until it is over; `tell` hears how it goes.
    ///
    /// # Errors
    /// [`BenchError`] if nothing was measured. What goes wrong later is in the
    /// report.
    pub fn run(self, tell: &mut dyn FnMut(Progress)) -> Result<Report, BenchError> {
        self.series(tell)
    }
}

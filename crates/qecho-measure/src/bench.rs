//! A load generator: sends messages to an echo server as fast as it answers, or
//! at a rate, and measures how long the answers take.
//!
//! One [`Generator`] runs on each shard; the thread that calls [`Bench::run`]
//! joins what they measure.
//!
//! Data goes one way: workers on streams and in datagrams report what became of
//! each message, `LoadAccounting` counts it, and a [`Report`] is made of the
//! counters of all shards.

mod accounting;
mod baseline;
mod collector;
mod config;
mod connection_slots;
mod connections;
mod counters;
mod datagrams;
mod error;
mod events;
mod failure;
mod generator;
mod intervals;
mod message;
mod ordered_messages;
mod outcome;
mod pattern;
mod probe;
mod processor;
mod progress;
pub mod render;
mod report;
mod rng;
mod run;
mod run_clock;
mod run_sequence;
mod schedule;
mod search;
mod session;
mod stopper;
mod stream_per_message;
mod stream_worker;
mod threshold;

pub use self::{
    config::{
        Arrival, Baseline, Begin, CONNECTIONS_MAX, Config, Goal, IN_FLIGHT_MAX, Mode, Plan,
        RATE_MAX, SHARDS_MAX, SIZE_MAX, Sessions, Sizes, Sockets, TIMEOUT, Workload,
    },
    counters::{EarlyCounts, ErrorCount, TotalCounts, TransportCounts},
    datagrams::LOST_AFTER,
    error::BenchError,
    events::{Command, EventSink, GeneratorEvent},
    failure::{ErrorKind, StopReason},
    generator::{Generator, ShardPlan},
    intervals::IntervalSample,
    outcome::Outcome,
    probe::{Probe, Reached},
    progress::{Progress, Step},
    report::{
        Comparison, GeneratorCost, Host, Interval, Latency, MaxRate, MergeError, Ratio, Report,
        Run, SCHEMA, ScheduleKept, Server, ServerCost, Start, ThresholdResult,
    },
    run_clock::ProcessorClock,
    session::Session,
    stopper::Stopper,
    threshold::{Metric, Relation, Threshold, Unit},
};

/// Name of a thread in the error that it cannot be started.
const THREAD: &str = "a thread that makes load";

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

    /// Returns a handle that ends the load from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Makes the load and waits until it is over; `tell` is called with its
    /// progress.
    ///
    /// # Errors
    /// [`BenchError`] if nothing was measured. What goes wrong later is in the
    /// report.
    pub fn run(self, tell: &mut dyn FnMut(Progress)) -> Result<Report, BenchError> {
        run_sequence::run(&self.config, &self.stopper, tell)
    }
}

//! Progress of a load, for a program to show.

use super::{probe::Reached, report::latency::Interval};

/// Progress of a load.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// The server answers.
    Reached(Box<Reached>),
    /// Every handshake has completed or failed.
    Ready {
        /// Live connections.
        live: usize,
    },
    /// An interval of the measuring is over.
    Interval(Interval),
    /// The next of several runs begins.
    Step(Step),
}

/// One of several runs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Number of the run, from 1.
    pub number: usize,
    /// Number of all runs, if that is known.
    pub of: Option<usize>,
    /// Messages a second that the run offers.
    pub rate_per_s: f64,
}

//! Conformance: a verdict for each requirement of the RFCs, with the packets.
//!
//! A [`Requirement`] is a value; [`requirements::all`] lists them, [`Selection`] takes those that
//! are wanted. A [`Runner`] runs each against a [`Target`] and makes a [`Report`], which [`mod@write`]
//! shows and [`Expectations`] compares with what was expected. A wrong accusation costs more than
//! a missed fault: what speaks against the peer is believed if a second fresh run agrees.
//!
//! ```
//! use std::time::Duration;
//!
//! use qecho_probe::conform::{
//!     Finding, Liveness, Outcome, Requirement, Runner, Selection, Side, Target, Verdict,
//! };
//!
//! /// Peer that keeps every requirement.
//! struct Good;
//!
//! impl Target for Good {
//!     fn run(&mut self, _row: &'static Requirement) -> Finding {
//!         Finding::new(Verdict::Pass, "as expected")
//!     }
//!
//!     fn look(&mut self) -> Liveness {
//!         Liveness::Alive
//!     }
//!
//!     fn pause(&mut self, _time: Duration) {}
//! }
//!
//! let rows = Selection::new(Side::Server).with_only(&["9000/19"])?.rows()?;
//! let report = Runner::new("localhost:4433").run(&rows, &mut Good, &mut |_event| {}, &|| false);
//! assert_eq!(report.outcome(), Outcome::Kept);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod attempts;
mod client_prober;
mod connection;
mod expectations;
mod expected;
mod finding;
mod matrix;
mod prober;
mod record;
mod report;
mod requirement;
pub mod requirements;
mod run;
mod runner;
mod selection;
mod serving;
mod stimulus;
#[cfg(test)]
mod testing;
mod verdict;
pub mod write;

pub use self::{
    client_prober::{ClientProber, ClientSubject, Crash},
    connection::Connection,
    expectations::{Change, Comparison, ExpectationError, Expectations},
    expected::Expected,
    finding::{Finding, PacketRecord},
    matrix::{Matrix, MatrixRow},
    prober::{Prober, Subject},
    report::{Counts, Outcome, Report, Row},
    requirement::{Level, Need, Requirement, Rfc, Script, Section, Side},
    run::{Judged, Run},
    runner::{Event, Liveness, REVIVAL_PAUSES, Runner, Target, Unreachable},
    selection::{Selection, SelectionError},
    verdict::Verdict,
};

pub(crate) use self::{connection::opened_words, expected::close_words};

/// Version of the requirements and of how they are judged; it grows when either changes, so that
/// reports can be compared.
pub const SUITE: u32 = 4;

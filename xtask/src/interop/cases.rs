//! The cases: who talks to whom, and what must come of it.

mod amplification;
mod bad_network;
mod captured;
mod client_certificates;
mod http3_servers;
mod our_bench;
mod our_client;
mod our_ping;
mod our_server;

use std::time::Duration;

use anyhow::Result;

use super::stage::Stage;
use crate::setup::Program;

/// What a case may take; the wire takes milliseconds, Python's start a second on a busy machine.
pub(super) const SHORT: Duration = Duration::from_secs(40);
/// For the cases that wait on purpose.
const LONG: Duration = Duration::from_secs(150);

/// One case.
#[derive(Debug)]
pub(super) struct Case {
    /// A sentence that is true when the case passes.
    pub(super) name: &'static str,
    pub(super) limit: Duration,
    /// A program beside Python that the case cannot do without.
    pub(super) needs: Option<&'static Program>,
    pub(super) play: fn(&Stage) -> Result<()>,
}

impl Case {
    const fn short(name: &'static str, play: fn(&Stage) -> Result<()>) -> Self {
        Self {
            name,
            limit: SHORT,
            needs: None,
            play,
        }
    }

    const fn long(name: &'static str, play: fn(&Stage) -> Result<()>) -> Self {
        Self {
            name,
            limit: LONG,
            needs: None,
            play,
        }
    }

    const fn with(mut self, program: &'static Program) -> Self {
        self.needs = Some(program);
        self
    }
}

/// Returns every case.
pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    let cases = [
        our_server::CASES,
        our_client::CASES,
        our_ping::CASES,
        client_certificates::CASES,
        our_bench::CASES,
        captured::CASES,
        bad_network::CASES,
        amplification::CASES,
        http3_servers::CASES,
    ];
    cases.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = all().map(|case| case.name).collect();
        assert_eq!(names.len(), all().count());
    }
}

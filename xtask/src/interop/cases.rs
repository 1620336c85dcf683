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

use super::child::Output;
use super::env::TestEnv;
use crate::setup::Program;

/// Time for a case; the wire takes milliseconds, Python's start a second on a busy machine.
pub(super) const SHORT: Duration = Duration::from_secs(40);
/// Time for the cases that wait on purpose.
const LONG: Duration = Duration::from_secs(150);

/// Server of interop/peers that echoes correctly.
const ECHO_SERVER: &str = "true_echo_server.py --alpn echo";

/// Case: processes that talk, and what must come of it.
pub(super) struct Case {
    /// Sentence that is true when the case passes.
    pub(super) name: String,
    pub(super) limit: Duration,
    /// Program beside Python that the case cannot do without.
    pub(super) needs: Option<&'static Program>,
    pub(super) run: Box<Run>,
}

type Run = dyn Fn(&TestEnv) -> Result<()> + Send + Sync;

/// Name, server, client and what is expected of the client's output; then the server ends well.
type Talk = (
    &'static str,
    &'static str,
    &'static str,
    fn(Output) -> Result<Output>,
);

impl Case {
    /// Makes a short case.
    pub(super) fn new<F>(name: impl Into<String>, run: F) -> Self
    where
        F: Fn(&TestEnv) -> Result<()> + Send + Sync + 'static,
    {
        Self {
            name: name.into(),
            limit: SHORT,
            needs: None,
            run: Box::new(run),
        }
    }

    fn talk(&(name, server, client, expect): &Talk) -> Self {
        Self::new(name, move |env| {
            let server = env.server(server)?;
            expect(env.client(&server, client)?)?;
            server.ends_well()
        })
    }

    /// Gives it the time of those that wait.
    fn long(self) -> Self {
        Self {
            limit: LONG,
            ..self
        }
    }

    fn with(self, program: &'static Program) -> Self {
        Self {
            needs: Some(program),
            ..self
        }
    }
}

/// Returns every case.
pub(super) fn all() -> Vec<Case> {
    let cases = [
        our_server::cases(),
        our_client::cases(),
        our_ping::cases(),
        client_certificates::cases(),
        our_bench::cases(),
        captured::cases(),
        bad_network::cases(),
        amplification::cases(),
        http3_servers::cases(),
    ];
    cases.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let all = all();
        let names: BTreeSet<&str> = all.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
    }
}

//! One server, one load, one set of figures.

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::build;
use crate::catalogue::Peer;
use crate::options::Options;
use crate::testbed::Testbed;
use crate::workload::{IDLE_CONNECTIONS, Measure, Workload};

/// Share of its core from which on a side counts as always busy.
const BUSY: f64 = 0.95;

/// Connections that come and go before memory is measured, so that code and tables that the first
/// connections bring into memory are not counted.
const FIRST_CONNECTIONS: &[&str] = &["--over", "idle", "--connections", "16"];

/// Figures of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Sample {
    /// In the workload's own unit.
    pub(crate) cost: f64,
    pub(crate) rate: f64,
    /// Echo times, as far as there were enough messages to tell them.
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    /// Share of messages that did not come back, which DATAGRAM frames need not.
    #[serde(rename = "lost_share")]
    pub(crate) lost: f64,
    /// Shares of their cores that both sides used.
    pub(crate) generator_share: f64,
    pub(crate) server_share: f64,
    /// True if the server could have done more if the generator could.
    pub(crate) generator_was_the_bottleneck: bool,
    /// Mean UDP payload that the server sent, in bytes; 0 where there are no datagrams.
    #[serde(rename = "mean_udp_payload_bytes")]
    pub(crate) payload: f64,
    /// Cipher suite and the group of the key exchange, as the server chose them.
    pub(crate) agreed: String,
}

/// Starts a server, puts load on it, and ends it.
pub(crate) fn measure(
    testbed: &Testbed,
    peer: &Peer,
    workload: &Workload,
    options: &Options,
    round: usize,
) -> Result<Sample> {
    let server = testbed.start(peer, workload, round)?;
    let generator = build::generator(peer, workload);
    if workload.measure == Measure::Memory {
        testbed.load(generator.clone(), &server, FIRST_CONNECTIONS, 0.1)?;
    }
    let payload = workload.udp_payload_max.to_string();
    let mut arguments: Vec<&str> = workload.arguments.split(' ').collect();
    arguments.extend(["--udp-payload-max", &payload]);
    let seconds = options.seconds.max(workload.seconds_min);
    let report = testbed.load(generator, &server, &arguments, seconds)?;
    Sample::read(workload, &report)
}

impl Sample {
    /// Reads a generator's report; one that has errors is an error.
    fn read(workload: &Workload, report: &Value) -> Result<Self> {
        if let Some(error) = report["errors"].get(0) {
            let words = error["example"].as_str().unwrap_or_default();
            bail!("{} × {words}", error["count"]);
        }
        if let Some(reason) = report["partial"].as_str() {
            bail!("ended early: {reason}");
        }
        let run = &report["run"];
        let is_verified = run["verified"] == true;
        ensure!(is_verified, "nobody has compared what came back");
        let number = |value: &Value, name: &str| {
            let number = value[name].as_f64();
            number.with_context(|| format!("the report has no {name}"))
        };
        let process = &report["server_process"];
        let cost = match workload.measure {
            Measure::Message | Measure::Handshake => number(process, "processor_us_per_message"),
            Measure::Megabyte => number(process, "processor_ms_per_megabyte"),
            Measure::Memory => memory(process, &number),
        }?;
        let rate = match workload.measure {
            Measure::Megabyte => number(report, "goodput_bytes_per_s")? / 1e6,
            _ => number(report, "rate_per_s")?,
        };
        let generator_share = number(&report["generator"], "busiest_share")?;
        let server_share = number(process, "processor_s")? / number(report, "elapsed_s")?;
        let transport = &report["transport"];
        let offered = number(report, "offered")?.max(1.0);
        Ok(Self {
            cost,
            rate,
            p50_us: report["latency"]["p50_us"].as_f64(),
            p99_us: report["latency"]["p99_us"].as_f64(),
            lost: number(report, "lost")? / offered,
            generator_share,
            server_share,
            generator_was_the_bottleneck: generator_share >= BUSY && server_share < BUSY,
            payload: match number(transport, "datagrams_received")? {
                0.0 => 0.0,
                datagrams => number(transport, "bytes_received")? / datagrams,
            },
            agreed: agreed(&report["server"]),
        })
    }
}

fn agreed(server: &Value) -> String {
    let names = ["cipher_suite", "key_exchange"].map(|name| server[name].as_str());
    names.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Returns kB of memory for each connection.
fn memory(process: &Value, number: &dyn Fn(&Value, &str) -> Result<f64>) -> Result<f64> {
    let before = number(process, "memory_before_bytes")?;
    let after = number(process, "memory_after_bytes")?;
    Ok((after - before) / f64::from(IDLE_CONNECTIONS) / 1e3)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workload::named;

    fn read(workload: &str, report: &Value) -> Result<Sample> {
        Sample::read(named(workload), report)
    }

    fn report() -> Value {
        json!({
            "errors": [], "partial": null, "run": {"verified": true},
            "offered": 100, "lost": 1, "rate_per_s": 50.0, "goodput_bytes_per_s": 3e6,
            "elapsed_s": 2.0, "latency": {"p50_us": 7.0, "p99_us": 9.0},
            "generator": {"busiest_share": 0.99},
            "transport": {"bytes_received": 7000, "datagrams_received": 10}, "server": {"cipher_suite": "TLS_X", "key_exchange": "Y"},
            "server_process": {
                "processor_s": 1.0, "processor_us_per_message": 4.0,
                "processor_ms_per_megabyte": 5.0,
                "memory_before_bytes": 1_000_000, "memory_after_bytes": 51_000_000,
            },
        })
    }

    #[test]
    fn the_cost_is_in_the_unit_of_the_workload() {
        let cost = |name| read(name, &report()).expect("it is whole").cost;
        assert_eq!([cost("a"), cost("d"), cost("f")], [4.0, 5.0, 10.0]);
        let sample = read("d", &report()).expect("it is whole");
        assert_eq!((&*sample.agreed, sample.payload), ("TLS_X, Y", 700.0));
    }

    #[test]
    fn a_run_with_too_few_messages_for_a_percentile_has_its_cost() {
        let mut few = report();
        few["latency"] = json!({"p50_us": 7.0, "p99_us": null});
        let sample = read("d", &few).expect("it is whole");
        assert_eq!((sample.cost, sample.p50_us), (5.0, Some(7.0)));
        assert_eq!(sample.p99_us, None);
        few["latency"] = json!({"p50_us": null, "p99_us": null});
        assert_eq!(read("f", &few).expect("it is whole").cost, 10.0);
    }

    #[test]
    fn a_busy_generator_beside_an_idle_server_is_the_bottleneck() {
        let sample = read("b", &report()).expect("it is whole");
        assert!(sample.generator_was_the_bottleneck);
        assert_eq!(sample.lost, 0.01);
        let mut busy = report();
        busy["server_process"]["processor_s"] = json!(1.96);
        let sample = read("b", &busy).expect("it is whole");
        assert!(!sample.generator_was_the_bottleneck);
    }

    #[test]
    fn errors_and_missing_verification_are_no_figures() {
        let mut failed = report();
        failed["errors"] = json!([{"kind": "no_echo", "count": 3, "example": "no echo in 5s"}]);
        let error = read("b", &failed).expect_err("it has errors");
        assert_eq!(error.to_string(), "3 × no echo in 5s");
        let mut blind = report();
        blind["run"]["verified"] = false.into();
        assert!(read("b", &blind).is_err());
        let mut early = report();
        early["partial"] = "interrupted".into();
        assert!(read("b", &early).is_err());
    }
}

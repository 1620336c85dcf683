//! Machine that the figures were measured on.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use xtask::process;

const QUESTION_LIMIT: Duration = Duration::from_secs(10);

/// Facts without which a figure says nothing.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    server_core: usize,
    generator_core: usize,
    kernel: String,
    compiler: String,
    load_average: String,
}

impl Machine {
    /// Looks at the machine that we run on.
    pub(crate) fn look([server_core, generator_core]: [usize; 2]) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let models = || {
            let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
            lines.filter(|(key, _)| key.trim() == "model name")
        };
        let word = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let average = word("/proc/loadavg");
        let load: Vec<&str> = average.split(' ').take(3).collect();
        let of_processor = |(_, model): (&str, &str)| model.trim().to_owned();
        let lines = cpuinfo.lines();
        Self {
            processor: models().next().map_or("unknown".into(), of_processor),
            cores: lines.filter(|line| line.starts_with("processor")).count(),
            server_core,
            generator_core,
            kernel: word("/proc/sys/kernel/osrelease").trim().to_owned(),
            compiler: answer(&["rustc", "--version"]),
            load_average: load.join(" "),
        }
    }

    /// Returns one fact a line, as Markdown.
    pub(crate) fn text(&self) -> String {
        format!(
            "- {}, {} cores; Linux {}; {}\n\
             - every server on core {} with all of its threads, every generator on core \
             {}; load average before the run: {}\n",
            self.processor,
            self.cores,
            self.kernel,
            self.compiler,
            self.server_core,
            self.generator_core,
            self.load_average
        )
    }
}

/// Returns the core of the server and that of the generator.
pub(crate) fn cores_for_both() -> Result<[usize; 2]> {
    let status = fs::read_to_string("/proc/self/status").context("cannot ask for our cores")?;
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    first_two(list.unwrap_or_default())
        .context("server and generator need a core each, and we may use only one")
}

/// Reads the first two numbers of a list such as `0-3,8`.
fn first_two(list: &str) -> Option<[usize; 2]> {
    let mut cores = list.trim().split(',').flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let range: Option<(usize, usize)> = first.parse().ok().zip(last.parse().ok());
        range.into_iter().flat_map(|(first, last)| first..=last)
    });
    Some([cores.next()?, cores.next()?])
}

fn answer(question: &[&str]) -> String {
    let mut command = Command::new(question[0]);
    command.args(&question[1..]);
    let answer = process::answer(command, QUESTION_LIMIT);
    answer.map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_cores_are_found_in_ranges_and_alone() {
        assert_eq!(first_two("\t0-3\n"), Some([0, 1]));
        assert_eq!(first_two("2,5-7"), Some([2, 5]));
        assert_eq!(first_two("4"), None);
        assert_eq!(first_two(""), None);
    }
}

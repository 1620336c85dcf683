//! Figures that the system has of this process: on Linux alone.

use std::{fs, sync::OnceLock, time::Duration};

/// Figures of a process under the names that Prometheus has for them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ProcessFigures {
    /// Processor time, in user and system mode.
    pub(crate) processor_time: Duration,
    /// Start of the process, in seconds since 1970.
    pub(crate) started: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) open_files: u64,
}

impl ProcessFigures {
    /// Reads them; `None` where the system does not tell.
    pub(crate) fn read() -> Option<Self> {
        let ticks = rustix::param::clock_ticks_per_second();
        let stat = Stat::parse(&fs::read_to_string("/proc/self/stat").ok()?)?;
        // The file grows with the machine, and its reading with it.
        static BOOTED: OnceLock<Option<u64>> = OnceLock::new();
        let read = || boot_time(&fs::read_to_string("/proc/stat").ok()?);
        let booted = (*BOOTED.get_or_init(read))?;
        let seconds = |count: u64| count as f64 / ticks as f64;
        Some(Self {
            processor_time: Duration::from_secs_f64(seconds(stat.processor_ticks)),
            started: booted as f64 + seconds(stat.started_ticks),
            resident_bytes: stat.resident_pages * rustix::param::page_size() as u64,
            open_files: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
        })
    }
}

/// Fields of `/proc/PID/stat` (proc_pid_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    processor_ticks: u64,
    started_ticks: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(stat: &str) -> Option<Self> {
        // The second field, the program's name, may have spaces and brackets in it.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // The first of these is the third of the line.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            processor_ticks: field(14)?.checked_add(field(15)?)?,
            started_ticks: field(22)?,
            resident_pages: field(24)?,
        })
    }
}

/// Reads when the system was booted, in seconds since 1970, from `/proc/stat`.
fn boot_time(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_a_strange_name_is_read_all_the_same() {
        let stat = "7 (a) S (b) S 1 7 7 0 -1 4194304 90 0 0 0 11 31 0 0 20 0 3 0 500 1000 77 9 9";
        let expected = Stat {
            processor_ticks: 42,
            started_ticks: 500,
            resident_pages: 77,
        };
        assert_eq!(Stat::parse(stat), Some(expected));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert_eq!(
            boot_time("cpu 1 2\nbtime 1700000000\n"),
            Some(1_700_000_000)
        );
        assert_eq!(boot_time(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_begun_before_now_and_holds_memory_and_files() {
        let figures = ProcessFigures::read().expect("Linux tells");
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
        let now = now.expect("it is after 1970").as_secs_f64();
        assert!((1e9..now + 2.0).contains(&figures.started), "{figures:?}");
        assert!(figures.resident_bytes > 100_000, "{figures:?}");
        assert!(figures.open_files >= 3, "{figures:?}");
    }
}

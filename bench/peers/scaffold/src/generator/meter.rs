//! Counts what comes back, and reports it as `qecho bench` does.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::Load;
use crate::Failure;

/// Time before the measuring, in which the same is done, as in `qecho bench`.
const WARMUP: Duration = Duration::from_secs(1);

/// Longest time that is told apart from longer ones, in nanoseconds.
const TIME_MAX_NS: u64 = 60_000_000_000;

/// What is measured.
#[derive(Debug)]
pub struct Meter {
    server_pid: u32,
    /// When measuring begins and ends.
    begin: Instant,
    end: Instant,
    /// What was used when measuring began: the generator's thread, the server.
    used: Option<[Duration; 2]>,
    messages: u64,
    bytes: u64,
    lost: u64,
    times: Histogram<u64>,
}

impl Meter {
    /// Starts the warm-up.
    pub fn start(load: &Load, now: Instant) -> Result<Self, Failure> {
        Ok(Self {
            server_pid: load.server_pid,
            begin: now + WARMUP,
            end: now + WARMUP + load.duration,
            used: None,
            messages: 0,
            bytes: 0,
            lost: 0,
            times: Histogram::new_with_max(TIME_MAX_NS, 3)?,
        })
    }

    /// Tells whether there is still something to measure.
    pub fn goes_on(&mut self, now: Instant) -> io::Result<bool> {
        if self.used.is_none() && now >= self.begin {
            self.begin = now;
            self.used = Some(self.usages()?);
        }
        Ok(now < self.end)
    }

    /// Counts a message that has come back whole.
    pub fn echoed(&mut self, sent: Instant, now: Instant, bytes: usize) {
        if sent >= self.begin {
            self.messages += 1;
            self.bytes += bytes as u64;
            let nanoseconds = now.saturating_duration_since(sent).as_nanos();
            self.times.saturating_record(nanoseconds as u64);
        }
    }

    /// Counts a message that will not come back.
    pub fn lost(&mut self, sent: Instant) {
        self.lost += u64::from(sent >= self.begin);
    }

    /// Returns the report; without a cipher suite each message was a datagram.
    pub fn report(&self, now: Instant, cipher_suite: Option<&str>) -> Result<String, Failure> {
        let began = self.used.ok_or("it ended before the warm-up did")?;
        let ended = self.usages()?;
        let [generator, server] = [0, 1].map(|side| ended[side].saturating_sub(began[side]));
        let elapsed = now.saturating_duration_since(self.begin).as_secs_f64();
        let microseconds = |share: f64| self.times.value_at_quantile(share) as f64 / 1e3;
        let datagrams = match cipher_suite {
            Some(_) => 0,
            None => self.messages,
        };
        let server = server.as_secs_f64();
        let share = generator.as_secs_f64() / elapsed;
        Ok(json!({
            "run": {"verified": true},
            "errors": [],
            "partial": null,
            "server": {"cipher_suite": cipher_suite, "key_exchange": null},
            "elapsed_s": elapsed,
            "offered": self.messages + self.lost,
            "messages": self.messages,
            "bytes": self.bytes,
            "lost": self.lost,
            "rate_per_s": self.messages as f64 / elapsed,
            "goodput_bytes_per_s": self.bytes as f64 / elapsed,
            "latency": {"p50_us": microseconds(0.5), "p99_us": microseconds(0.99)},
            "transport": {"bytes_received": self.bytes, "datagrams_received": datagrams},
            "generator": {"busiest_share": share},
            "server_process": {
                "processor_s": server,
                "processor_us_per_message": server * 1e6 / self.messages as f64,
                "processor_ms_per_megabyte": server * 1e9 / self.bytes as f64,
            },
        })
        .to_string())
    }

    fn usages(&self) -> io::Result<[Duration; 2]> {
        let own = clock_gettime(ClockId::ThreadCPUTime);
        let own = Duration::new(own.tv_sec.unsigned_abs(), own.tv_nsec as u32);
        Ok([own, used_by(self.server_pid)?])
    }
}

/// Returns the processor time of all threads of a process.
fn used_by(pid: u32) -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let first = text
            .split(' ')
            .next()
            .and_then(|word| word.parse::<u64>().ok());
        nanoseconds += first.ok_or(io::ErrorKind::InvalidData)?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

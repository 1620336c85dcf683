//! Processor time and memory, of this thread and of other processes.

use std::{fs, io, num::NonZeroU64, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// Returns the processor time that the current thread has had.
pub(super) fn of_this_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Processor time and memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) processor: Duration,
    /// Bytes of memory that are resident.
    pub(super) memory: Option<u64>,
}

/// Returns the usage of a process until now, from Linux's `/proc`: to the
/// nanosecond, without threads that have ended.
pub(super) fn of_process(pid: u32) -> io::Result<Usage> {
    let mut processor = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that ends meanwhile is no error.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        let nanoseconds = text.split(' ').next().and_then(|word| word.parse().ok());
        let nanoseconds = nanoseconds.ok_or(io::ErrorKind::InvalidData)?;
        processor += Duration::from_nanos(nanoseconds);
    }
    Ok(Usage {
        processor,
        memory: memory(pid),
    })
}

fn memory(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Lets the current thread be woken on time and not some 50 µs later, which
/// would be counted as the server's.
pub(super) fn wake_precisely() {
    #[cfg(target_os = "linux")]
    {
        // A system that refuses wakes a little later.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_more_and_more() {
        // Not this process: threads of other tests end meanwhile.
        let mut child = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .expect("there is a shell");
        let usage = || of_process(child.id()).expect("it is there");
        let before = usage();
        let grows = (0..1_000_000).any(|_| usage().processor > before.processor);
        let memory = usage().memory;
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        assert!(grows);
        assert!(memory.is_some_and(|bytes| bytes > 0));
    }

    #[test]
    fn a_thread_that_works_uses_processor_time() {
        let before = of_this_thread();
        assert!((0..1_000_000).any(|_| of_this_thread() > before));
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(of_process(u32::MAX).is_err());
    }
}

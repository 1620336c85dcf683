//! Memory of the machine and of this process, where the system tells it: on Linux.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use qecho_engine::limits::MEMORY_SHARE_DIVISOR;

/// Returns how many bytes a server may use unless configured otherwise: a share
/// ([`MEMORY_SHARE_DIVISOR`]) of what the machine has, or of what its cgroup may use if that is
/// less. `None` where the system does not tell.
pub fn usual_memory_max() -> Option<u64> {
    let machine = machine_memory(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let cgroup = cgroup_files(&cgroups, Path::new("/sys/fs/cgroup"))
        .into_iter()
        .filter_map(|file| cgroup_memory(&fs::read_to_string(file).ok()?))
        .min();
    Some(machine.min(cgroup.unwrap_or(u64::MAX)) / MEMORY_SHARE_DIVISOR)
}

/// Reads the machine's memory, in bytes, from what `/proc/meminfo` says.
fn machine_memory(meminfo: &str) -> Option<u64> {
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Reads the limit of a cgroup, in bytes; `max` is none.
fn cgroup_memory(limit: &str) -> Option<u64> {
    limit.trim().parse().ok()
}

/// Returns the files that limit the memory of the cgroups in which a process is, by what its
/// `/proc/PID/cgroup` says: of each cgroup and of those that it is in.
fn cgroup_files(cgroups: &str, root: &Path) -> Vec<PathBuf> {
    let files = cgroups.lines().filter_map(|line| {
        // The number of the hierarchy, its controllers, the path; version 2 has no controllers.
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let cgroup = root.join(path.trim_start_matches('/'));
        let above = cgroup.ancestors().take_while(|one| one.starts_with(&root));
        Some(above.map(|one| one.join(file)).collect::<Vec<_>>())
    });
    files.flatten().collect()
}

/// Gauge of the memory that this process holds.
#[derive(Debug)]
pub(crate) struct ResidentMemory {
    statm: File,
    page: u64,
}

impl ResidentMemory {
    /// Opens it; `None` where the system does not tell.
    pub(crate) fn open() -> Option<Self> {
        Some(Self {
            statm: File::open("/proc/self/statm").ok()?,
            page: rustix::param::page_size() as u64,
        })
    }

    /// Returns the resident set, in bytes.
    pub(crate) fn read(&self) -> Option<u64> {
        let mut text = [0; 128];
        let length = self.statm.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(&text[..length]).ok()?;
        resident_pages(text)?.checked_mul(self.page)
    }
}

/// Reads the resident set, in pages, from what `/proc/PID/statm` says.
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split(' ').nth(1)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_memory_is_read_and_nonsense_is_none() {
        let meminfo = "MemTotal:       24683456 kB\nMemFree:        3087156 kB\n";
        assert_eq!(machine_memory(meminfo), Some(24_683_456 << 10));
        assert_eq!(machine_memory("MemFree: 1 kB\n"), None);
        assert_eq!(machine_memory("MemTotal: many kB\n"), None);
        assert_eq!(resident_pages("3217 1024 800 1 0 300 0\n"), Some(1_024));
        assert_eq!(resident_pages(""), None);
        assert_eq!(cgroup_memory("536870912\n"), Some(512 << 20));
        assert_eq!(cgroup_memory("max\n"), None);
    }

    #[test]
    fn a_cgroup_is_limited_by_itself_and_by_all_that_it_is_in() {
        let root = Path::new("/sys/fs/cgroup");
        let files = |cgroups| -> Vec<String> {
            let files = cgroup_files(cgroups, root).into_iter();
            files.map(|file| file.display().to_string()).collect()
        };
        assert_eq!(
            files("0::/a/b\n"),
            [
                "/sys/fs/cgroup/a/b/memory.max",
                "/sys/fs/cgroup/a/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        let version_1 = "12:cpu,cpuacct:/x\n5:hugetlb,memory:/docker/1f\n";
        assert_eq!(
            files(version_1),
            [
                "/sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes"
            ]
        );
        assert_eq!(files("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(files("no cgroup"), [] as [&str; 0]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_holds_what_it_has_touched() {
        let gauge = ResidentMemory::open().expect("Linux tells");
        let before = gauge.read().expect("it can be read");
        let touched = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = gauge.read().expect("it can be read");
        assert!(after >= before + (32 << 20), "{before}, then {after} bytes");
        drop(touched);
        assert!(usual_memory_max().is_some_and(|most| most > 64 << 20));
    }
}

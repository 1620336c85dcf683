//! Messages to a service manager (sd_notify(3), sd_watchdog_enabled(3)): systemd, and others that
//! speak its protocol. Where `NOTIFY_SOCKET` is not set, nobody is.
//!
//! Nothing here fails: a manager that cannot be reached must not stop a server that works.

use std::{
    env,
    ffi::OsStr,
    io,
    os::unix::net::{SocketAddr, UnixDatagram},
    thread,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

use crate::{
    Monitor,
    clock::clock,
    monitor::{health, no_answer},
};

/// Time for which a manager may leave a message waiting.
const MANAGER_PATIENCE: Duration = Duration::from_secs(1);

/// Part of the watchdog's time after which it is told again that the server lives.
const WATCHDOG_DIVISOR: u32 = 3;

/// Tells that the server listens, or has [reloaded](reloading).
pub fn ready() {
    tell("READY=1\n");
}

/// Tells that the server reads its files again; [`ready`] follows.
pub fn reloading() {
    // By the time, systemd tells this reload's messages from those of one before.
    let now = clock_gettime(ClockId::Monotonic);
    let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}\n"));
}

/// Tells that the server is about to end, in one line for people what is awaited, and how long
/// that takes at most: the manager waits as long, where its own limit is shorter.
pub fn stopping(status: &str, time: Duration) {
    let microseconds = time.as_micros();
    tell(&format!(
        "STOPPING=1\nSTATUS={status}\nEXTEND_TIMEOUT_USEC={microseconds}\n"
    ));
}

/// Tells the manager's watchdog, if it has one for this process, again and again that the server
/// lives, as long as every shard answers.
///
/// # Errors
/// The system's, if it gives no thread.
pub fn keep_watchdog(monitor: &Monitor) -> io::Result<()> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
    let Some(patience) = number("WATCHDOG_USEC").filter(|time| *time > 0 && is_ours) else {
        return Ok(());
    };
    let interval = Duration::from_micros(patience) / WATCHDOG_DIVISOR;
    let monitor = monitor.clone();
    let thread = thread::Builder::new().name("watchdog".into());
    let keep = move || {
        loop {
            let begun = clock();
            look_after(&monitor, tell);
            thread::sleep(interval.saturating_sub(clock().saturating_duration_since(begun)));
        }
    };
    thread.spawn(keep).map(drop)
}

/// Looks once whether every shard lives, and tells it; people, too, as long as they are not told
/// that the server ends.
fn look_after(monitor: &Monitor, tell: impl Fn(&str)) {
    let shards = monitor.shards();
    let health = health(&shards);
    if health.is_ok() {
        tell("WATCHDOG=1\n");
    }
    let status = match health {
        Ok(()) => {
            let answers = shards.iter().flatten();
            let open: u64 = answers.map(|one| one.application.open()).sum();
            format!("serving, {open} connections open")
        }
        Err(silent) => no_answer(&silent),
    };
    if monitor.is_ready() {
        tell(&format!("STATUS={status}\n"));
    }
}

/// Sends a message to the manager, if there is one.
fn tell(message: &str) {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let send = || {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(MANAGER_PATIENCE))?;
        socket.send_to_addr(message.as_bytes(), &address(&name)?)
    };
    // It is not there, or hears nothing: that is no reason to end.
    let _ = send();
}

/// Returns the address of a name, which may stand for none in the file system.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    {
        use std::os::{linux::net::SocketAddrExt, unix::ffi::OsStrExt};
        if let Some(abstract_name) = name.as_bytes().strip_prefix(b"@") {
            return SocketAddr::from_abstract_name(abstract_name);
        }
    }
    SocketAddr::from_pathname(name)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::{
        Limits,
        testing::{self, Gate},
    };

    /// Holds up the first shard that comes to it.
    static HELD: Gate = Gate::new();

    #[test]
    fn a_watchdog_hears_nothing_while_one_shard_of_two_stands_still() {
        let server = testing::server(2);
        let monitor = Monitor::new(&server, Limits::default(), || 0);
        let (told, messages) = mpsc::channel();
        let look = || {
            look_after(&monitor, |message| {
                told.send(message.to_owned()).expect("it is read");
            });
            messages.try_iter().collect::<Vec<String>>()
        };
        let serving = "STATUS=serving, 0 connections open\n";
        assert_eq!(look(), ["WATCHDOG=1\n", serving]);
        server.inspector().ask(Duration::ZERO, |_| {
            if std::thread::current()
                .name()
                .is_some_and(|name| name.ends_with('1'))
            {
                HELD.wait();
            }
        });
        for _ in 0..2 {
            assert_eq!(look(), ["STATUS=no answer from shard 1\n"]);
        }
        HELD.open();
        let deadline = clock() + testing::LIMIT;
        while look() != ["WATCHDOG=1\n", serving] {
            assert!(clock() < deadline, "it goes on");
        }
        monitor.note_draining();
        assert_eq!(look(), ["WATCHDOG=1\n"]);
    }
}

//! What a service manager is told (sd_notify(3), sd_watchdog_enabled(3)): systemd, and others that
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

use crate::Monitor;

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

/// Tells that the server is about to end, and in one line for people what is awaited.
pub fn stopping(status: &str) {
    tell(&format!("STOPPING=1\nSTATUS={status}\n"));
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
    let follow = move || {
        loop {
            if monitor.health().is_ok() {
                tell("WATCHDOG=1\n");
            }
            if monitor.is_ready() {
                let open = monitor.connections_open();
                tell(&format!("STATUS=serving, {open} connections open\n"));
            }
            thread::sleep(interval);
        }
    };
    let thread = thread::Builder::new().name("watchdog".into());
    thread.spawn(follow).map(drop)
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

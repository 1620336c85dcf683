//! Signals that stop, continue or end a program that has changed its terminal.
//!
//! Each signal still does what it does by itself: a shell sees a job that was stopped by SIGTSTP
//! or ended by SIGQUIT, one that was told to ignore a signal goes on, and the system lets no
//! program be stopped that nobody could continue.

use std::{
    io,
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use nix::sys::signal::{SigSet, Signal};
#[cfg(target_os = "linux")]
use nix::{
    errno::Errno,
    sys::signalfd::{SfdFlags, SignalFd},
};
use rustix::{process::getpgrp, termios::tcgetpgrp};
use signal_hook::low_level::raise;

/// Signals that are left alone. Programs end by themselves at SIGINT, SIGTERM and SIGHUP; three do
/// nothing by themselves, and SIGPIPE is ignored in Rust; a broken memory access (SIGSEGV, SIGBUS)
/// is told of by Rust, and leaves nothing to rely on.
const LEFT_ALONE: [Signal; 9] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGCHLD,
    Signal::SIGURG,
    Signal::SIGWINCH,
    Signal::SIGPIPE,
    Signal::SIGSEGV,
    Signal::SIGBUS,
];

/// Signals by which the system keeps a program in the background from its terminal.
const OF_BACKGROUND: [Signal; 2] = [Signal::SIGTTIN, Signal::SIGTTOU];

/// Use that a program makes of its terminal in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InBackground {
    /// Reading from it, or changing it, stops the program until it is in the foreground again. Where
    /// others send such a signal, SIGTTIN or SIGTTOU, nothing is given back.
    Stops,
    /// Reading fails with an I/O error, and the program itself looks whether it is in the
    /// [foreground](is_in_foreground) before it changes anything.
    Continues,
}

/// Time that giving the terminal back may take: one that takes nothing must not make a program
/// immune to signals.
const LEAVING_PATIENCE: Duration = Duration::from_secs(1);

/// Callback that gives the terminal back.
static LEAVE: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

/// Calls `leave` before a signal stops or ends the program, and `come_back` when the program goes
/// on: it may be in the background then, where the terminal is somebody else's.
///
/// These are all signals that stop or end a program by themselves, real-time ones too, but for SIGINT,
/// SIGTERM and SIGHUP, at which programs end by themselves, SIGKILL and SIGSTOP, before which nothing
/// can be done, SIGSEGV and SIGBUS; and in the background as `in_background` says.
///
/// The signals are blocked in this thread and in all that it starts, so this is called before any
/// is started, and once; a child process that is started afterwards has them blocked, too.
/// `come_back` is also called after a SIGSTOP. `abort` gives nothing back.
///
/// # Errors
///
/// Fails without a thread for it, and if it is called again.
pub fn follow(
    in_background: InBackground,
    leave: impl Fn() + Send + Sync + 'static,
    come_back: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let mut signals = SigSet::all();
    let of_background = match in_background {
        InBackground::Stops => &OF_BACKGROUND[..],
        InBackground::Continues => &[],
    };
    for signal in LEFT_ALONE.iter().chain(of_background) {
        signals.remove(*signal);
    }
    let is_first = LEAVE.set(Box::new(leave)).is_ok();
    if !is_first {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    signals.thread_block()?;
    let mut waiting = Waiting::new(signals)?;
    let work = move || {
        while let Some(signal) = waiting.next() {
            if signal != Signal::SIGCONT as i32 {
                self::leave();
                let alone = alone(signal);
                // Each of them can only fail for what is no signal.
                let _ = raise(signal).map(|()| alone.thread_unblock());
                let _ = alone.thread_block();
            }
            come_back();
        }
    };
    let thread = thread::Builder::new()
        .name("job control".into())
        .spawn(work);
    if thread.is_err() {
        signals.thread_unblock()?;
    }
    thread.map(drop)
}

/// Returns the set that has a signal in it: its own, or that of all real-time signals, which have no
/// names.
fn alone(signal: i32) -> SigSet {
    match Signal::try_from(signal) {
        Ok(named) => SigSet::from(named),
        Err(_) => {
            let mut unnamed = SigSet::all();
            Signal::iterator().for_each(|named| unnamed.remove(named));
            unnamed
        }
    }
}

/// Blocked signals that are waited for, by their numbers: real-time ones have no other names.
#[cfg(target_os = "linux")]
struct Waiting(SignalFd);

#[cfg(target_os = "linux")]
impl Waiting {
    fn new(signals: SigSet) -> io::Result<Self> {
        Ok(Self(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?))
    }

    fn next(&mut self) -> Option<i32> {
        loop {
            match self.0.read_signal() {
                Ok(Some(read)) => return i32::try_from(read.ssi_signo).ok(),
                Ok(None) | Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}

/// Blocked signals that are waited for; this system has no real-time ones.
#[cfg(not(target_os = "linux"))]
struct Waiting(SigSet);

#[cfg(not(target_os = "linux"))]
impl Waiting {
    fn new(signals: SigSet) -> io::Result<Self> {
        Ok(Self(signals))
    }

    fn next(&mut self) -> Option<i32> {
        self.0.wait().ok().map(|signal| signal as i32)
    }
}

/// Gives the terminal back, if [`follow`] was told how: for a program that is about to end. It
/// takes a second at most, also of a terminal that takes nothing.
pub fn leave() {
    let Some(leave) = LEAVE.get() else {
        return;
    };
    let (sender, has_left) = mpsc::channel();
    let work = move || {
        leave();
        // Nobody may wait any more.
        let _ = sender.send(());
    };
    let thread = thread::Builder::new().name("leaving".into()).spawn(work);
    if thread.is_ok() {
        let _ = has_left.recv_timeout(LEAVING_PATIENCE);
    }
}

/// Tells whether the terminal is this program's to change; one without job control is.
pub fn is_in_foreground() -> bool {
    tcgetpgrp(io::stdin()).map_or(true, |group| group == getpgrp())
}

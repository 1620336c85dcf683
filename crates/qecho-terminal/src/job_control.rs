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

use nix::sys::signal::{SigSet, Signal, raise};
use rustix::{process::getpgrp, termios::tcgetpgrp};

/// Signals before which the terminal is given back. SIGINT, SIGTERM and SIGHUP are not among
/// them, for programs end by themselves then.
const LEAVING: [Signal; 9] = [
    Signal::SIGTSTP,
    Signal::SIGQUIT,
    Signal::SIGABRT,
    Signal::SIGALRM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGXCPU,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
];

/// Time that giving the terminal back may take: one that takes nothing must not make a program
/// immune to signals.
const LEAVING_PATIENCE: Duration = Duration::from_secs(1);

/// Callback that gives the terminal back.
static LEAVE: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

/// Calls `leave` before a signal stops or ends the program, and `come_back` when the program goes
/// on: it may be in the background then, where the terminal is somebody else's.
///
/// The signals are blocked in this thread and in all that it starts, so this is called before any
/// is started, and once; a child process that is started afterwards has them blocked, too.
/// `come_back` is also called after a SIGSTOP, before which nothing can be done. Other signals than
/// these, and `abort`, give nothing back.
///
/// # Errors
///
/// Fails without a thread for it, and if it is called again.
pub fn follow(
    leave: impl Fn() + Send + Sync + 'static,
    come_back: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let continued = [Signal::SIGCONT];
    let signals: SigSet = LEAVING.into_iter().chain(continued).collect();
    let is_first = LEAVE.set(Box::new(leave)).is_ok();
    if !is_first {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    signals.thread_block()?;
    let work = move || {
        while let Ok(signal) = signals.wait() {
            if signal != Signal::SIGCONT {
                self::leave();
                let alone = SigSet::from(signal);
                // Each of them can only fail for what is no signal.
                let _ = raise(signal).and_then(|()| alone.thread_unblock());
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

/// Blocks SIGTTIN in this thread and in all that it starts: in the background, reading from the
/// terminal fails then with an I/O error instead of stopping the program.
pub fn read_in_background() -> io::Result<()> {
    Ok(SigSet::from(Signal::SIGTTIN).thread_block()?)
}

//! The terminal while all of it is drawn on: taken, and given back when the program ends by itself
//! or one of the signals of [`job_control`] stops or ends it. In the background nothing is done to it.

use std::{
    io::{self, Write},
    panic,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
    time::Duration,
};

use anyhow::Context;
use qecho_terminal::job_control::{self, InBackground};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr},
};

/// Goes to a screen of our own, without a cursor, so that the usual one stays as it is.
const OWN_SCREEN: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";

/// Goes back.
const USUAL_SCREEN: &str = "\x1b[?25h\x1b[?1049l";

/// Time for a terminal to take what gives it back: one that stands still is left as it is.
const PATIENCE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Time between two looks whether somebody still draws, and their greatest number.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOOKS_MAX: u32 = 100;

/// Held by whoever writes to the terminal.
static DRAWING: Mutex<()> = Mutex::new(());

static STATE: Mutex<State> = Mutex::new(State {
    usual: None,
    is_left: false,
    is_stale: false,
});

/// Use that this program makes of the terminal.
struct State {
    /// Its settings outside of the picture, while it is taken.
    usual: Option<Termios>,
    /// Whether nothing may be drawn, for the program is about to stop or to end.
    is_left: bool,
    /// Whether others may have drawn on it since it was taken.
    is_stale: bool,
}

/// The right to draw: while it lasts, the terminal is not given back.
pub(super) struct Drawing {
    _lock: MutexGuard<'static, ()>,
    /// Whether nothing of an earlier picture is left.
    pub(super) is_blank: bool,
}

impl Drawing {
    pub(super) fn write(&self, sequences: &str) -> io::Result<()> {
        write(sequences)
    }
}

/// Gets ready to take the terminal and to give it back at signals and panics; called before
/// any thread is started.
pub(super) fn prepare() -> anyhow::Result<()> {
    let come_back = || {
        let mut state = state();
        state.is_left = false;
        state.is_stale = true;
    };
    job_control::follow(InBackground::Continues, give_back, come_back)
        .context("cannot listen for signals")?;
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        give_back();
        told(panic);
    }));
    Ok(())
}

/// Takes the terminal, unless it is taken, and lets the caller draw; `None` in the background,
/// where it is somebody else's.
pub(super) fn draw() -> io::Result<Option<Drawing>> {
    let lock = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut state = state();
    if state.is_left || !job_control::is_in_foreground() {
        return Ok(None);
    }
    let is_blank = state.usual.is_none() || state.is_stale;
    if is_blank {
        let usual = match state.usual.take() {
            Some(usual) => usual,
            None => tcgetattr(io::stdin())?,
        };
        let mut raw = usual.clone();
        raw.make_raw();
        // Ctrl-C, Ctrl-Z and Ctrl-\ are for all that runs here, such as a script around this.
        raw.local_modes.insert(LocalModes::ISIG);
        state.usual = Some(usual);
        state.is_stale = false;
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        // A terminal that stands still holds up nobody who asks for its state.
        drop(state);
        write(OWN_SCREEN)?;
    }
    Ok(Some(Drawing {
        _lock: lock,
        is_blank,
    }))
}

/// Gives the terminal back as it was, if it is taken; nothing is drawn after it. If that fails,
/// the terminal is gone.
pub(super) fn give_back() {
    let mut state = state();
    state.is_left = true;
    if !job_control::is_in_foreground() {
        return;
    }
    let Some(usual) = state.usual.take() else {
        return;
    };
    // A terminal that takes nothing, for which somebody waits who draws, has its settings first.
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, &usual);
    drop(state);
    if drawing_in_time().is_some() && takes_more() {
        let _ = write(USUAL_SCREEN);
    }
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until nobody draws; `None` if the terminal takes nothing meanwhile.
fn drawing_in_time() -> Option<MutexGuard<'static, ()>> {
    for _ in 0..LOOKS_MAX {
        match DRAWING.try_lock() {
            Ok(lock) => return Some(lock),
            Err(TryLockError::Poisoned(lock)) => return Some(lock.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(LOOK_EVERY),
        }
    }
    None
}

fn takes_more() -> bool {
    let stdout = io::stdout();
    let mut wanted = [PollFd::new(&stdout, PollFlags::OUT)];
    poll(&mut wanted, Some(&PATIENCE)).is_ok_and(|ready| ready > 0)
}

fn write(sequences: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(sequences.as_bytes())?;
    out.flush()
}

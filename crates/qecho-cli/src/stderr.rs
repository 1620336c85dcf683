//! Words on stderr, beside the results; with stderr gone there is nobody to tell.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use qecho_packet::text;
use qecho_terminal::{
    colour,
    prose::{Form, end_column},
};

/// Column in which a line goes on that is not at its end.
static COLUMN: AtomicUsize = AtomicUsize::new(0);

/// Warning of a client that trusts anybody.
pub(crate) const INSECURE: &str =
    "warning: --insecure trusts anybody; anyone in between can read and change everything";

/// Tells whether a line on stderr can be drawn again and again, as progress is.
pub(crate) fn is_drawn_on() -> bool {
    io::stderr().is_terminal() && colour::takes_sequences()
}

/// Says a line, at once, so that no other comes in between.
pub(crate) fn say(line: impl Display) {
    say_part(&format!("{line}\n"));
}

/// Lines that are being said on threads of their own.
static LATER: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Says a line on a thread of its own: a reader that is slow holds up neither a signal nor the
/// next one. [`finish`] waits for it.
pub(crate) fn say_later(line: impl Display + Send + 'static) {
    let note = |change: fn(&mut usize)| {
        let (count, changed) = &LATER;
        change(&mut count.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
    };
    note(|count| *count += 1);
    let work = move || {
        say(line);
        note(|count| *count -= 1);
    };
    // Without a thread nothing is said, and all else goes on.
    if thread::Builder::new().spawn(work).is_err() {
        note(|count| *count -= 1);
    }
}

/// Waits until all is said that was to be said later, unless stderr takes nothing.
pub(crate) fn finish() {
    let (count, changed) = &LATER;
    let count = count.lock().unwrap_or_else(PoisonError::into_inner);
    // At its end a process must not wait for long.
    let _ = changed.wait_timeout_while(count, READER_PATIENCE, |count| *count > 0);
}

/// Time for which a line may wait for its reader when a process ends.
const READER_PATIENCE: Duration = Duration::from_secs(2);

/// Says a line unless stderr takes nothing: at its end a process must not wait.
pub(crate) fn say_if_read(line: impl Display) {
    let line = line.to_string();
    let (tell, said) = channel();
    let work = move || {
        say(line);
        // Whoever waited may have given up.
        let _ = tell.send(());
    };
    if thread::Builder::new().spawn(work).is_ok() {
        let _ = said.recv_timeout(READER_PATIENCE);
    }
}

/// Says words whose line goes on.
pub(crate) fn say_part(words: &str) {
    let mut stderr = io::stderr().lock();
    let column = COLUMN.load(Relaxed);
    let shown = Form::of(&stderr).apply(words, column);
    COLUMN.store(end_column(&shown, column), Relaxed);
    let _ = stderr.write_all(shown.as_bytes());
}

/// Says why something failed, and what to do about it.
pub(crate) fn say_failure(reason: impl Display, hint: Option<&str>) {
    // They may name what was typed, or what a peer said.
    let hint = hint.map_or_else(String::new, |hint| format!("\nhint: {}", text::line(hint)));
    let reason = text::line(&reason.to_string());
    say(format_args!("qecho: {reason}{hint}"));
}

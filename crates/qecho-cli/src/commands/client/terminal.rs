//! The terminal of a prompt: silent while there is no question, and given back as it was when the
//! program ends by itself or one of the signals of [`job_control`] stops or ends it.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use anyhow::Context;
use qecho_terminal::{
    colour,
    job_control::{self, InBackground},
};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::screen::Screen;

/// The question.
pub(super) const PROMPT: &str = "Message: ";

/// Introduction to the prompt, for somebody who sees it for the first time.
pub(super) const USE: &str = "Enter sends a line, Ctrl-D ends";

/// Whether a person is being asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PromptState {
    #[default]
    None,
    Asked,
    /// None may be asked any more.
    Never,
}

impl PromptState {
    /// Tells whether a question may be asked now, and notes it.
    pub(super) fn begin(question: &Mutex<Self>) -> bool {
        let mut question = question.lock().unwrap_or_else(PoisonError::into_inner);
        if *question == Self::Never {
            return false;
        }
        *question = Self::Asked;
        true
    }

    pub(super) fn end(question: &Mutex<Self>) {
        let mut question = question.lock().unwrap_or_else(PoisonError::into_inner);
        if *question == Self::Asked {
            *question = Self::None;
        }
    }

    /// Ends all asking; tells whether there is a question that waits.
    fn forbid(question: &Mutex<Self>) -> bool {
        let mut question = question.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *question, Self::Never) == Self::Asked
    }
}

/// Looks that are taken, a millisecond apart, for the line editor to have
/// changed the terminal.
const LOOKS_MAX: usize = 200;

/// Time in which the line editor shows a line that it was given, on a thread that
/// may have to wait for a core: it does not say when. What it shows later, it shows
/// below the question or not at all.
const SHOWING: Duration = Duration::from_millis(200);

/// Sequences by which the line editor begins bracketed paste, and ends it.
const ENTER_EDITOR: &[u8] = b"\x1b[?2004h";
const LEAVE_EDITOR: &[u8] = b"\x1b[?2004l";

/// Values of TERM with which rustyline edits nothing: the system shows what is typed.
const UNEDITED: [&str; 3] = ["dumb", "cons25", "emacs"];

/// Tells whether the line editor takes the terminal and shows what is typed.
pub(super) fn is_edited() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    let is_named = UNEDITED.iter().any(|name| name.eq_ignore_ascii_case(&term));
    colour::takes_sequences() && !is_named
}

/// Time between two looks whether the program is in the foreground again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Columns that the line editor assumes of a terminal that does not know them.
const USUAL_COLUMNS: u16 = 80;

/// Whether somebody looks.
static IS_AWAITING: AtomicBool = AtomicBool::new(false);

/// Settings that the terminal gets when a signal comes.
static SETTINGS: Mutex<Settings> = Mutex::new(Settings {
    original: None,
    at_stop: None,
});

struct Settings {
    /// As they were before the prompt, while it has the terminal.
    original: Option<Termios>,
    /// As they were when the program was stopped, until it goes on.
    at_stop: Option<Termios>,
}

fn settings() -> MutexGuard<'static, Settings> {
    SETTINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gets ready to give the terminal back when a signal stops or ends the program, and to say how it is
/// used above the question when it goes on; called before any thread is started.
///
/// In the background the line editor stops the program as soon as something is typed.
pub(super) fn prepare(screen: &Screen) -> anyhow::Result<()> {
    let screen = screen.clone();
    job_control::follow(InBackground::Stops, leave, move || come_back(&screen))
        .context("cannot listen for signals")
}

/// Gives the terminal back for a while.
fn leave() {
    let mut settings = settings();
    let (Some(original), true) = (&settings.original, job_control::is_in_foreground()) else {
        return;
    };
    let Ok(found) = tcgetattr(io::stdin()) else {
        return;
    };
    let was_asking = is_asking(&found);
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, original);
    settings.at_stop = Some(found);
    // A terminal that takes nothing must not keep others from giving it back.
    drop(settings);
    if was_asking {
        write(LEAVE_EDITOR);
    }
}

/// Takes the terminal again, and shows the question again; from the background once the shell has
/// brought the program to the foreground, which it tells nobody who runs already.
fn come_back(screen: &Screen) {
    if job_control::is_in_foreground() {
        return take_again(screen);
    }
    if settings().at_stop.is_none() || IS_AWAITING.swap(true, Relaxed) {
        return;
    }
    let screen = screen.clone();
    let work = move || {
        while settings().at_stop.is_some() && !job_control::is_in_foreground() {
            thread::sleep(LOOK_EVERY);
        }
        IS_AWAITING.store(false, Relaxed);
        take_again(&screen);
    };
    // Without a thread the question is shown at the next key.
    let thread = thread::Builder::new().name("foreground".into()).spawn(work);
    IS_AWAITING.fetch_and(thread.is_ok(), Relaxed);
}

/// Takes the terminal again, unless that was done since the program was stopped.
fn take_again(screen: &Screen) {
    let mut settings = settings();
    let Some(found) = settings.at_stop.take() else {
        return;
    };
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, &found);
    drop(settings);
    if is_asking(&found) {
        write(ENTER_EDITOR);
        // The editor goes up as many rows as its line has had, which are the shell's by now.
        let columns = tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_col);
        let columns = if columns == 0 { USUAL_COLUMNS } else { columns };
        let rows = screen.typed.further_rows(PROMPT, columns.into());
        write(&vec![b'\n'; rows]);
        // The question is shown below it.
        let _ = screen.clone().write_all(format!("{USE}\n").as_bytes());
    }
}

/// Tells whether the line editor has the terminal.
fn is_asking(settings: &Termios) -> bool {
    !settings.local_modes.contains(LocalModes::ICANON)
}

/// Writes what a terminal does; of one that has gone nothing is expected.
fn write(sequences: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(sequences).and_then(|()| out.flush());
}

/// The terminal from the first word on, to be given back as it was.
pub(super) struct Terminal {
    /// As it was, and as it is while there is no question; `None` if it is left alone.
    settings: Option<(Termios, Termios)>,
    pub(super) question: Arc<Mutex<PromptState>>,
    pub(super) screen: Screen,
}

impl Terminal {
    /// Takes the terminal: what is typed while there is no question waits for the next, and is
    /// shown there.
    pub(super) fn take(screen: &Screen) -> Self {
        let found = is_edited().then(|| tcgetattr(io::stdin()).ok()).flatten();
        let settings = found.map(|original| {
            let mut silent = original.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            // Else it is seen twice, which is no failure.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &silent);
            settings().original = Some(original.clone());
            (original, silent)
        });
        Self {
            settings,
            question: Arc::default(),
            screen: screen.clone(),
        }
    }

    /// Makes the terminal usable again, also while the prompt still waits for
    /// a person.
    pub(super) fn restore(&self) {
        let asked = PromptState::forbid(&self.question);
        // From here on nothing is taken back, whatever is continued meanwhile.
        *settings() = Settings {
            original: None,
            at_stop: None,
        };
        self.screen.take_back(|had_lines| {
            if asked {
                self.await_change();
            }
            if asked && had_lines {
                thread::sleep(SHOWING);
            }
            // Nothing can be done about a terminal that has gone.
            if let Some((original, _)) = &self.settings {
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, original);
            }
            if asked {
                let leave = self.settings.as_ref().map_or(&b""[..], |_| LEAVE_EDITOR);
                write(&[leave, b"\n"].concat());
            }
        });
    }

    /// Waits until the line editor, which has begun, has changed the terminal:
    /// what is restored before that would be changed after it. The editor does
    /// not say when; on a terminal that it leaves alone, the looks run out.
    fn await_change(&self) {
        let Some((_, silent)) = &self.settings else {
            return;
        };
        for _ in 0..LOOKS_MAX {
            match tcgetattr(io::stdin()) {
                Ok(now) if now.local_modes == silent.local_modes => {}
                _ => return,
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.restore();
    }
}

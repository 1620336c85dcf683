//! The prompt. It runs on a thread of its own, so that the connection lives
//! on while a person thinks.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow};
use qecho_cert::folder;
use qecho_echo::client::{Client, ClientEvent, Command, Mode};
use qecho_packet::text;
use qecho_terminal::history::{self, History};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::{Config, DefaultEditor, error::ReadlineError};

use super::{
    super::spawn, CommandEvent, Running, Step, message, no_word, reporter::Reporter,
    screen::Screen, send,
};
use crate::{
    exit::{ExitStatus, Failure},
    stderr::say,
};

const PROMPT: &str = "Message: ";

/// How to use the prompt, for somebody who sees it for the first time.
const USE: &str = "Enter sends a line, Ctrl-D ends";

/// Asks for messages until the person or the server ends it.
pub(super) fn run(
    client: &Client,
    over: Mode,
    reporter: &mut Reporter,
    terminal: &Terminal,
    history: Option<History>,
    sender: Sender<CommandEvent>,
    events: &Receiver<CommandEvent>,
) -> Result<ExitStatus, Failure> {
    let ask = start_asking(sender, terminal, history)?;
    let next_question = || {
        // One question that waits is enough.
        let _ = ask.try_send(());
    };
    let mut running = Running::new(client, reporter);
    for event in events {
        if matches!(event, CommandEvent::Client(ClientEvent::Ended(_))) {
            terminal.restore();
        }
        match running.handle(event)? {
            Step::End(ending) => return ending,
            // Another connection is tried, and there is nothing to ask yet.
            Step::Said(ClientEvent::WithoutAlpn) => {}
            Step::Said(ClientEvent::Connected(_)) => {
                say(USE);
                next_question();
            }
            Step::Said(_) => next_question(),
            Step::Input(CommandEvent::Line(line)) if line.is_empty() => next_question(),
            Step::Input(CommandEvent::Line(line)) => {
                client.send(Command::Message(message(line, over)));
            }
            Step::Input(CommandEvent::BadInput(error)) => running.stop(error.into()),
            Step::Input(CommandEvent::EndOfInput) => client.send(Command::Finish),
            Step::Input(_) | Step::None => {}
        }
    }
    Err(no_word())
}

/// Finds the lines of earlier prompts; `None` where they have no place.
pub(super) fn history() -> Option<History> {
    let folder = folder::state_folder(&folder::process_variable)?;
    History::at(&folder.join("history"))
}

/// Lets the line editor offer the lines of earlier prompts.
fn recall(editor: &mut DefaultEditor, history: &mut Option<History>) {
    let lines = history
        .as_ref()
        .map_or_else(|| Ok(Vec::new()), History::read);
    match lines {
        // Without history there are still the lines that are typed now.
        Ok(lines) => lines
            .iter()
            .for_each(|line| drop(editor.add_history_entry(line))),
        Err(error) => give_up(history, &error),
    }
}

/// Keeps no lines any more, and says why.
fn give_up(history: &mut Option<History>, error: &io::Error) {
    if let Some(history) = history.take() {
        let path = text::path(history.path());
        say(format_args!(
            "warning: what is typed is not kept in {path}: {error}"
        ));
    }
}

/// Starts the thread that asks once for each `()` it is sent.
fn start_asking(
    sender: Sender<CommandEvent>,
    terminal: &Terminal,
    mut history: Option<History>,
) -> Result<SyncSender<()>, Failure> {
    let question = terminal.question.clone();
    let screen = terminal.screen.clone();
    let mut editor = Config::builder()
        .max_history_size(history::LINES_MAX)
        .and_then(|config| DefaultEditor::with_config(config.build()))
        .context("cannot use the terminal")?;
    // What goes to a file is nobody's question, and a terminal that can do
    // nothing has no such thing.
    if io::stderr().is_terminal()
        && let Ok(printer) = editor.create_external_printer()
    {
        screen.share(printer);
    }
    let (ask, asked) = sync_channel(1);
    spawn("prompt", move || {
        let _death = DeathNotice(sender.clone());
        for (number, ()) in asked.iter().enumerate() {
            // Not before `Connecting to …` has the rest of its line.
            if number == 0 {
                recall(&mut editor, &mut history);
            }
            if !PromptState::begin(&question) {
                return;
            }
            let answer = editor.readline(PROMPT);
            PromptState::end(&question);
            let event = match answer {
                Ok(line) => {
                    // History is a convenience: without it, none.
                    let _ = editor.add_history_entry(&line);
                    if let Some(Err(error)) = history.as_ref().map(|history| history.add(&line)) {
                        give_up(&mut history, &error);
                    }
                    CommandEvent::Line(line)
                }
                Err(ReadlineError::Interrupted) => CommandEvent::Signal(ExitStatus::Interrupted),
                Err(_) => CommandEvent::EndOfInput,
            };
            let is_last = !matches!(event, CommandEvent::Line(_));
            send(&sender, event);
            if is_last {
                screen.take_back(|_| ());
                return;
            }
        }
    })?;
    Ok(ask)
}

/// Ends the command when the thread that asks dies: nobody would be asked any more.
struct DeathNotice(Sender<CommandEvent>);

impl Drop for DeathNotice {
    fn drop(&mut self) {
        if thread::panicking() {
            let error = anyhow!("the prompt has failed");
            send(&self.0, CommandEvent::BadInput(error));
        }
    }
}

/// Whether a person is being asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PromptState {
    #[default]
    None,
    Asked,
    /// None may be asked any more.
    Never,
}

impl PromptState {
    /// Tells whether a question may be asked now, and notes it.
    fn begin(question: &Mutex<Self>) -> bool {
        let mut question = question.lock().unwrap_or_else(PoisonError::into_inner);
        if *question == Self::Never {
            return false;
        }
        *question = Self::Asked;
        true
    }

    fn end(question: &Mutex<Self>) {
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

/// Ends what the line editor has asked a terminal for (bracketed paste).
const LEAVE_EDITOR: &[u8] = b"\x1b[?2004l";

/// Values of TERM with which rustyline edits nothing: the system shows what is typed.
const UNEDITED: [&str; 3] = ["dumb", "cons25", "emacs"];

/// Tells whether the line editor takes the terminal and shows what is typed.
fn is_edited() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    !UNEDITED.iter().any(|name| name.eq_ignore_ascii_case(&term))
}

/// The terminal from the first word on, to be given back as it was.
pub(super) struct Terminal {
    /// As it was, and as it is while there is no question; `None` if it is left alone.
    settings: Option<(Termios, Termios)>,
    question: Arc<Mutex<PromptState>>,
    screen: Screen,
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
    fn restore(&self) {
        let asked = PromptState::forbid(&self.question);
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
                let mut out = io::stdout().lock();
                let leave = self.settings.as_ref().map_or(&b""[..], |_| LEAVE_EDITOR);
                let words = [leave, b"\n"].concat();
                let _ = out.write_all(&words).and_then(|()| out.flush());
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

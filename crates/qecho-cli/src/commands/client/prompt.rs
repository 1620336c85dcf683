//! The prompt. It runs on a thread of its own, so that the connection lives
//! on while a person thinks.

use std::{
    io::{self, IsTerminal, Write},
    sync::mpsc::{Receiver, Sender, SyncSender, sync_channel},
    thread,
};

use anyhow::{Context, anyhow};
use qecho_cert::folder;
use qecho_echo::client::{Client, ClientEvent, Command, Mode};
use qecho_packet::text;
use qecho_terminal::history::{self, History};
use rustyline::{Config, error::ReadlineError};

use super::{
    super::spawn,
    CommandEvent, Running, Step, message, no_word,
    reporter::Reporter,
    screen::Screen,
    send,
    terminal::{PROMPT, PromptState, Terminal, USE, is_edited},
    typed::LineEditor,
};
use crate::{
    exit::{ExitStatus, Failure, is_closed_terminal},
    stderr::say,
};

/// Answer to a byte that is not UTF-8.
const NO_TEXT: &str = "what was typed is not UTF-8, and is left out";

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
fn recall(editor: &mut LineEditor, history: &mut Option<History>) {
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
    // Ctrl-C, Ctrl-Z and Ctrl-\ are for all that runs here, such as a script around this.
    let mut editor = Config::builder()
        .enable_signals(true)
        .max_history_size(history::LINES_MAX)
        .and_then(|config| LineEditor::with_config(config.build()))
        .context("cannot use the terminal")?;
    editor.set_helper(Some(screen.typed.clone()));
    let is_edited = is_edited();
    // What goes to a file is nobody's question, and a terminal that can do
    // nothing has no such thing.
    if is_edited
        && io::stderr().is_terminal()
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
            let answer = match is_edited {
                true => read_edited(&mut editor, &screen),
                false => read_unedited(),
            };
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
                Err(_) if is_closed_terminal(io::stdin()) => {
                    CommandEvent::Signal(ExitStatus::Terminated)
                }
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

/// Asks where the editor shows what is typed; again, with what was typed until then, after a byte
/// that is no text.
fn read_edited(editor: &mut LineEditor, screen: &Screen) -> Result<String, ReadlineError> {
    screen.typed.take();
    let mut answer = editor.readline(PROMPT);
    while answer.as_ref().is_err_and(is_no_text) {
        // The editor has left the cursor in its line.
        write(b"\n")?;
        say(NO_TEXT);
        answer = editor.readline_with_initial(PROMPT, (&screen.typed.take(), ""));
    }
    answer
}

/// Asks where the system shows what is typed; again after a line that is no text.
fn read_unedited() -> Result<String, ReadlineError> {
    let mut line = String::new();
    loop {
        write(PROMPT.as_bytes())?;
        match io::stdin().read_line(&mut line).map_err(Into::into) {
            Ok(0) => return Err(ReadlineError::Eof),
            Ok(_) => break,
            Err(error) if is_no_text(&error) => say(NO_TEXT),
            Err(error) => return Err(error),
        }
    }
    let whole = line.strip_suffix('\n').unwrap_or(&line);
    Ok(whole.strip_suffix('\r').unwrap_or(whole).to_owned())
}

fn is_no_text(error: &ReadlineError) -> bool {
    matches!(error, ReadlineError::Io(error) if error.kind() == io::ErrorKind::InvalidData)
}

fn write(words: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(words)?;
    out.flush()
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

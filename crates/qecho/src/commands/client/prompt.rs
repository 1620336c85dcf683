//! The prompt. It runs on a thread of its own, so that the connection lives
//! on while a person thinks.

use std::{
    io,
    sync::mpsc::{Receiver, Sender, SyncSender, sync_channel},
    thread,
};

use anyhow::Context;
use qecho_tools::client::{Client, ClientEvent, Mail, Way};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::{DefaultEditor, error::ReadlineError};

use super::{Occurrence, message, tell_off, voice::Voice};
use crate::ending::{Ending, Failure};

const PROMPT: &str = "Message: ";

/// Asks for messages until the person or the server ends it.
pub(super) fn run(
    client: &Client,
    over: Way,
    voice: &mut Voice,
    tell: Sender<Occurrence>,
    occurrences: &Receiver<Occurrence>,
) -> Result<Ending, Failure> {
    let terminal = Terminal::remember();
    let ask = start_asking(tell)?;
    let mut asking = false;
    let mut interrupted = None;
    let mut next_question = || {
        asking = ask.try_send(()).is_ok();
        asking
    };
    for occurrence in occurrences {
        match occurrence {
            Occurrence::Line(line) if line.is_empty() => {
                next_question();
            }
            Occurrence::Line(line) => client.send(Mail::Message(message(&line, over))),
            Occurrence::EndOfInput => client.send(Mail::Finish),
            Occurrence::Signal(ending) => {
                interrupted = Some(ending);
                client.send(Mail::Stop);
            }
            Occurrence::Client(ClientEvent::Ended(outcome)) => {
                terminal.restore();
                return match interrupted {
                    Some(ending) => Err(Failure::silent(ending)),
                    None => voice.ended(outcome),
                };
            }
            Occurrence::Client(event) => {
                voice.tell(&event)?;
                next_question();
            }
        }
    }
    Err(anyhow::anyhow!("the client's thread ended without a word").into())
}

/// Starts the thread that asks once for each `()` it is sent.
fn start_asking(tell: Sender<Occurrence>) -> Result<SyncSender<()>, Failure> {
    let mut editor = DefaultEditor::new().context("cannot use the terminal")?;
    let (ask, asked) = sync_channel(1);
    thread::Builder::new()
        .name("prompt".into())
        .spawn(move || {
            for () in asked {
                let occurrence = match editor.readline(PROMPT) {
                    Ok(line) => {
                        // History is a convenience: without it, none.
                        let _ = editor.add_history_entry(&line);
                        Occurrence::Line(line)
                    }
                    Err(ReadlineError::Interrupted) => Occurrence::Signal(Ending::Interrupted),
                    Err(_) => Occurrence::EndOfInput,
                };
                tell_off(&tell, occurrence);
            }
        })
        .context("cannot start a thread")?;
    Ok(ask)
}

/// The terminal's settings as they were before the prompt changed them.
struct Terminal(Option<Termios>);

impl Terminal {
    fn remember() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }

    /// Makes the terminal usable again while the prompt still waits for a
    /// person.
    fn restore(&self) {
        if let Some(settings) = &self.0 {
            // Nothing can be done about a terminal that has gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, settings);
        }
    }
}

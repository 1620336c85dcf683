//! The prompt. It runs on a thread of its own, so that the connection lives
//! on while a person thinks.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, SyncSender, sync_channel},
    },
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
    let ask = start_asking(tell, terminal.asking.clone())?;
    let mut interrupted = None;
    let next_question = || {
        // One question that waits is enough.
        let _ = ask.try_send(());
    };
    for occurrence in occurrences {
        match occurrence {
            Occurrence::Line(line) if line.is_empty() => next_question(),
            Occurrence::BadInput(_) | Occurrence::Written(_) => {}
            Occurrence::Line(line) => client.send(Mail::Message(message(line, over))),
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
fn start_asking(
    tell: Sender<Occurrence>,
    asking: Arc<AtomicBool>,
) -> Result<SyncSender<()>, Failure> {
    let mut editor = DefaultEditor::new().context("cannot use the terminal")?;
    let (ask, asked) = sync_channel(1);
    thread::Builder::new()
        .name("prompt".into())
        .spawn(move || {
            for () in asked {
                asking.store(true, Ordering::Relaxed);
                let answer = editor.readline(PROMPT);
                asking.store(false, Ordering::Relaxed);
                let occurrence = match answer {
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

/// Ends what the line editor has asked a terminal for (bracketed paste), and
/// the line.
const LEAVE_PROMPT: &[u8] = b"\x1b[?2004l\n";

/// The terminal as it was before the prompt changed it.
struct Terminal {
    settings: Option<Termios>,
    /// Whether the prompt waits for a person.
    asking: Arc<AtomicBool>,
}

impl Terminal {
    fn remember() -> Self {
        Self {
            settings: tcgetattr(io::stdin()).ok(),
            asking: Arc::default(),
        }
    }

    /// Makes the terminal usable again while the prompt still waits for a
    /// person.
    fn restore(&self) {
        // Nothing can be done about a terminal that has gone.
        if let Some(settings) = &self.settings {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, settings);
        }
        if self.asking.load(Ordering::Relaxed) {
            let mut out = io::stdout().lock();
            let _ = out.write_all(LEAVE_PROMPT).and_then(|()| out.flush());
        }
    }
}

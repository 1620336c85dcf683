//! Messages from the command line, or one for each line of a pipe.

use std::{
    io::BufRead,
    sync::mpsc::{Receiver, Sender},
    thread,
};

use anyhow::Context;
use qecho_engine::Mailbox;
use qecho_tools::client::{Client, ClientEvent, Mail, Way};

use super::{Occurrence, message, tell_off, voice::Voice};
use crate::{
    args::ClientArguments,
    ending::{Ending, Failure},
};

/// Sends what was given and tells what comes back.
pub(super) fn run(
    arguments: &ClientArguments,
    client: &Client,
    over: Way,
    voice: &mut Voice,
    tell: Sender<Occurrence>,
    occurrences: &Receiver<Occurrence>,
) -> Result<Ending, Failure> {
    if arguments.messages.is_empty() {
        read_lines(client.mailbox(), over, tell)?;
    } else {
        drop(tell);
        for text in &arguments.messages {
            client.send(Mail::Message(message(text, over)));
        }
        client.send(Mail::Finish);
    }
    let mut interrupted = None;
    for occurrence in occurrences {
        match occurrence {
            Occurrence::Client(ClientEvent::Ended(outcome)) => {
                return match interrupted {
                    Some(ending) => Err(Failure::silent(ending)),
                    None => voice.ended(outcome),
                };
            }
            Occurrence::Client(event) => voice.tell(&event)?,
            Occurrence::Signal(ending) => {
                interrupted = Some(ending);
                client.send(Mail::Stop);
            }
            Occurrence::Line(_) | Occurrence::EndOfInput => {}
        }
    }
    Err(anyhow::anyhow!("the client's thread ended without a word").into())
}

/// Sends each line of stdin as a message, on a thread of its own; the full
/// mailbox holds it back.
fn read_lines(mailbox: Mailbox<Mail>, over: Way, tell: Sender<Occurrence>) -> Result<(), Failure> {
    thread::Builder::new()
        .name("stdin".into())
        .spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else {
                    super::voice::say("qecho: cannot read stdin as lines of UTF-8 text\n");
                    tell_off(&tell, Occurrence::Signal(Ending::CouldNotRun));
                    return;
                };
                if mailbox.send(Mail::Message(message(&line, over))).is_err() {
                    return;
                }
            }
            // If the client has ended there is nothing to finish.
            let _ = mailbox.send(Mail::Finish);
        })
        .context("cannot start a thread")?;
    Ok(())
}

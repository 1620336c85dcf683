//! Messages from the command line, or one for each line of a pipe.

use std::{
    io::{self, BufRead, Read},
    sync::mpsc::{Receiver, Sender, SyncSender, sync_channel},
};

use anyhow::anyhow;
use qecho_echo::client::{Client, ClientEvent, Command, Mode};
use qecho_io::Mailbox;

use super::{
    super::spawn, CommandEvent, Running, Step, can_be_empty, message, no_word, reporter::Reporter,
    send,
};
use crate::{
    args::ClientArguments,
    exit::{ExitStatus, Failure},
};

/// Longest line that is sent as a message.
const LINE_MAX: usize = 1 << 20;

/// Lines that were read and have not come back; no more are read until one has.
const LINES_UNANSWERED_MAX: usize = 16;

/// Sends what was given and tells what comes back.
pub(super) fn run(
    arguments: &ClientArguments,
    client: &Client,
    over: Mode,
    reporter: &mut Reporter,
    sender: Sender<CommandEvent>,
    events: &Receiver<CommandEvent>,
) -> Result<ExitStatus, Failure> {
    let (unanswered, answered) = sync_channel(LINES_UNANSWERED_MAX);
    if arguments.messages.is_empty() {
        read_lines(client.mailbox(), over, unanswered, sender)?;
    } else {
        drop(sender);
        for text in &arguments.messages {
            client.send(Command::Message(message(text.as_str(), over)));
        }
        client.send(Command::Finish);
    }
    let mut running = Running::new(client, reporter);
    for event in events {
        match running.handle(event)? {
            Step::End(ending) => return ending,
            // Empty unless lines are read.
            Step::Said(ClientEvent::Echoed(_) | ClientEvent::Lost { .. }) => {
                let _ = answered.try_recv();
            }
            Step::Input(CommandEvent::BadInput(error)) => {
                running.reporter.end_line();
                running.stop(error.into());
            }
            Step::Said(_) | Step::Input(_) | Step::None => {}
        }
    }
    Err(no_word())
}

/// Sends each line of stdin as a message, on a thread of its own; `unanswered`
/// is full and holds it back while too many have not come back.
fn read_lines(
    mailbox: Mailbox<Command>,
    over: Mode,
    unanswered: SyncSender<()>,
    sender: Sender<CommandEvent>,
) -> anyhow::Result<()> {
    spawn("stdin", move || {
        let mut stdin = io::stdin().lock();
        for number in 1_u64.. {
            let line = match next_line(&mut stdin) {
                Ok(Some(line)) if line.len() <= LINE_MAX => line,
                Ok(None) => break,
                Ok(Some(_)) => {
                    let error = anyhow!("line {number} of stdin is longer than {LINE_MAX} bytes");
                    return send(&sender, CommandEvent::BadInput(error));
                }
                Err(error) => {
                    let error = anyhow::Error::new(error).context("cannot read stdin");
                    return send(&sender, CommandEvent::BadInput(error));
                }
            };
            // Whoever presses Enter on a stream that all lines share says nothing.
            if line.is_empty() && !can_be_empty(over) {
                continue;
            }
            let command = Command::Message(message(line, over));
            if unanswered.send(()).is_err() || mailbox.send(command).is_err() {
                return;
            }
        }
        // If the client has ended there is nothing to finish.
        let _ = mailbox.send(Command::Finish);
    })
}

/// Reads a line without its end; of one that is too long only so much that it shows.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let most = LINE_MAX as u64 + b"x\r\n".len() as u64;
    input.take(most).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop_if(|last| *last == b'\n').is_some() {
        line.pop_if(|last| *last == b'\r');
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_without_their_ends_whatever_is_in_them() {
        let mut input = &b"a\r\n\n\xff\rb\nlast\r"[..];
        let mut next = || next_line(&mut input).expect("a slice can be read");
        let expected = [&b"a"[..], b"", b"\xff\rb", b"last\r"];
        for line in expected {
            assert_eq!(next().as_deref(), Some(line));
        }
        assert_eq!(next(), None);
    }

    #[test]
    fn a_line_is_read_as_far_as_it_may_be_long() {
        let longest = [vec![b'x'; LINE_MAX], b"\r\n".to_vec()].concat();
        let line = next_line(&mut &longest[..]).expect("a slice can be read");
        assert_eq!(line.map(|line| line.len()), Some(LINE_MAX));
        let endless = vec![b'x'; 3 * LINE_MAX];
        let line = next_line(&mut &endless[..]).expect("a slice can be read");
        assert!(line.is_some_and(|line| line.len() > LINE_MAX && line.len() < LINE_MAX + 4));
    }
}

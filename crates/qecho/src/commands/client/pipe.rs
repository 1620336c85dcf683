//! Bytes from stdin, their echo to stdout.

use std::{
    io::{self, IsTerminal, Read, Write},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use qecho_engine::{Direction, Waker};
use qecho_tools::{
    COALESCE_MAX,
    client::{Client, ClientEvent, Config, Mail, PIECES_MAX, PipeEnds, Progress},
};

use super::{Occurrence, listener, voice::Voice};
use crate::{
    args::{ClientArguments, Format, OverArgument},
    ending::{Ending, Failure},
};

/// How often the progress bar moves.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Sends stdin and writes what comes back, or compares it.
pub(super) fn run(
    arguments: &ClientArguments,
    config: &Config,
    mut voice: Voice,
    tell: Sender<Occurrence>,
    occurrences: &Receiver<Occurrence>,
) -> Result<Ending, Failure> {
    let (send_input, input) = sync_channel(PIECES_MAX);
    let (output, received) = sync_channel(PIECES_MAX);
    let progress = Arc::new(Progress::default());
    let ends = PipeEnds {
        input,
        output: (!arguments.verify).then_some(output),
        progress: progress.clone(),
        direction: match arguments.over {
            OverArgument::Uni => Direction::Unidirectional,
            _ => Direction::Bidirectional,
        },
    };
    let client = Client::pipe(config, listener(tell), ends).context("cannot start the client")?;
    start_reading(send_input, client.waker())?;
    let writer = start_writing(received, client.waker())?;
    let ending = follow(&client, &mut voice, &progress, occurrences);
    let ending = super::finish(client, ending)?;
    match writer.join() {
        Ok(written) => written?,
        Err(panic) => std::panic::resume_unwind(panic),
    }
    if arguments.verify && arguments.format == Format::Text && ending == Ending::Done {
        let bytes = progress.received.load(Ordering::Relaxed);
        writeln!(io::stdout(), "ok: {bytes} bytes came back identical")?;
    }
    Ok(ending)
}

/// Shows how far the pipe has come until it ends.
fn follow(
    client: &Client,
    voice: &mut Voice,
    progress: &Progress,
    occurrences: &Receiver<Occurrence>,
) -> Result<Ending, Failure> {
    let bar = io::stderr().is_terminal().then(bar);
    let mut interrupted = None;
    loop {
        match occurrences.recv_timeout(PROGRESS_INTERVAL) {
            Ok(Occurrence::Client(ClientEvent::Ended(outcome))) => {
                if let Some(bar) = &bar {
                    show(bar, progress);
                    bar.abandon();
                }
                return match interrupted {
                    Some(ending) => Err(Failure::silent(ending)),
                    None => voice.ended(outcome),
                };
            }
            Ok(Occurrence::Client(event)) => voice.tell(&event)?,
            Ok(Occurrence::Signal(ending)) => {
                interrupted = Some(ending);
                client.send(Mail::Stop);
            }
            Ok(Occurrence::Line(_) | Occurrence::EndOfInput | Occurrence::BadInput(_)) => {}
            Err(RecvTimeoutError::Timeout) => {
                if let Some(bar) = &bar {
                    show(bar, progress);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(anyhow::anyhow!("the client's thread ended without a word").into());
            }
        }
    }
}

fn bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{spinner} {bytes} echoed, {binary_bytes_per_sec} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let received = progress.received.load(Ordering::Relaxed);
    let sent = progress.sent.load(Ordering::Relaxed);
    bar.set_position(received);
    bar.set_message(format!(
        "({} bytes on the way)",
        sent.saturating_sub(received)
    ));
    bar.tick();
}

/// Reads stdin in pieces on a thread of its own; the full pipe holds it back.
fn start_reading(input: SyncSender<io::Result<Bytes>>, waker: Waker) -> Result<(), Failure> {
    thread::Builder::new()
        .name("stdin".into())
        .spawn(move || {
            let mut stdin = io::stdin().lock();
            let mut buffer = vec![0; COALESCE_MAX];
            loop {
                let piece = match stdin.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => Ok(Bytes::copy_from_slice(&buffer[..length])),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = piece.is_err();
                if input.send(piece).is_err() || failed {
                    break;
                }
                waker.wake();
            }
            drop(input);
            waker.wake();
        })
        .context("cannot start a thread")?;
    Ok(())
}

/// Writes what came back to stdout on a thread of its own.
fn start_writing(
    received: Receiver<Bytes>,
    waker: Waker,
) -> Result<JoinHandle<io::Result<()>>, Failure> {
    let writer = thread::Builder::new()
        .name("stdout".into())
        .spawn(move || {
            let written = write_all(received, &waker);
            waker.wake();
            written
        })
        .context("cannot start a thread")?;
    Ok(writer)
}

fn write_all(received: Receiver<Bytes>, waker: &Waker) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for piece in received {
        stdout.write_all(&piece)?;
        stdout.flush()?;
        waker.wake();
    }
    Ok(())
}

//! Bytes from stdin, their echo to stdout.

use std::{
    io::{self, IsTerminal, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel},
    },
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use qecho_echo::{
    COALESCE_MAX,
    client::{CHUNKS_MAX, Client, ClientEvent, Config, TransferIo, TransferProgress},
};
use qecho_engine::Dir;
use qecho_io::Waker;
use qecho_packet::text::{self, Decoder, counted};

use super::{
    super::spawn, CommandEvent, Running, Step, listener, no_word, reporter::Reporter, send,
};
use crate::{
    args::{ClientArguments, Format, OverArgument},
    exit::{ExitStatus, Failure},
    stderr::{is_drawn_on, say, say_if_read},
};

/// Time from one move of the progress bar to the next.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Intervals for which stdout may take nothing once the connection has failed, before what came
/// back until then is given up.
const IDLE_INTERVALS_MAX: u32 = 10;

/// Sends stdin and writes what comes back, or compares it.
pub(super) fn run(
    arguments: &ClientArguments,
    config: &Config,
    mut reporter: Reporter,
    sender: Sender<CommandEvent>,
    events: &Receiver<CommandEvent>,
) -> Result<ExitStatus, Failure> {
    let (send_input, input) = sync_channel(CHUNKS_MAX);
    let (output, received) = sync_channel(CHUNKS_MAX);
    let progress = Arc::new(TransferProgress::default());
    let io = TransferIo {
        input,
        output: (!arguments.verify).then_some(output),
        progress: progress.clone(),
        direction: match arguments.over {
            OverArgument::Uni => Dir::Unidirectional,
            _ => Dir::Bidirectional,
        },
    };
    let client = Client::transfer(config, listener(sender.clone()), io)
        .context("cannot start the client")?;
    start_reading(send_input, client.waker())?;
    // What comes back is written when it was said that there is a connection.
    let (unsaid, said) = sync_channel(0);
    let taken = Arc::<AtomicU64>::default();
    start_writing(received, said, client.waker(), sender, taken.clone())?;
    let (has_bar, taken) = (has_bar(arguments), &*taken);
    let ending = follow(
        &client,
        &mut reporter,
        &progress,
        has_bar,
        events,
        unsaid,
        taken,
    );
    let ending = super::finish(client, ending)?;
    if arguments.verify && arguments.format == Format::Text && ending == ExitStatus::Done {
        let bytes = progress.received.load(Ordering::Relaxed);
        writeln!(
            io::stdout(),
            "ok: {} came back identical",
            counted(bytes, "byte")
        )?;
    }
    Ok(ending)
}

/// Tells whether a bar shows how far the pipe has come. Over the bytes
/// themselves or packets, which tell enough, it would be drawn.
fn has_bar(arguments: &ClientArguments) -> bool {
    let bytes = !arguments.verify && io::stdout().is_terminal();
    let packets = arguments.observe.trace.is_some();
    is_drawn_on() && !bytes && !packets
}

/// Follows the pipe until all that came back was written or something went
/// wrong, and shows how far it has come if that is wanted.
fn follow(
    client: &Client,
    reporter: &mut Reporter,
    progress: &TransferProgress,
    has_bar: bool,
    events: &Receiver<CommandEvent>,
    unsaid: SyncSender<()>,
    taken: &AtomicU64,
) -> Result<ExitStatus, Failure> {
    let mut running = Running::new(client, reporter);
    let mut unsaid = Some(unsaid);
    let mut bar: Option<PipeProgress<'_>> = None;
    let mut done = None;
    let mut all_written = false;
    let mut idle = Idle::new(taken);
    loop {
        let is_over =
            |outcome: &mut Result<_, _>| all_written || outcome.is_err() && idle.is_too_long();
        if let Some(outcome) = done.take_if(is_over) {
            end(bar);
            if !all_written {
                warn_of_unwritten(progress, taken);
            }
            return running.reporter.ended(outcome);
        }
        let event = match events.recv_timeout(PROGRESS_INTERVAL) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => {
                idle.look();
                bar.iter().for_each(PipeProgress::show);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return Err(no_word()),
        };
        match event {
            CommandEvent::Client(ClientEvent::Ended(outcome)) if running.stopped.is_none() => {
                // What came back before it failed is written, too.
                done = Some(outcome);
                idle = Idle::new(taken);
                drop(unsaid.take());
                continue;
            }
            CommandEvent::Signal(ending) if done.is_some() => {
                end(bar);
                return Err(Failure::silent(ending));
            }
            CommandEvent::Client(ClientEvent::Ended(_)) => end(bar.take()),
            _ => {}
        }
        match running.handle(event)? {
            Step::End(ending) => return ending,
            Step::Said(ClientEvent::Connected(_)) => {
                bar = has_bar.then(|| PipeProgress::new(progress));
                drop(unsaid.take());
            }
            Step::Input(CommandEvent::Written(written)) => {
                written?;
                all_written = true;
            }
            Step::Said(_) | Step::Input(_) | Step::None => {}
        }
    }
}

/// How long stdout has taken nothing.
struct Idle<'a> {
    /// Bytes that it took.
    taken: &'a AtomicU64,
    before: u64,
    intervals: u32,
}

impl<'a> Idle<'a> {
    fn new(taken: &'a AtomicU64) -> Self {
        Self {
            taken,
            before: taken.load(Ordering::Relaxed),
            intervals: 0,
        }
    }

    /// Looks whether it has taken anything in this interval.
    fn look(&mut self) {
        let taken = self.taken.load(Ordering::Relaxed);
        self.intervals = match std::mem::replace(&mut self.before, taken) == taken {
            true => self.intervals + 1,
            false => 0,
        };
    }

    fn is_too_long(&self) -> bool {
        self.intervals >= IDLE_INTERVALS_MAX
    }
}

/// Says how much of what came back is lost, since nobody took it.
fn warn_of_unwritten(progress: &TransferProgress, taken: &AtomicU64) {
    let received = progress.received.load(Ordering::Relaxed);
    let bytes = received.saturating_sub(taken.load(Ordering::Relaxed));
    let bytes = counted(bytes, "byte");
    say_if_read(format_args!(
        "warning: {bytes} that came back could not be written: stdout took nothing for 1 s"
    ));
}

fn end(bar: Option<PipeProgress<'_>>) {
    if let Some(bar) = bar {
        bar.end();
    }
}

/// A line on a terminal that tells how far the pipe has come.
struct PipeProgress<'a> {
    bar: ProgressBar,
    progress: &'a TransferProgress,
}

impl<'a> PipeProgress<'a> {
    fn new(progress: &'a TransferProgress) -> Self {
        let style =
            ProgressStyle::with_template("{spinner} {bytes} echoed, {binary_bytes_per_sec} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::new_spinner().with_style(style);
        Self { bar, progress }
    }

    fn show(&self) {
        let received = self.progress.received.load(Ordering::Relaxed);
        let sent = self.progress.sent.load(Ordering::Relaxed);
        let on_the_way = HumanBytes(sent.saturating_sub(received));
        self.bar.set_position(received);
        self.bar.set_message(format!("({on_the_way} on the way)"));
        self.bar.tick();
    }

    /// Shows the last figures and leaves them there.
    fn end(self) {
        self.show();
        self.bar.abandon();
        say("");
    }
}

/// Reads stdin in pieces on a thread of its own; the full pipe holds it back.
fn start_reading(input: SyncSender<io::Result<Bytes>>, waker: Waker) -> anyhow::Result<()> {
    spawn("stdin", move || {
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
}

/// Writes what came back to stdout on a thread of its own.
fn start_writing(
    received: Receiver<Bytes>,
    said: Receiver<()>,
    waker: Waker,
    sender: Sender<CommandEvent>,
    taken: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    spawn("stdout", move || {
        // Its other end is dropped then.
        let _ = said.recv();
        let written = write_all(received, &waker, &taken);
        waker.wake();
        send(&sender, CommandEvent::Written(written));
    })
}

/// Writes the bytes as they are, but to a terminal as text that it cannot obey.
fn write_all(received: Receiver<Bytes>, waker: &Waker, taken: &AtomicU64) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let mut decoder = stdout.is_terminal().then(Decoder::default);
    for piece in received {
        match &mut decoder {
            None => stdout.write_all(&piece)?,
            Some(decoder) => {
                let text = text::shown_lines(&decoder.decode(&piece));
                stdout.write_all(text.as_bytes())?;
            }
        }
        stdout.flush()?;
        taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
        waker.wake();
    }
    let unfinished = decoder.and_then(|mut decoder| decoder.finish());
    unfinished.map_or(Ok(()), |character| write!(stdout, "{character}"))
}

//! The terminal while a ping is shown live, and given back after it.

use std::{
    io::{self, IsTerminal, Read, Write},
    panic,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::Sender,
    },
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow};
use qecho_measure::ping::PingEvent;
use qecho_terminal::{canvas::Canvas, colour};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::{super::spawn, CommandEvent, reporter::Reporter};
use crate::{
    exit::{ExitStatus, Failure},
    render::ping::live::Live,
};

/// Time from one picture to the next.
const PICTURE_EVERY: Duration = Duration::from_millis(100);

/// Goes to a screen of our own, without a cursor, so that the usual one stays as it is.
const OWN_SCREEN: &str = "\x1b[?1049h\x1b[?25l";

/// Goes back.
const USUAL_SCREEN: &str = "\x1b[?25h\x1b[?1049l";

/// Keys that end the view: Ctrl-C and `q`. Of a terminal in raw mode Ctrl-C is a key like any
/// other.
const END_KEYS: [u8; 2] = [0x03, b'q'];

/// The key that ends it if it comes alone: other keys are sequences that begin with it.
const ESCAPE: u8 = 0x1b;

/// A terminal that is ours until this is dropped.
pub(super) struct Screen {
    /// The terminal's settings outside of the picture.
    usual: Termios,
    /// Columns and rows of the picture that is shown, and its lines.
    size: (u16, u16),
    shown: Vec<String>,
    live: Live,
    /// Whether a picture is due that was not drawn yet: a terminal may stand still.
    due: Arc<AtomicBool>,
    /// Events that are told when the terminal is given back.
    later: Vec<(usize, PingEvent)>,
}

/// Refuses where there is no terminal to show anything on.
pub(super) fn check() -> Result<(), Failure> {
    match io::stdout().is_terminal() && io::stdin().is_terminal() {
        true => Ok(()),
        false => Err(Failure::from(anyhow!("--live needs a terminal"))
            .hint("leave it out, or take --format json")),
    }
}

impl Screen {
    /// Takes the terminal, and lets `tell` hear when a picture is due and when
    /// the end is asked for.
    pub(super) fn open(reporter: &Reporter, sender: &Sender<CommandEvent>) -> anyhow::Result<Self> {
        let usual = take().context("cannot take the terminal")?;
        let screen = Self {
            usual,
            size: (0, 0),
            shown: Vec::new(),
            live: Live::new(
                reporter.subjects(),
                reporter.absent(),
                colour::is_wanted(io::stdout()),
            ),
            due: Arc::default(),
            later: Vec::new(),
        };
        let due = screen.due.clone();
        let (pictures, keys) = (sender.clone(), sender.clone());
        // Both end with the command: then nobody listens, or there is no
        // process.
        spawn("pictures", move || {
            while due.swap(true, Relaxed) || pictures.send(CommandEvent::Picture).is_ok() {
                thread::sleep(PICTURE_EVERY);
            }
        })?;
        spawn("keys", move || {
            let mut typed = [0; 64];
            while let Ok(length @ 1..) = io::stdin().read(&mut typed) {
                let interrupted = CommandEvent::Signal(ExitStatus::Interrupted);
                if is_end(&typed[..length]) && keys.send(interrupted).is_err() {
                    return;
                }
            }
        })?;
        Ok(screen)
    }

    /// Notes what the ping tells of a host.
    pub(super) fn note(&mut self, host: usize, event: &PingEvent) {
        self.live.note(host, event);
        if matches!(
            event,
            PingEvent::Connected(_)
                | PingEvent::Disconnected(_)
                | PingEvent::Ended(_)
                | PingEvent::WithoutAlpn
        ) {
            self.later.push((host, event.clone()));
        }
    }

    /// Draws what was noted: the lines that have changed, or all on a terminal of a new size.
    pub(super) fn draw(&mut self) -> io::Result<()> {
        self.due.store(false, Relaxed);
        let size = tcgetwinsize(io::stdout())?;
        let size = (size.ws_col, size.ws_row);
        let mut canvas = Canvas::new(size.0.into(), size.1.into());
        self.live.draw(&mut canvas);
        let mut picture = String::new();
        if self.size != size {
            self.shown.clear();
            self.size = size;
            picture.push_str("\x1b[2J");
        }
        let lines: Vec<_> = canvas.rows().collect();
        for (row, line) in lines.iter().enumerate() {
            if self.shown.get(row) != Some(line) {
                picture += &format!("\x1b[{};1H{line}", row + 1);
            }
        }
        self.shown = lines;
        write(&picture)
    }

    /// Gives the terminal back; returns what is to be said on it.
    pub(super) fn close(mut self) -> Vec<(usize, PingEvent)> {
        std::mem::take(&mut self.later)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back(&self.usual);
    }
}

/// Takes the terminal; returns how it was set. A panic gives it back before it is told.
fn take() -> io::Result<Termios> {
    let usual = tcgetattr(io::stdin())?;
    let mut raw = usual.clone();
    raw.make_raw();
    tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
    let (told, before) = (panic::take_hook(), usual.clone());
    panic::set_hook(Box::new(move |panic| {
        give_back(&before);
        told(panic);
    }));
    write(OWN_SCREEN)?;
    Ok(usual)
}

/// Gives the terminal back as it was. If that fails, it is gone.
fn give_back(usual: &Termios) {
    let _ = write(USUAL_SCREEN);
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, usual);
}

fn write(sequences: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(sequences.as_bytes())?;
    out.flush()
}

/// Tells whether what was typed asks for the end.
fn is_end(typed: &[u8]) -> bool {
    match typed {
        [ESCAPE] => true,
        [ESCAPE, ..] => false,
        _ => typed.iter().any(|key| END_KEYS.contains(key)),
    }
}

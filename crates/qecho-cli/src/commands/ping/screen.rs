//! A ping as it is watched on a terminal.

use std::{
    io::{self, IsTerminal, Read},
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
use rustix::termios::tcgetwinsize;

use super::{
    super::{full_screen, spawn},
    CommandEvent,
    reporter::Reporter,
};
use crate::{
    exit::{ExitStatus, Failure, is_closed_terminal},
    render::ping::live::Live,
};

/// Time from one picture to the next.
const PICTURE_EVERY: Duration = Duration::from_millis(100);

/// Columns and rows of a terminal that does not know its size, such as a serial line's.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// Keys that end the view: `q`, and Ctrl-C where it interrupts nothing by itself.
const END_KEYS: [u8; 2] = [0x03, b'q'];

/// The key that ends it if it comes alone: other keys are sequences that begin with it.
const ESCAPE: u8 = 0x1b;

/// A terminal on which there is a picture until this is dropped.
pub(super) struct Screen {
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
    let refused = |reason: String| {
        Err(Failure::from(anyhow!(reason)).hint("leave it out, or take --format json"))
    };
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return refused("--live needs a terminal".into());
    }
    if !colour::takes_sequences() {
        let term = std::env::var("TERM").unwrap_or_default();
        let term = match term.is_empty() {
            true => "names none".into(),
            false => format!("is {term}"),
        };
        return refused(format!(
            "--live needs a terminal that can be drawn on, and TERM {term}"
        ));
    }
    Ok(())
}

impl Screen {
    /// Takes the terminal, and lets `tell` hear when a picture is due and when
    /// the end is asked for.
    pub(super) fn open(reporter: &Reporter, sender: &Sender<CommandEvent>) -> anyhow::Result<Self> {
        let mut screen = Self {
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
        screen.draw().context("cannot take the terminal")?;
        let due = screen.due.clone();
        let (pictures, keys) = (sender.clone(), sender.clone());
        // Both end with the command: then nobody listens, or there is no
        // process.
        spawn("pictures", move || {
            while due.swap(true, Relaxed) || pictures.send(CommandEvent::Picture).is_ok() {
                thread::sleep(PICTURE_EVERY);
            }
        })?;
        spawn("keys", move || follow_keys(&keys))?;
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
                | PingEvent::Paused { .. }
                | PingEvent::WithoutAlpn
        ) {
            self.later.push((host, event.clone()));
        }
    }

    /// Draws what was noted: the lines that have changed, or all on a terminal of a new size.
    pub(super) fn draw(&mut self) -> io::Result<()> {
        self.due.store(false, Relaxed);
        let size = tcgetwinsize(io::stdout())?;
        let size = match (size.ws_col, size.ws_row) {
            (0, _) | (_, 0) => USUAL_SIZE,
            size => size,
        };
        let mut canvas = Canvas::new(size.0.into(), size.1.into());
        self.live.draw(&mut canvas);
        let lines: Vec<_> = canvas.rows().collect();
        // Not before: a panic gives the terminal back, for which nobody may draw.
        let Some(drawing) = full_screen::draw()? else {
            return Ok(());
        };
        let mut picture = String::new();
        if drawing.is_blank || self.size != size {
            self.shown.clear();
            self.size = size;
            picture.push_str("\x1b[2J");
        }
        for (row, line) in lines.iter().enumerate() {
            if self.shown.get(row) != Some(line) {
                picture += &format!("\x1b[{};1H{line}", row + 1);
            }
        }
        self.shown = lines;
        drawing.write(&picture)
    }

    /// Gives the terminal back; returns what is to be said on it.
    pub(super) fn close(mut self) -> Vec<(usize, PingEvent)> {
        std::mem::take(&mut self.later)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        full_screen::give_back();
    }
}

/// Waits for the keys that end the view.
fn follow_keys(keys: &Sender<CommandEvent>) {
    let mut typed = [0; 64];
    loop {
        match io::stdin().read(&mut typed) {
            Ok(0) => return,
            Ok(length) => {
                let interrupted = CommandEvent::Signal(ExitStatus::Interrupted);
                if is_end(&typed[..length]) && keys.send(interrupted).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if is_closed_terminal(io::stdin()) => return,
            // In the background there are none.
            Err(_) => thread::sleep(PICTURE_EVERY),
        }
    }
}

/// Tells whether what was typed asks for the end.
fn is_end(typed: &[u8]) -> bool {
    match typed {
        [ESCAPE] => true,
        [ESCAPE, ..] => false,
        _ => typed.iter().any(|key| END_KEYS.contains(key)),
    }
}

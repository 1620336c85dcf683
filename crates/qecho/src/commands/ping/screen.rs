//! The terminal while a ping is shown live, and given back after it.

use std::{
    io::{self, IsTerminal},
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
use qecho_terminal::colour;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyModifiers},
};

use super::{super::spawn, CommandEvent, reporter::Reporter};
use crate::{
    exit::{ExitStatus, Failure},
    render::ping::live::Live,
};

/// Time from one picture to the next.
const PICTURE_EVERY: Duration = Duration::from_millis(100);

/// A terminal that is ours until this is dropped.
pub(super) struct Screen {
    terminal: DefaultTerminal,
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
        let terminal = ratatui::try_init().context("cannot take the terminal")?;
        let screen = Self {
            terminal,
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
            while let Ok(event) = event::read() {
                if is_end(&event)
                    && keys
                        .send(CommandEvent::Signal(ExitStatus::Interrupted))
                        .is_err()
                {
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

    /// Draws what was noted.
    pub(super) fn draw(&mut self) -> io::Result<()> {
        self.due.store(false, Relaxed);
        self.terminal.draw(|frame| self.live.draw(frame)).map(drop)
    }

    /// Gives the terminal back; returns what is to be said on it.
    pub(super) fn close(mut self) -> Vec<(usize, PingEvent)> {
        std::mem::take(&mut self.later)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Tells whether a key asks for the end. Of a terminal in raw mode Ctrl-C is a
/// key like any other.
fn is_end(event: &Event) -> bool {
    let Event::Key(key) = event else {
        return false;
    };
    match key.code {
        KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
        KeyCode::Char('q') | KeyCode::Esc => true,
        _ => false,
    }
}

//! What is being tried, for whoever waits: a line on a terminal, or else a line on stderr for each
//! thing that takes long.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use indicatif::ProgressBar;
use qecho_probe::doctor::{Options, Progress, Rung};

use crate::{commands::progress_bar::progress_bar, render::doctor::title, stderr::say};

/// Time after which it is said what is being tried, where no line is drawn, and said again.
const LONG: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];

/// A line on a terminal; elsewhere lines for what takes long.
pub(super) enum ProgressLine {
    Drawn(ProgressBar),
    Said(Sender<String>),
}

impl ProgressLine {
    pub(super) fn new(options: &Options) -> Self {
        let rungs = Rung::ALL.iter().filter(|rung| **rung <= options.highest);
        if let Some(bar) = progress_bar(rungs.count()) {
            return Self::Drawn(bar);
        }
        let (sender, tried) = channel();
        // Without a thread nothing is said, and all else goes on.
        let _ = thread::Builder::new().spawn(move || watch(&tried, LONG, say));
        Self::Said(sender)
    }

    /// Shows what is done.
    pub(super) fn show(&self, progress: &Progress) {
        let message = match progress {
            Progress::Begins(rung) => title(*rung).to_owned(),
            Progress::Tries(what) => what.clone(),
            _ => return,
        };
        match self {
            Self::Drawn(bar) => {
                if let Progress::Begins(rung) = progress {
                    let done = Rung::ALL.iter().take_while(|one| *one != rung);
                    bar.set_position(done.count() as u64);
                }
                bar.set_message(message);
                bar.tick();
            }
            // The thread may not be there.
            Self::Said(sender) => drop(sender.send(message)),
        }
    }

    /// Writes something where the line is, which comes again below it.
    pub(super) fn past<T>(&self, write: impl FnOnce() -> T) -> T {
        match self {
            Self::Drawn(bar) => bar.suspend(write),
            Self::Said(_) => write(),
        }
    }

    /// Leaves the line to the verdict.
    pub(super) fn end(self) {
        if let Self::Drawn(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Says what is being tried once it takes long, and again, until nobody tries anything any more.
fn watch(tried: &Receiver<String>, [long, longer]: [Duration; 2], say: impl Fn(String)) {
    let (mut what, mut taken) = (None, Duration::ZERO);
    loop {
        let wait = if taken.is_zero() { long } else { longer };
        match (tried.recv_timeout(wait), &what) {
            (Ok(next), _) => (what, taken) = (Some(next), Duration::ZERO),
            (Err(RecvTimeoutError::Timeout), Some(what)) => {
                taken += wait;
                say(format!("trying {what}, for {} s", taken.as_secs()));
            }
            (Err(RecvTimeoutError::Timeout), None) => {}
            (Err(RecvTimeoutError::Disconnected), _) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_said_again_and_again_and_what_does_not_is_not() {
        const NEVER: Duration = Duration::from_secs(3_600);
        let long = Duration::from_millis(1);
        for (times, said) in [([NEVER; 2], 0), ([long, NEVER], 1), ([long; 2], 3)] {
            let (sender, tried) = channel();
            let (tell, heard) = channel();
            let watching = thread::spawn(move || watch(&tried, times, |it| drop(tell.send(it))));
            sender.send("a handshake".into()).expect("it listens");
            for _ in 0..said {
                let line = heard.recv().expect("it says something");
                assert_eq!(line, "trying a handshake, for 0 s");
            }
            drop(sender);
            watching.join().expect("it ends");
            if times[1] == NEVER {
                assert!(heard.try_recv().is_err(), "it says no more");
            }
        }
    }
}

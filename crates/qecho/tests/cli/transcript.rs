//! Waiting for what other threads and processes say, never for longer than a limit.

use std::{
    fmt::Debug,
    io::Read,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

/// Time that any one event may take on a machine that has much else to do: what takes a second on
/// an idle one took 30 beside thirty busy loops.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Characters of an output that a failed test shows.
pub(crate) const SHOWN_MAX: usize = 4_000;

/// Bytes that a process writes, collected on a thread.
#[derive(Clone, Default)]
pub(crate) struct Transcript(Shared<Collected>);

#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    ended: bool,
}

impl Transcript {
    /// Returns one of output that the test reads itself, or nobody.
    pub(crate) fn none() -> Self {
        let output = Self::default();
        output.0.change(|collected| collected.ended = true);
        output
    }

    pub(crate) fn collect(mut source: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let heard = output.0.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            // A terminal whose other side has gone gives an error.
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                heard.change(|collected| collected.bytes.extend_from_slice(&buffer[..length]));
            }
            heard.change(|collected| collected.ended = true);
        });
        output
    }

    pub(crate) fn text(&self) -> String {
        self.0
            .see(|collected| String::from_utf8_lossy(&collected.bytes).into_owned())
    }

    /// Waits until the text that was written fulfils a condition, or nothing more can come; tells
    /// whether it does.
    pub(crate) fn reaches(&self, limit: Duration, condition: impl Fn(&str) -> bool) -> bool {
        let fulfils = |bytes: &[u8]| condition(&String::from_utf8_lossy(bytes));
        self.0.within(limit, |collected| {
            fulfils(&collected.bytes) || collected.ended
        });
        self.0.see(|collected| fulfils(&collected.bytes))
    }

    /// Waits until what was written fulfils a condition.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, condition: impl Fn(&[u8]) -> bool) {
        let met = self.0.within(LIMIT, |collected| {
            condition(&collected.bytes) || collected.ended
        });
        let fulfilled = self.0.see(|collected| condition(&collected.bytes));
        assert!(met && fulfilled, "no {what} in {self:?}");
    }

    /// Waits until some words were written.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        self.says_times(words, 1);
    }

    /// Waits until some words were written so many times.
    #[track_caller]
    pub(crate) fn says_times(&self, words: &str, times: usize) {
        self.until(words, |bytes| {
            String::from_utf8_lossy(bytes).matches(words).count() >= times
        });
    }

    /// Waits until some words were written after others.
    #[track_caller]
    pub(crate) fn says_after(&self, before: &str, words: &str) {
        self.until(words, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            text.split_once(before)
                .is_some_and(|(_, after)| after.contains(words))
        });
    }

    /// Waits for a whole line, counted from 0.
    #[track_caller]
    pub(crate) fn line(&self, number: usize) -> String {
        self.until("whole line", |bytes| {
            bytes.iter().filter(|byte| **byte == b'\n').count() > number
        });
        let text = self.text();
        text.lines().nth(number).expect("it was written").to_owned()
    }

    /// Waits for the first whole line that has some words.
    #[track_caller]
    pub(crate) fn line_with(&self, words: &str) -> String {
        let find = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let whole = text.rsplit_once('\n')?.0;
            let found = whole.lines().find(|line| line.contains(words));
            found.map(str::to_owned)
        };
        self.until(words, |bytes| find(bytes).is_some());
        self.0
            .see(|collected| find(&collected.bytes))
            .expect("it was written")
    }

    /// Waits until nothing more can come.
    #[track_caller]
    pub(crate) fn ends(&self) {
        let ended = self.0.within(LIMIT, |collected| collected.ended);
        assert!(ended, "{self:?} stays open");
    }

    pub(crate) fn all(&self) -> Vec<u8> {
        self.ends();
        self.0.see(|collected| collected.bytes.clone())
    }
}

impl Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.text();
        let tail = text.char_indices().rev().nth(SHOWN_MAX);
        let tail = tail.map_or(0, |(at, _)| at);
        write!(f, "{:?}", &text[tail..])
    }
}

/// A value that one thread changes and another waits for.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Arc<(Mutex<T>, Condvar)>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Shared<T> {
    pub(crate) fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.0.0.lock().expect("no thread panics with it"));
        self.0.1.notify_all();
    }

    fn see<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.0.0.lock().expect("no thread panics with it"))
    }

    /// Waits for a condition; tells whether it came true in time.
    pub(crate) fn within(&self, limit: Duration, condition: impl Fn(&T) -> bool) -> bool {
        let value = self.0.0.lock().expect("no thread panics with it");
        let (value, _) = self
            .0
            .1
            .wait_timeout_while(value, limit, |value| !condition(value))
            .expect("no thread panics with it");
        condition(&value)
    }
}

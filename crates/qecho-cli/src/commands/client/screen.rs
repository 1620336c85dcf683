//! The terminal that a question shares with lines that come while a person
//! thinks or types.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustyline::ExternalPrinter;

use super::typed::TypedLine;

/// The line editor's own way to show lines above the question; it waits until
/// the editor takes them.
type Printer = Arc<Mutex<dyn ExternalPrinter + Send>>;

/// Writes lines to stderr: above the question, while there is one. Clones are
/// the same screen.
#[derive(Clone, Default)]
pub(super) struct Screen {
    shared: Arc<Mutex<Option<Shared>>>,
    /// Line that is typed below these.
    pub(super) typed: TypedLine,
}

/// A line editor that may be at work.
struct Shared {
    printer: Printer,
    /// Whether it was given any line.
    has_lines: bool,
}

impl Screen {
    /// From now on a line editor may be at work.
    pub(super) fn share(&self, printer: impl ExternalPrinter + Send + 'static) {
        *self.shared() = Some(Shared {
            printer: Arc::new(Mutex::new(printer)),
            has_lines: false,
        });
    }

    /// From now on no line editor is at work. What is to be done between is
    /// told whether one was given lines; more of them wait for it.
    pub(super) fn take_back(&self, between: impl FnOnce(bool)) {
        let mut shared = self.shared();
        let had_lines = shared.take().is_some_and(|shared| shared.has_lines);
        between(had_lines);
    }

    /// Returns what shows lines above the question, which is about to be given one.
    fn printer(&self) -> Option<Printer> {
        let mut shared = self.shared();
        let shared = shared.as_mut()?;
        shared.has_lines = true;
        Some(shared.printer.clone())
    }

    fn shared(&self) -> MutexGuard<'_, Option<Shared>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Screen {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let shown = self.printer().is_some_and(|printer| {
            let mut printer = printer.lock().unwrap_or_else(PoisonError::into_inner);
            // An editor that has ended meanwhile gives an error.
            printer
                .print(String::from_utf8_lossy(lines).into_owned())
                .is_ok()
        });
        if !shown {
            io::stderr().write_all(lines)?;
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

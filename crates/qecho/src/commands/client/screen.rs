//! The terminal that a question shares with lines that come while a person
//! thinks or types.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustyline::ExternalPrinter;

/// The line editor's own way to show lines above the question; it waits until
/// the editor takes them.
type Printer = Arc<Mutex<dyn ExternalPrinter + Send>>;

/// Writes lines to stderr: above the question, while there is one. Clones are
/// the same screen.
#[derive(Clone, Default)]
pub(super) struct Screen(Arc<Mutex<Option<Printer>>>);

impl Screen {
    /// From now on a line editor may be at work.
    pub(super) fn share(&self, printer: impl ExternalPrinter + Send + 'static) {
        *self.printer() = Some(Arc::new(Mutex::new(printer)));
    }

    /// From now on no line editor is at work. What is to be done between is
    /// told whether one was; lines wait for it.
    pub(super) fn take_back(&self, between: impl FnOnce(bool)) {
        let mut printer = self.printer();
        let was_shared = printer.take().is_some();
        between(was_shared);
    }

    fn printer(&self) -> MutexGuard<'_, Option<Printer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Screen {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let printer = self.printer().clone();
        let shown = printer.is_some_and(|printer| {
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

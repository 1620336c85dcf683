//! Ends a load from another thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use qecho_io::Mailbox;

use super::events::Command;

/// Handle that ends a load from another thread.
#[derive(Clone, Debug, Default)]
pub struct Stopper(Arc<Mutex<Stoppable>>);

#[derive(Debug, Default)]
struct Stoppable {
    is_stopped: bool,
    mailboxes: Vec<Mailbox<Command>>,
}

impl Stopper {
    /// Ends the load at once; what was measured is reported.
    pub fn stop(&self) {
        let mut stoppable = self.lock();
        stoppable.is_stopped = true;
        for mailbox in &stoppable.mailboxes {
            // A part that has ended needs no command.
            let _ = mailbox.send(Command::Stop);
        }
    }

    pub(super) fn add(&self, mailbox: Mailbox<Command>) {
        let mut stoppable = self.lock();
        if stoppable.is_stopped {
            let _ = mailbox.send(Command::Stop);
        }
        stoppable.mailboxes.push(mailbox);
    }

    /// Sends a command to all parts of the load.
    pub(super) fn send(&self, command: Command) {
        for mailbox in &self.lock().mailboxes {
            // A part that has ended needs no command.
            let _ = mailbox.send(command);
        }
    }

    /// Forgets the parts of a load that is over.
    pub(super) fn clear(&self) {
        self.lock().mailboxes.clear();
    }

    /// Tells whether the load was ended.
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    fn lock(&self) -> MutexGuard<'_, Stoppable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

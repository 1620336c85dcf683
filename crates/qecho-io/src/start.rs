//! Starts event loops on threads of their own.

use std::{
    fmt, io,
    thread::{self, JoinHandle},
};

use qecho_engine::TlsError;

use crate::{BindError, Mailbox};

/// Error of a server, client or relay that could not be started; nothing of it keeps running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The TLS settings cannot work.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gave no thread or file descriptor.
    #[error("cannot start {thread}")]
    Thread {
        /// The thread, as in "the client's thread".
        thread: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

impl StartError {
    /// Returns what makes an error of the system's reason.
    pub fn thread(thread: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Thread { thread, source }
    }
}

/// A thread that runs an event loop until it has ended, and the mailbox by which other threads
/// reach it.
pub struct Runner<T, C> {
    mailbox: Mailbox<C>,
    pub(crate) thread: JoinHandle<io::Result<T>>,
}

impl<T: Send + 'static, C> Runner<T, C> {
    /// Calls `run` on a thread of this name, described as `thread` if that fails.
    pub(crate) fn start(
        thread: &'static str,
        name: String,
        mailbox: Mailbox<C>,
        run: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<Self, StartError> {
        let started = thread::Builder::new().name(name).spawn(run);
        Ok(Self {
            mailbox,
            thread: started.map_err(StartError::thread(thread))?,
        })
    }

    /// Returns the way to send commands from other threads.
    pub fn mailbox(&self) -> &Mailbox<C> {
        &self.mailbox
    }

    /// Waits until the thread has ended; returns what came of its work.
    ///
    /// # Errors
    /// The system's, if waiting for packets failed.
    pub fn join(self) -> io::Result<T> {
        match self.thread.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl<T, C> fmt::Debug for Runner<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runner").field(&self.thread).finish()
    }
}

//! A trace as qlog, for the tools that draw it: one file per connection.
//!
//! The files are JSON text sequences (RFC 7464) of
//! draft-ietf-quic-qlog-main-schema-14 §5, with the events of
//! draft-ietf-quic-qlog-quic-events-13 and, for what has no event there, those
//! of the main schema's `loglevel`. Where an event has no member for something
//! worth knowing, it has one more, `note`, as §7 of the main schema allows.
//!
//! What streams, CRYPTO and DATAGRAM frames carry is not written, only where
//! and how much. But a file tells all else that the keys of the connection
//! hide: who talked to whom, when and how much; reasons of closing;
//! connection IDs, by which a peer that changes its address can be followed;
//! and two things that others could use as long as they are valid: stateless
//! reset tokens end the connection, and tokens of Retry and NEW_TOKEN prove an
//! address. Therefore nobody but the user may read it.

#![allow(non_camel_case_types, reason = "`object` names types by members")]

mod close;
mod connectivity;
mod file;
mod files;
mod frame;
mod header;
mod metrics;
mod packet;
mod parameters;
mod qvis;
mod record;
mod state;
mod tuples;
mod value;

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::Side;

use self::files::Files;
use super::{Event, Sink};

/// Files that are open at a time; others are opened again when needed.
pub const FILES_OPEN_MAX: usize = 256;

/// Files that are begun at most; later connections are left out.
pub const FILES_MAX: u64 = 65_536;

/// A folder of qlog files, one for each connection.
///
/// A file is named by the connection ID to which the client addressed its
/// first packet, and by whose eyes see it: `83…ab_server.sqlog`. What belongs
/// to no connection is in `endpoint_server.sqlog`. No file that is there
/// already is touched: the next is `83…ab_server_2.sqlog`.
///
/// A file that cannot be written stops nothing: see [`QlogReport`]. Whole records
/// are written, so what is there can be read at any time.
///
/// Clones write to the same folder, for the threads of one program.
#[derive(Clone, Debug)]
pub struct Qlog(Arc<Mutex<Files>>);

/// The form of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// That of the current drafts.
    #[default]
    Current,
    /// That of draft-ietf-quic-qlog-main-schema-02, with `qlog_version` 0.3, which qvis
    /// (<https://qvis.quictools.info>) loads.
    Qvis,
}

/// The result of writing the files.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct QlogReport {
    /// Files that were begun.
    pub files: u64,
    /// Events that are in no file.
    pub events_lost: u64,
    /// Connections that have no file, since there are [`FILES_MAX`].
    pub connections_left_out: u64,
    /// The first file that could not be written.
    pub failure: Option<Arc<Failure>>,
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct Failure {
    /// Its path.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

impl Qlog {
    /// Makes the folder unless it is there; `program` is named in the files as
    /// their author, and `side` is whose eyes see what belongs to no
    /// connection.
    ///
    /// # Errors
    /// The system's, if the folder can be neither found nor made.
    pub fn new(directory: PathBuf, program: &str, side: Side) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)?;
        let files = Files::new(directory, program, side);
        Ok(Self(Arc::new(Mutex::new(files))))
    }

    /// Writes the files in this form.
    pub fn with_form(self, form: Form) -> Self {
        self.files().set_form(form);
        self
    }

    /// Tells what became of the files so far.
    pub fn report(&self) -> QlogReport {
        self.files().report()
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Qlog {
    /// Takes one; what goes wrong is in the report.
    fn take(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.files().take(event);
        Ok(())
    }
}

//! Captures of the datagrams that a tool sends and receives, as pcapng with
//! the TLS secrets inside, so that they open decrypted; and a reader of these
//! and of anybody's.

mod observer;
mod output;
mod packet;
mod pcapng;
mod reader;
mod rotation_index;
mod secrets;
mod tracked_connection;
mod writer;

use std::{
    io::{self, Write},
    sync::Arc,
};

use rustls::KeyLog;

use self::{observer::CaptureObserver, output::Output, secrets::Secrets, writer::Writer};
pub use self::{
    output::{LIMIT_MIN, NextFile, REPEATED_BYTES_MAX, Rotation},
    reader::{
        BLOCK_BYTES_MAX, CaptureReader, Captured, INTERFACES_MAX, Item, ReadError, SkipReason,
    },
    writer::{CaptureReport, QUEUE_BYTES_MAX, SECRETS_BYTES_MAX},
};
use crate::DatagramObserver;

/// A capture that is being written, by a thread of its own.
///
/// Whatever happens to the process, what was written is a valid file up to its
/// last block. Packets are left out, counted and noted in the file when it is
/// written more slowly than they come. Secrets never are: when more of them
/// wait than [`SECRETS_BYTES_MAX`], the capture ends and says so.
///
/// Clones write to the same file. A process that is both ends of a connection
/// gives it to one of them, or sees every datagram twice.
#[derive(Clone, Debug)]
pub struct Capture {
    secrets: Arc<Secrets>,
    writer: Arc<Writer>,
}

impl Capture {
    /// Starts a file; `program` is named in it as its author. With `rotation`
    /// others follow it: each opens on its own, for it repeats the secrets and
    /// the handshakes of the connections that live.
    ///
    /// # Errors
    /// The system's, if the first block cannot be written or there is no
    /// thread to write more.
    pub fn start(
        file: Box<dyn Write + Send>,
        program: &str,
        rotation: Option<Rotation>,
    ) -> io::Result<Self> {
        let output = Output::begin(file, program, rotation)?;
        Ok(Self {
            secrets: Arc::default(),
            writer: Arc::new(Writer::start(output)?),
        })
    }

    /// Returns where TLS must log its secrets, so that the packets can be read.
    pub fn key_log(&self) -> Arc<dyn KeyLog> {
        self.secrets.clone()
    }

    /// Adds secrets that are a line of a key log already (RFC 9850).
    pub fn add_secrets(&self, line: &str) {
        self.secrets.add(line);
    }

    /// Returns what shows the datagrams of one event loop to the capture.
    pub fn observer(&self) -> Box<dyn DatagramObserver> {
        Box::new(CaptureObserver::new(
            self.secrets.clone(),
            self.writer.queue(),
        ))
    }

    /// Writes what waits and ends the file. What passes later is not in it.
    ///
    /// A file that takes nothing for five seconds is given up.
    pub fn finish(&self) -> CaptureReport {
        self.writer.finish()
    }
}

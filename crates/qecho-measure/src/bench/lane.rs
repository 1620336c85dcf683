//! A stream that lives as long as its connection, and the messages on it.

use std::time::Instant;

use qecho_engine::{Connection, Dir, ReadEnd, StreamId, Written};

pub(super) use super::flow::too_much;
use super::{
    book::{Book, Fault, Message},
    flow::Flow,
    report::ErrorKind,
};
use qecho_echo::COALESCE_MAX;

#[derive(Debug)]
pub(super) struct Lane {
    id: Option<StreamId>,
    flow: Flow,
}

impl Lane {
    /// Makes the `number`-th stream of all connections.
    pub(super) fn new(number: u64) -> Self {
        Self {
            id: None,
            flow: Flow::new(number),
        }
    }

    /// Tells whether the server has allowed the stream already.
    pub(super) fn is_open(&self) -> bool {
        self.id.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.flow.len()
    }

    /// Returns when the oldest message was sent that has not come back.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.flow.oldest()
    }

    /// Adds a message; [`write`](Self::write) sends it.
    pub(super) fn add(&mut self, now: Instant, message: Message, book: &mut Book) {
        self.flow.add(now, message, book);
    }

    /// Keeps as many messages under way as the work says.
    pub(super) fn top_up(
        &mut self,
        connection: &mut Connection<'_>,
        book: &mut Book,
    ) -> Result<(), Fault> {
        self.flow.top_up(connection.now(), book);
        self.write(connection, book)
    }

    /// Writes what the send window takes.
    pub(super) fn write(
        &mut self,
        connection: &mut Connection<'_>,
        book: &Book,
    ) -> Result<(), Fault> {
        while let Some(piece) = self.flow.unwritten(book) {
            if self.id.is_none() {
                self.id = connection.open(Dir::Bidirectional);
            }
            let Some(id) = self.id else {
                return Ok(());
            };
            let length = piece.len();
            match connection.write(id, piece) {
                Written::All => self.flow.wrote(length),
                Written::Blocked(rest) => {
                    self.flow.wrote(length - rest.len());
                    return Ok(());
                }
                Written::Stopped(code) => return Err(stopped(code)),
                Written::Closed => return Err(ended()),
            }
        }
        Ok(())
    }

    /// Reads what has come back; tells whether a message was completed.
    pub(super) fn read(
        &mut self,
        connection: &mut Connection<'_>,
        book: &mut Book,
    ) -> Result<bool, Fault> {
        let Some(id) = self.id else {
            return Ok(false);
        };
        let now = connection.now();
        let before = self.len();
        loop {
            let read = connection.read_piece(id, COALESCE_MAX);
            self.flow.read(now, &read.data, book)?;
            match read.end {
                ReadEnd::More => {}
                ReadEnd::Blocked => return Ok(self.len() < before),
                ReadEnd::Fin | ReadEnd::Closed => return Err(ended()),
                ReadEnd::Reset(code) => return Err(reset(code)),
            }
        }
    }
}

pub(super) fn stopped(code: u64) -> Fault {
    let words = format!("peer stopped a stream with code {code}");
    Fault::new(ErrorKind::Stopped, words)
}

pub(super) fn reset(code: u64) -> Fault {
    let words = format!("peer reset a stream with code {code}");
    Fault::new(ErrorKind::Reset, words)
}

pub(super) fn ended() -> Fault {
    let words = "peer ended a stream before everything had come back";
    Fault::new(ErrorKind::NotEchoed, words)
}

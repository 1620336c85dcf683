//! A stream that lives as long as its connection, and the messages on it.

use std::{collections::VecDeque, time::Instant};

use qecho_engine::{Connection, Direction, ReadEnd, StreamId, Written};

use super::{
    book::{Book, Fault, Message},
    pattern::Pattern,
    report::ErrorKind,
};
use crate::COALESCE_MAX;

#[derive(Debug)]
pub(super) struct Lane {
    id: Option<StreamId>,
    /// Where its part of the pattern begins.
    origin: u64,
    /// Bytes that are to be sent, were written, and came back.
    wanted: u64,
    written: u64,
    received: u64,
    /// Where each message ends that has not come back.
    under_way: VecDeque<(u64, Message)>,
}

impl Lane {
    /// Makes the `number`-th stream of all connections.
    pub(super) fn new(number: u64) -> Self {
        Self {
            id: None,
            origin: Pattern::origin(number),
            wanted: 0,
            written: 0,
            received: 0,
            under_way: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Returns when the oldest message was sent that has not come back.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.under_way.front().map(|(_, message)| message.sent)
    }

    /// Adds a message; [`write`](Self::write) sends it.
    pub(super) fn add(&mut self, now: Instant, mut message: Message, book: &mut Book) {
        book.sends(now, &mut message);
        self.wanted += message.size as u64;
        self.under_way.push_back((self.wanted, message));
    }

    /// Keeps as many messages under way as the work says.
    pub(super) fn top_up(
        &mut self,
        connection: &mut Connection<'_>,
        book: &mut Book,
    ) -> Result<(), Fault> {
        let now = connection.now();
        while self.len() < book.work.in_flight
            && let Some(message) = book.next(now)
        {
            self.add(now, message, book);
        }
        self.write(connection, book)
    }

    /// Writes what the send window takes; messages that follow one another
    /// make one piece.
    pub(super) fn write(
        &mut self,
        connection: &mut Connection<'_>,
        book: &Book,
    ) -> Result<(), Fault> {
        if self.written == self.wanted {
            return Ok(());
        }
        if self.id.is_none() {
            self.id = connection.open(Direction::Bidirectional);
        }
        let Some(id) = self.id else {
            return Ok(());
        };
        while self.written < self.wanted {
            let left = (self.wanted - self.written).min(COALESCE_MAX as u64);
            let piece = book
                .pattern
                .piece(self.origin + self.written, left as usize);
            let length = piece.len() as u64;
            match connection.write(id, piece) {
                Written::All => self.written += length,
                Written::Blocked(rest) => {
                    self.written += length - rest.len() as u64;
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
            let read = connection.read(id, COALESCE_MAX);
            book.check(self.origin + self.received, &read.data)?;
            self.received += read.data.len() as u64;
            if self.received > self.written {
                return Err(too_much());
            }
            while let Some((end, message)) = self.under_way.front().copied()
                && end <= self.received
            {
                self.under_way.pop_front();
                book.answered(now, message);
            }
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

pub(super) fn too_much() -> Fault {
    Fault::new(ErrorKind::Differs, "peer sent more than it was sent")
}

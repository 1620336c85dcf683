//! Messages that follow one another on something that keeps their order.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use qecho_echo::COALESCE_MAX;

use super::{
    book::{Book, Fault, Message},
    pattern::Pattern,
    report::ErrorKind,
};

/// An ordered flow of bytes, and the messages in it.
#[derive(Debug)]
pub(super) struct Flow {
    /// Where its part of the pattern begins.
    origin: u64,
    /// Bytes that are to be sent, were written, and came back.
    wanted: u64,
    written: u64,
    received: u64,
    /// Where each message ends that has not come back.
    under_way: VecDeque<(u64, Message)>,
}

impl Flow {
    /// Makes the `number`-th flow of all.
    pub(super) fn new(number: u64) -> Self {
        Self {
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

    /// Adds a message, whose bytes are [`unwritten`](Self::unwritten) then.
    pub(super) fn add(&mut self, now: Instant, mut message: Message, book: &mut Book) {
        book.sends(now, &mut message);
        self.wanted += message.size as u64;
        self.under_way.push_back((self.wanted, message));
    }

    /// Keeps as many messages under way as the work says.
    pub(super) fn top_up(&mut self, now: Instant, book: &mut Book) {
        while self.len() < book.work.in_flight
            && let Some(message) = book.next(now)
        {
            self.add(now, message, book);
        }
    }

    /// Returns the next piece to write, if there is one; messages that follow
    /// one another make one piece.
    pub(super) fn unwritten(&self, book: &Book) -> Option<Bytes> {
        let left = (self.wanted - self.written).min(COALESCE_MAX as u64);
        let at = self.origin + self.written;
        (left > 0).then(|| book.pattern.piece(at, left as usize))
    }

    /// Notes how much of it was written.
    pub(super) fn wrote(&mut self, length: usize) {
        self.written += length as u64;
    }

    /// Takes in what has come back.
    pub(super) fn read(&mut self, now: Instant, data: &[u8], book: &mut Book) -> Result<(), Fault> {
        book.check(self.origin + self.received, data)?;
        self.received += data.len() as u64;
        if self.received > self.written {
            return Err(too_much());
        }
        while let Some((end, message)) = self.under_way.front().copied()
            && end <= self.received
        {
            self.under_way.pop_front();
            book.answered(now, message);
        }
        Ok(())
    }
}

pub(super) fn too_much() -> Fault {
    Fault::new(ErrorKind::Differs, "peer sent more than it was sent")
}

//! Messages on a bidirectional stream, and on another where the server ends it after a
//! message.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use qecho_echo::COALESCE_MAX;
use qecho_engine::{Connection, Dir, Event, ReadEnd, StreamId, Written};

use super::{config::UNANSWERED_MAX, payload::Payload, report::Failure};

/// The stream and the messages that are under way on it.
#[derive(Debug, Default)]
pub(super) struct Stream {
    id: Option<StreamId>,
    /// Messages of which nothing was written.
    unwritten: VecDeque<Payload>,
    /// Rest to be written of the one before those.
    unsent: Bytes,
    /// Messages that have not come back whole, in order; those that were given
    /// up come first all the same.
    expected: VecDeque<Payload>,
    /// Rest of the first of them, which has not come back.
    rest: Bytes,
    /// Bytes that were written to this stream, and that came back on it.
    written: u64,
    echoed: u64,
    /// Bytes that were written when the first of them came back: what the server can have
    /// answered at once.
    answered_at_once: u64,
    /// Whether a whole message came back on this stream.
    is_useful: bool,
}

impl Stream {
    /// Tells whether more may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.expected.len() < UNANSWERED_MAX
    }

    /// Tells whether the peer allows the stream.
    pub(super) fn is_open(&self) -> bool {
        self.id.is_some()
    }

    pub(super) fn send(
        &mut self,
        connection: &mut Connection<'_>,
        payload: Payload,
    ) -> Result<(), Failure> {
        self.unwritten.push_back(payload);
        self.expected.push_back(payload);
        self.advance(connection)
    }

    fn advance(&mut self, connection: &mut Connection<'_>) -> Result<(), Failure> {
        let opened = self.id.or_else(|| connection.open(Dir::Bidirectional));
        self.id = opened;
        let Some(id) = opened else {
            return Ok(());
        };
        loop {
            if self.unsent.is_empty() {
                let Some(next) = self.unwritten.pop_front() else {
                    return Ok(());
                };
                self.unsent = next.bytes();
            }
            self.written += self.unsent.len() as u64;
            match connection.write(id, std::mem::take(&mut self.unsent)) {
                Written::All => {}
                Written::Blocked(rest) => {
                    self.written -= rest.len() as u64;
                    self.unsent = rest;
                    return Ok(());
                }
                Written::Stopped(code) => return Err(Failure::Stopped(code)),
                // It ends with a reset or a FIN of the peer's, which is what is
                // reported.
                Written::Closed => return Ok(()),
            }
        }
    }

    /// Handles an event; adds to `whole` the messages that have come back.
    pub(super) fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        event: &Event,
        whole: &mut Vec<Payload>,
    ) -> Result<(), Failure> {
        match event {
            Event::Readable(id) if self.id == Some(*id) => self.read(connection, *id, whole)?,
            Event::Stopped(id, code) if self.id == Some(*id) => {
                return Err(Failure::Stopped(*code));
            }
            _ => {}
        }
        self.advance(connection)
    }

    fn read(
        &mut self,
        connection: &mut Connection<'_>,
        id: StreamId,
        whole: &mut Vec<Payload>,
    ) -> Result<(), Failure> {
        let before = whole.len();
        loop {
            let read = connection.read(id, COALESCE_MAX);
            if self.echoed == 0 && !read.data.is_empty() {
                self.answered_at_once = self.written;
            }
            self.echoed += read.data.len() as u64;
            self.compare(read.data, whole)?;
            self.is_useful |= whole.len() > before;
            match read.end {
                ReadEnd::More => {}
                ReadEnd::Blocked | ReadEnd::Closed => return Ok(()),
                ReadEnd::Fin => return self.begin_again(connection, id),
                ReadEnd::Reset(code) => return Err(Failure::Reset(code)),
            }
        }
    }

    /// Goes on with another stream after the server has ended one at its first answer: it may
    /// answer once on each, whatever has come by then. What it did not echo is sent again, a
    /// message whose end came too late among it.
    fn begin_again(
        &mut self,
        connection: &mut Connection<'_>,
        id: StreamId,
    ) -> Result<(), Failure> {
        if !self.is_useful || self.echoed > self.answered_at_once {
            return Err(Failure::StreamEnded);
        }
        connection.finish(id);
        let expected = std::mem::take(&mut self.expected);
        *self = Self {
            unwritten: expected.clone(),
            expected,
            ..Self::default()
        };
        Ok(())
    }

    fn compare(&mut self, mut data: Bytes, whole: &mut Vec<Payload>) -> Result<(), Failure> {
        while data.has_remaining() {
            let Some(first) = self.expected.front().copied() else {
                return Err(Failure::TooMuch);
            };
            if self.rest.is_empty() {
                self.rest = first.bytes();
            }
            let length = data.len().min(self.rest.len());
            if data.split_to(length) != self.rest.split_to(length) {
                let sequence = first.sequence;
                return Err(Failure::Differs { sequence });
            }
            if self.rest.is_empty() {
                self.expected.pop_front();
                whole.push(first);
            }
        }
        Ok(())
    }
}

//! A stream that lives as long as its connection, and the messages on it.

use std::time::Instant;

use qecho_echo::COALESCE_MAX;
use qecho_engine::{Connection, Dir, ReadEnd, StreamId, Written};

use super::{
    failure::ConnectionFailure,
    message::{Message, MessageEvent},
    ordered_messages::OrderedMessages,
    pattern::Pattern,
};

#[derive(Debug)]
pub(super) struct StreamWorker {
    id: Option<StreamId>,
    messages: OrderedMessages,
}

impl StreamWorker {
    /// Makes the `number`-th stream of all connections.
    pub(super) fn new(number: u64) -> Self {
        Self {
            id: None,
            messages: OrderedMessages::new(number),
        }
    }

    /// Tells whether the server has allowed the stream already.
    pub(super) fn is_open(&self) -> bool {
        self.id.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Returns when the oldest message was sent that has not come back.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.messages.oldest()
    }

    /// Adds a message; [`write`](Self::write) sends it.
    pub(super) fn add(&mut self, message: Message) {
        self.messages.add(message);
    }

    /// Writes what the send window takes.
    pub(super) fn write(
        &mut self,
        connection: &mut Connection<'_>,
        pattern: &Pattern,
    ) -> Result<(), ConnectionFailure> {
        while let Some(piece) = self.messages.unwritten(pattern) {
            if self.id.is_none() {
                self.id = connection.open(Dir::Bidirectional);
            }
            let Some(id) = self.id else {
                return Ok(());
            };
            let length = piece.len();
            match connection.write(id, piece) {
                Written::All => self.messages.wrote(length),
                Written::Blocked(rest) => {
                    self.messages.wrote(length - rest.len());
                    return Ok(());
                }
                Written::Stopped(code) => return Err(ConnectionFailure::stopped(code)),
                Written::Closed => return Err(ConnectionFailure::stream_ended()),
            }
        }
        Ok(())
    }

    /// Reads what has come back; tells whether a message was completed.
    pub(super) fn read(
        &mut self,
        connection: &mut Connection<'_>,
        pattern: &Pattern,
        events: &mut Vec<MessageEvent>,
    ) -> Result<bool, ConnectionFailure> {
        let Some(id) = self.id else {
            return Ok(false);
        };
        let before = self.len();
        loop {
            let read = connection.read_piece(id, COALESCE_MAX);
            self.messages.read(&read.data, pattern, events)?;
            match read.end {
                ReadEnd::More => {}
                ReadEnd::Blocked => return Ok(self.len() < before),
                ReadEnd::Fin | ReadEnd::Closed => return Err(ConnectionFailure::stream_ended()),
                ReadEnd::Reset(code) => return Err(ConnectionFailure::reset(code)),
            }
        }
    }
}

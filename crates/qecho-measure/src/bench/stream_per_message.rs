//! Streams that live for one message each, to their FIN.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use qecho_echo::COALESCE_MAX;
use qecho_engine::{Connection, Dir, ReadEnd, StreamId, Written};

use super::{
    failure::ConnectionFailure,
    message::{Message, MessageEvent},
    pattern::Pattern,
};

#[derive(Debug, Default)]
pub(super) struct StreamPerMessage {
    /// Messages for which the peer allows no stream yet.
    waiting: VecDeque<Message>,
    streams: HashMap<StreamId, Exchange>,
    opened: u64,
}

/// One message on a stream of its own.
#[derive(Debug)]
struct Exchange {
    message: Message,
    origin: u64,
    written: u64,
    received: u64,
}

impl StreamPerMessage {
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.streams.len()
    }

    /// Returns when the oldest message was sent that has not come back.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let waiting = self.waiting.iter();
        let streams = self.streams.values().map(|exchange| &exchange.message);
        waiting.chain(streams).map(|message| message.sent).min()
    }

    /// Adds a message; [`open`](Self::open) sends it.
    pub(super) fn add(&mut self, message: Message) {
        self.waiting.push_back(message);
    }

    /// Forgets the streams, which the server has rejected; their messages wait
    /// again.
    pub(super) fn restart(&mut self) {
        let exchanges = self.streams.drain();
        self.waiting
            .extend(exchanges.map(|(_, exchange)| exchange.message));
    }

    /// Opens a stream for each message that waits, as far as the peer allows.
    pub(super) fn open(
        &mut self,
        connection: &mut Connection<'_>,
        pattern: &Pattern,
        events: &mut Vec<MessageEvent>,
    ) -> Result<(), ConnectionFailure> {
        while !self.waiting.is_empty()
            && let Some(id) = connection.open(Dir::Bidirectional)
            && let Some(mut message) = self.waiting.pop_front()
        {
            message.sent = connection.now();
            events.push(MessageEvent::Sent(message));
            self.opened += 1;
            let exchange = Exchange {
                message,
                origin: Pattern::origin(self.opened),
                written: 0,
                received: 0,
            };
            self.streams.insert(id, exchange);
            self.write(connection, id, pattern)?;
        }
        Ok(())
    }

    /// Writes what the send window takes of a message, and FIN after it.
    pub(super) fn write(
        &mut self,
        connection: &mut Connection<'_>,
        id: StreamId,
        pattern: &Pattern,
    ) -> Result<(), ConnectionFailure> {
        let Some(exchange) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        let size = exchange.message.size as u64;
        while exchange.written < size {
            let left = (size - exchange.written).min(COALESCE_MAX as u64);
            let at = exchange.origin + exchange.written;
            let piece = pattern.piece(at, left as usize);
            let length = piece.len() as u64;
            match connection.write(id, piece) {
                Written::All => exchange.written += length,
                Written::Blocked(rest) => {
                    exchange.written += length - rest.len() as u64;
                    return Ok(());
                }
                Written::Stopped(code) => return Err(ConnectionFailure::stopped(code)),
                Written::Closed => return Err(ConnectionFailure::stream_ended()),
            }
        }
        connection.finish(id);
        Ok(())
    }

    /// Reads what has come back; tells whether that ended the exchange.
    pub(super) fn read(
        &mut self,
        connection: &mut Connection<'_>,
        id: StreamId,
        pattern: &Pattern,
        events: &mut Vec<MessageEvent>,
    ) -> Result<bool, ConnectionFailure> {
        let Some(exchange) = self.streams.get_mut(&id) else {
            return Ok(false);
        };
        let size = exchange.message.size as u64;
        loop {
            let read = connection.read(id, COALESCE_MAX);
            pattern.check(exchange.origin + exchange.received, &read.data)?;
            exchange.received += read.data.len() as u64;
            if exchange.received > size {
                return Err(ConnectionFailure::too_much());
            }
            match read.end {
                ReadEnd::More => {}
                ReadEnd::Blocked => return Ok(false),
                ReadEnd::Fin if exchange.received == size => break,
                ReadEnd::Fin | ReadEnd::Closed => return Err(ConnectionFailure::stream_ended()),
                ReadEnd::Reset(code) => return Err(ConnectionFailure::reset(code)),
            }
        }
        let ended = self.streams.remove(&id);
        events.extend(ended.map(|exchange| MessageEvent::Echoed(exchange.message)));
        Ok(true)
    }
}

//! Streams that live for one message each, to their FIN.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use qecho_echo::COALESCE_MAX;
use qecho_engine::{Connection, Dir, ReadEnd, StreamId, Written};

use super::{
    book::{Book, Fault, Message},
    config::Mode,
    lane::{ended, reset, stopped, too_much},
    pattern::Pattern,
};

#[derive(Debug, Default)]
pub(super) struct Brief {
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

impl Brief {
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.streams.len()
    }

    pub(super) fn oldest(&self) -> Option<Instant> {
        let waiting = self.waiting.iter();
        let streams = self.streams.values().map(|exchange| &exchange.message);
        waiting.chain(streams).map(|message| message.sent).min()
    }

    /// Adds a message; [`open`](Self::open) sends it.
    pub(super) fn add(&mut self, message: Message) {
        self.waiting.push_back(message);
    }

    pub(super) fn top_up(
        &mut self,
        connection: &mut Connection<'_>,
        book: &mut Book,
    ) -> Result<(), Fault> {
        while self.len() < book.work.in_flight
            && let Some(message) = book.next(connection.now())
        {
            self.add(message);
        }
        self.open(connection, book)
    }

    /// Forgets the streams, which are no more; their messages wait again.
    pub(super) fn start_anew(&mut self) {
        let exchanges = self.streams.drain();
        self.waiting
            .extend(exchanges.map(|(_, exchange)| exchange.message));
    }

    /// Opens a stream for each message that waits, as far as the peer allows.
    pub(super) fn open(
        &mut self,
        connection: &mut Connection<'_>,
        book: &mut Book,
    ) -> Result<(), Fault> {
        while !self.waiting.is_empty()
            && let Some(id) = connection.open(Dir::Bidirectional)
            && let Some(mut message) = self.waiting.pop_front()
        {
            match book.work.way {
                // The connection was begun for it; the echo has its own time.
                Mode::Handshake => message.sent = connection.now(),
                _ => book.sends(connection.now(), &mut message),
            }
            self.opened += 1;
            let exchange = Exchange {
                message,
                origin: Pattern::origin(self.opened),
                written: 0,
                received: 0,
            };
            self.streams.insert(id, exchange);
            self.write(connection, id, book)?;
        }
        Ok(())
    }

    pub(super) fn write(
        &mut self,
        connection: &mut Connection<'_>,
        id: StreamId,
        book: &Book,
    ) -> Result<(), Fault> {
        let Some(exchange) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        let size = exchange.message.size as u64;
        while exchange.written < size {
            let left = (size - exchange.written).min(COALESCE_MAX as u64);
            let at = exchange.origin + exchange.written;
            let piece = book.pattern.piece(at, left as usize);
            let length = piece.len() as u64;
            match connection.write(id, piece) {
                Written::All => exchange.written += length,
                Written::Blocked(rest) => {
                    exchange.written += length - rest.len() as u64;
                    return Ok(());
                }
                Written::Stopped(code) => return Err(stopped(code)),
                Written::Closed => return Err(ended()),
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
        book: &mut Book,
    ) -> Result<bool, Fault> {
        let Some(exchange) = self.streams.get_mut(&id) else {
            return Ok(false);
        };
        let size = exchange.message.size as u64;
        loop {
            let read = connection.read(id, COALESCE_MAX);
            book.check(exchange.origin + exchange.received, &read.data)?;
            exchange.received += read.data.len() as u64;
            if exchange.received > size {
                return Err(too_much());
            }
            match read.end {
                ReadEnd::More => {}
                ReadEnd::Blocked => return Ok(false),
                ReadEnd::Fin if exchange.received == size => break,
                ReadEnd::Fin | ReadEnd::Closed => return Err(ended()),
                ReadEnd::Reset(code) => return Err(reset(code)),
            }
        }
        if let Some(exchange) = self.streams.remove(&id) {
            book.answered(connection.now(), exchange.message);
        }
        Ok(true)
    }
}

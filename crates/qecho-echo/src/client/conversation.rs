//! Messages one after the other: each is sent when the one before has come
//! back.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use qecho_engine::{Connection, Dir, Event, ReadEnd, StreamId, Written};

use super::{
    config::{Message, Mode},
    exchange::Exchange,
    report::{ClientEvent, Echoed, Failure, Report},
};
use crate::{COALESCE_MAX, dial::stood_still, reply};

/// Messages to be echoed and what became of them.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    waiting: VecDeque<Message>,
    current: Option<Exchange>,
    /// The stream that [`Mode::Stream`] uses for all messages.
    bidirectional: Option<StreamId>,
    /// The stream that [`Mode::Uni`] uses for all messages.
    unidirectional: Option<StreamId>,
    /// Streams whose FIN is awaited.
    ending: Vec<StreamId>,
    /// Whether no message will be added.
    complete: bool,
    patience: Option<Duration>,
    /// Instant at which patience with the current answer ends.
    due: Option<Instant>,
    number: u64,
    report: Report,
}

impl Conversation {
    pub(super) fn new(patience: Option<Duration>) -> Self {
        Self {
            patience,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, message: Message) {
        self.waiting.push_back(message);
    }

    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    pub(super) fn report(&self) -> Report {
        self.report
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let current = self.current.as_ref();
        let tried_again = current.and_then(|exchange| exchange.tried_again);
        self.due.into_iter().chain(tried_again).min()
    }

    /// Returns a number that changes with everything that comes, while an answer is awaited.
    pub(super) fn awaited(&self) -> Option<u64> {
        let is_awaited = self.current.is_some() || !self.ending.is_empty();
        is_awaited.then_some(self.number + self.report.bytes_received)
    }

    /// Tells whether everything was asked for and answered.
    pub(super) fn is_over(&self) -> bool {
        self.complete
            && self.current.is_none()
            && self.waiting.is_empty()
            && self.bidirectional.is_none()
            && self.unidirectional.is_none()
            && self.ending.is_empty()
    }

    /// Goes as far as it can without waiting.
    pub(super) fn advance(
        &mut self,
        connection: &mut Connection<'_>,
        tell: &mut dyn FnMut(ClientEvent),
    ) -> Result<(), Failure> {
        loop {
            if self.current.is_some() {
                return self.send(connection);
            }
            let Some(message) = self.waiting.pop_front() else {
                self.end(connection);
                return Ok(());
            };
            self.begin(connection.now(), message);
            self.send(connection)?;
            // A message of no bytes is echoed as soon as it is sent.
            self.check_whole(connection, tell);
        }
    }

    fn begin(&mut self, now: Instant, message: Message) {
        self.number += 1;
        self.await_answer(now);
        self.report.bytes_sent += message.data.len() as u64;
        self.current = Some(Exchange::new(self.number, message, now));
    }

    fn await_answer(&mut self, now: Instant) {
        self.due = self.patience.map(|patience| now + patience);
    }

    fn send(&mut self, connection: &mut Connection<'_>) -> Result<(), Failure> {
        let Some(exchange) = &mut self.current else {
            return Ok(());
        };
        let kept = match exchange.message.over {
            Mode::Datagram => {
                let was_too_large = exchange.tried_again.is_some();
                exchange.send_datagram(connection)?;
                if was_too_large && exchange.sent {
                    self.await_answer(connection.now());
                }
                return Ok(());
            }
            Mode::Stream => &mut self.bidirectional,
            Mode::Uni => &mut self.unidirectional,
            Mode::StreamPerMessage => &mut exchange.stream,
        };
        let direction = match exchange.message.over {
            Mode::Uni => Dir::Unidirectional,
            _ => Dir::Bidirectional,
        };
        let Some(stream) = kept.or_else(|| connection.open(direction)) else {
            return Ok(());
        };
        *kept = Some(stream);
        exchange.stream = Some(stream);
        if exchange.sent {
            return Ok(());
        }
        match connection.write(stream, std::mem::take(&mut exchange.unsent)) {
            // A stream that is closed to us ends with a reset or a FIN from
            // the peer, and that is what is reported.
            Written::All | Written::Closed => exchange.sent = true,
            Written::Blocked(rest) => exchange.unsent = rest,
            Written::Stopped(code) => return Err(exchange.stopped(code)),
        }
        if exchange.sent && exchange.message.over == Mode::StreamPerMessage {
            connection.finish(stream);
        }
        Ok(())
    }

    /// Ends the streams that serve all messages once there are no more.
    fn end(&mut self, connection: &mut Connection<'_>) {
        if !self.complete {
            return;
        }
        for stream in [self.bidirectional.take(), self.unidirectional.take()]
            .into_iter()
            .flatten()
        {
            connection.finish(stream);
            self.ending.push(reply(stream));
            self.await_answer(connection.now());
        }
    }

    pub(super) fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        event: &Event,
        tell: &mut dyn FnMut(ClientEvent),
    ) -> Result<(), Failure> {
        match event {
            Event::Opened(id) | Event::Readable(id) => self.read(connection, *id, tell)?,
            Event::DatagramReceived => self.read_datagrams(connection, tell),
            Event::Stopped(id, code) => {
                if let Some(exchange) = &self.current
                    && exchange.stream == Some(*id)
                {
                    return Err(exchange.stopped(*code));
                }
            }
            _ => {}
        }
        self.advance(connection, tell)?;
        // Of a stream that has ended no event tells that it was stopped. Its echo may come all
        // the same: who has read to the end may throw its half away.
        if let Some(exchange) = &mut self.current
            && exchange.message.over == Mode::StreamPerMessage
        {
            let stops = connection.stops_received();
            exchange.is_stopped |= stops > *exchange.stops_before.get_or_insert(stops);
        }
        Ok(())
    }

    fn read(
        &mut self,
        connection: &mut Connection<'_>,
        id: StreamId,
        tell: &mut dyn FnMut(ClientEvent),
    ) -> Result<(), Failure> {
        loop {
            let read = connection.read(id, COALESCE_MAX);
            self.compare(id, &read.data)?;
            self.check_whole(connection, tell);
            match read.end {
                ReadEnd::More => {}
                ReadEnd::Blocked | ReadEnd::Closed => return Ok(()),
                ReadEnd::Fin => return self.ended(connection, id, tell),
                ReadEnd::Reset(code) => return self.reset(id, code),
            }
        }
    }

    /// Compares what came back with what was sent.
    fn compare(&mut self, id: StreamId, data: &[u8]) -> Result<(), Failure> {
        if data.is_empty() {
            return Ok(());
        }
        self.report.bytes_received += data.len() as u64;
        let expected = self
            .current
            .as_mut()
            .filter(|exchange| exchange.stream.map(reply) == Some(id));
        let Some(exchange) = expected else {
            let bytes = data.len() as u64;
            return Err(Failure::TooMuch { bytes });
        };
        exchange.compare(data)
    }

    /// Tells of the current message if it has come back whole.
    fn check_whole(&mut self, connection: &mut Connection<'_>, tell: &mut dyn FnMut(ClientEvent)) {
        let now = connection.now();
        let Some(exchange) = self.current.take_if(|exchange| exchange.is_whole()) else {
            return;
        };
        self.due = None;
        if !self.ending.is_empty() {
            self.await_answer(now);
        }
        self.report.messages += 1;
        let is_ended = exchange.message.data.is_empty();
        if let (Mode::StreamPerMessage, Some(stream)) = (exchange.message.over, exchange.stream)
            && !is_ended
        {
            self.ending.push(stream);
            self.await_answer(now);
        }
        tell(ClientEvent::Echoed(Echoed {
            number: exchange.number,
            data: exchange.message.data,
            echo_time: now - exchange.began,
        }));
    }

    /// Handles the end of a stream of the peer's.
    fn ended(
        &mut self,
        connection: &mut Connection<'_>,
        id: StreamId,
        tell: &mut dyn FnMut(ClientEvent),
    ) -> Result<(), Failure> {
        if let Some(exchange) = &mut self.current
            && exchange.stream == Some(id)
            && exchange.awaits_fin()
        {
            exchange.came = true;
            self.check_whole(connection, tell);
            return Ok(());
        }
        if let Some(place) = self.ending.iter().position(|ending| *ending == id) {
            self.ending.swap_remove(place);
            if self.ending.is_empty() && self.current.is_none() {
                self.due = None;
            }
            return Ok(());
        }
        // The next message gets a stream of its own.
        for kept in [&mut self.bidirectional, &mut self.unidirectional] {
            if let Some(stream) = kept.take_if(|stream| reply(*stream) == id) {
                connection.finish(stream);
            }
        }
        match &self.current {
            Some(exchange) if exchange.stream.map(reply) == Some(id) => Err(Failure::NotEchoed {
                missing: exchange.missing(),
                total: exchange.total(),
            }),
            _ => Ok(()),
        }
    }

    fn reset(&mut self, id: StreamId, code: u64) -> Result<(), Failure> {
        let (missing, total) = match &self.current {
            Some(exchange) if exchange.stream.map(reply) == Some(id) => {
                (exchange.missing(), exchange.total())
            }
            _ => (0, self.report.bytes_sent),
        };
        Err(Failure::Reset {
            code,
            missing,
            total,
        })
    }

    fn read_datagrams(
        &mut self,
        connection: &mut Connection<'_>,
        tell: &mut dyn FnMut(ClientEvent),
    ) {
        while let Some(data) = connection.receive_datagram() {
            // What equals no message of ours is an echo that was given up, or
            // comes from somewhere else.
            if let Some(exchange) = &mut self.current
                && exchange.message.over == Mode::Datagram
                && exchange.message.data == data
            {
                exchange.echoed = data.len();
                exchange.came = true;
                self.report.bytes_received += data.len() as u64;
                self.check_whole(connection, tell);
            }
        }
    }

    /// Runs out of patience if it is time.
    pub(super) fn handle_deadline(
        &mut self,
        now: Instant,
        tell: &mut dyn FnMut(ClientEvent),
    ) -> Result<(), Failure> {
        let (Some(after), Some(due)) = (self.patience, self.due.filter(|due| *due <= now)) else {
            return Ok(());
        };
        if stood_still(due, now) {
            self.await_answer(now);
            return Ok(());
        }
        self.due = None;
        match self.current.take() {
            None => Err(Failure::NoFin { after }),
            Some(exchange) if exchange.tried_again.is_some() => Err(exchange.too_large()),
            Some(exchange) if exchange.message.over == Mode::Datagram => {
                self.report.lost += 1;
                let number = exchange.number;
                tell(ClientEvent::Lost { number, after });
                Ok(())
            }
            Some(exchange) if exchange.stream.is_none() => Err(Failure::NoStream { after }),
            Some(exchange) if exchange.awaits_fin() => Err(Failure::NoFin { after }),
            Some(exchange) if exchange.is_stopped => Err(Failure::StoppedAfterEnd {
                missing: exchange.missing(),
                total: exchange.total(),
            }),
            Some(exchange) => Err(Failure::NoEcho {
                after,
                missing: exchange.missing(),
                total: exchange.total(),
            }),
        }
    }
}

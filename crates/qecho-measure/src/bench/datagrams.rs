//! Messages in DATAGRAM frames (RFC 9221), which may be lost.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use qecho_engine::{Connection, SendDatagramError};

use super::{
    failure::{ConnectionFailure, ErrorKind},
    message::{Message, MessageEvent},
    pattern::Pattern,
};

/// Time after which a DATAGRAM frame counts as lost, unless the time for an
/// echo is shorter.
pub const LOST_AFTER: Duration = Duration::from_secs(1);

/// Bytes of the number that each begins with, as far as there is room.
const NUMBER_BYTES: usize = 8;

/// Transport that carries datagrams.
pub(super) trait Carrier {
    /// Sends one.
    fn send(&mut self, data: Bytes) -> Result<(), SendDatagramError>;

    /// Takes the next that has come.
    fn receive(&mut self) -> Option<Bytes>;

    /// Returns the time of this turn.
    fn now(&self) -> Instant;
}

impl Carrier for Connection<'_> {
    fn send(&mut self, data: Bytes) -> Result<(), SendDatagramError> {
        self.send_datagram(data)
    }

    fn receive(&mut self) -> Option<Bytes> {
        self.receive_datagram()
    }

    fn now(&self) -> Instant {
        self.now()
    }
}

#[derive(Debug, Default)]
pub(super) struct Datagrams {
    /// Messages that there was no room for.
    waiting: VecDeque<Message>,
    /// Those that were sent from the `first`-th on; `None` has come back.
    under_way: VecDeque<Option<Message>>,
    first: u64,
    /// Number of them that are awaited.
    awaited: usize,
}

impl Datagrams {
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.awaited
    }

    /// Returns when the message was granted that has waited longest for room.
    pub(super) fn oldest_waiting(&self) -> Option<Instant> {
        self.waiting.front().map(|message| message.sent)
    }

    /// Returns when the message was sent that has waited longest for its echo.
    pub(super) fn oldest_awaited(&self) -> Option<Instant> {
        let oldest = self.under_way.front().copied().flatten();
        oldest.map(|message| message.sent)
    }

    /// Adds a message; [`send`](Self::send) sends it.
    pub(super) fn add(&mut self, message: Message) {
        self.waiting.push_back(message);
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn send(
        &mut self,
        carrier: &mut impl Carrier,
        pattern: &Pattern,
        events: &mut Vec<MessageEvent>,
    ) -> Result<(), ConnectionFailure> {
        while let Some(mut message) = self.waiting.pop_front() {
            let number = self.first + self.under_way.len() as u64;
            match carrier.send(payload(number, message.size, pattern)) {
                Ok(()) => {
                    message.sent = carrier.now();
                    events.push(MessageEvent::Sent(message));
                    self.under_way.push_back(Some(message));
                    self.awaited += 1;
                }
                // The path MTU may still grow; what waits too long is a failure.
                Err(SendDatagramError::Blocked | SendDatagramError::TooLarge) => {
                    self.waiting.push_front(message);
                    return Ok(());
                }
                Err(error) => {
                    self.waiting.push_front(message);
                    let reason = error.to_string();
                    return Err(ConnectionFailure::new(ErrorKind::NoDatagrams, reason));
                }
            }
        }
        Ok(())
    }

    /// Takes in what has come back.
    pub(super) fn receive(
        &mut self,
        carrier: &mut impl Carrier,
        pattern: &Pattern,
        events: &mut Vec<MessageEvent>,
    ) -> Result<(), ConnectionFailure> {
        while let Some(data) = carrier.receive() {
            let awaited = self.number(&data).and_then(|number| {
                let message = self.under_way[(number - self.first) as usize].take()?;
                Some((number, message))
            });
            let Some((number, message)) = awaited else {
                events.push(MessageEvent::Late);
                continue;
            };
            self.awaited -= 1;
            self.forget_answered();
            // The number is right by construction.
            let rest = data.get(NUMBER_BYTES..).unwrap_or_default();
            let is_whole = data.len() == message.size;
            if !is_whole || pattern.check(Pattern::origin(number), rest).is_err() {
                events.push(MessageEvent::Differed);
                let reason = format!("a DATAGRAM frame of {} bytes differs", data.len());
                return Err(ConnectionFailure::new(ErrorKind::Differs, reason));
            }
            events.push(MessageEvent::Echoed(message));
        }
        Ok(())
    }

    /// Returns the whole number of a message by as much of it as was received:
    /// of several that begin so, that of the oldest that is awaited.
    fn number(&self, data: &[u8]) -> Option<u64> {
        let known = data.len().min(NUMBER_BYTES);
        let mut bytes = [0; NUMBER_BYTES];
        bytes[..known].copy_from_slice(&data[..known]);
        let low = u64::from_le_bytes(bytes);
        let count = self.under_way.len() as u64;
        if known == NUMBER_BYTES {
            let distance = low.wrapping_sub(self.first);
            return (distance < count).then_some(low);
        }
        let period = 1_u64 << (8 * known);
        let first = low.wrapping_sub(self.first) & (period - 1);
        let candidates = (first..count).step_by(period as usize);
        let awaited = |distance: &u64| {
            let message = &self.under_way[*distance as usize];
            message.is_some_and(|message| message.size == data.len())
        };
        let mut candidates = candidates.filter(awaited);
        candidates.next().map(|distance| self.first + distance)
    }

    /// Gives up what was sent too long ago, by the time for an echo.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        timeout: Duration,
        events: &mut Vec<MessageEvent>,
    ) {
        let after = timeout.min(LOST_AFTER);
        while let Some(Some(message)) = self.under_way.front()
            && now.saturating_duration_since(message.sent) >= after
        {
            events.push(MessageEvent::Lost(*message));
            self.awaited -= 1;
            self.under_way.pop_front();
            self.first += 1;
            self.forget_answered();
        }
    }

    fn forget_answered(&mut self) {
        while let Some(None) = self.under_way.front() {
            self.under_way.pop_front();
            self.first += 1;
        }
    }
}

fn payload(number: u64, size: usize, pattern: &Pattern) -> Bytes {
    let mut data = BytesMut::with_capacity(size);
    data.extend_from_slice(&number.to_le_bytes()[..size.min(NUMBER_BYTES)]);
    let rest = size.saturating_sub(NUMBER_BYTES);
    data.extend_from_slice(&pattern.piece(Pattern::origin(number), rest));
    data.freeze()
}

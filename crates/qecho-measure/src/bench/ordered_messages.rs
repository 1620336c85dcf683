//! Messages that follow one another on something that keeps their order.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use qecho_echo::COALESCE_MAX;

use super::{
    failure::ConnectionFailure,
    message::{Message, MessageEvent},
    pattern::Pattern,
};

/// An ordered sequence of bytes, and the messages in it.
#[derive(Debug, Default)]
pub(super) struct OrderedMessages {
    /// Beginning of its part of the pattern.
    origin: u64,
    /// Bytes that are to be sent, were written, and came back.
    wanted: u64,
    written: u64,
    received: u64,
    /// End of each message that has not come back.
    under_way: VecDeque<(u64, Message)>,
}

impl OrderedMessages {
    /// Makes the `number`-th sequence of all.
    pub(super) fn new(number: u64) -> Self {
        Self {
            origin: Pattern::origin(number),
            ..Self::default()
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
    pub(super) fn add(&mut self, message: Message) {
        self.wanted += message.size as u64;
        self.under_way.push_back((self.wanted, message));
    }

    /// Returns the next piece to write, if there is one; messages that follow
    /// one another make one piece.
    pub(super) fn unwritten(&self, pattern: &Pattern) -> Option<Bytes> {
        let left = (self.wanted - self.written).min(COALESCE_MAX as u64);
        let at = self.origin + self.written;
        (left > 0).then(|| pattern.piece(at, left as usize))
    }

    /// Counts bytes of it as written.
    pub(super) fn wrote(&mut self, length: usize) {
        self.written += length as u64;
    }

    /// Takes in what has come back, and reports the messages that are whole.
    pub(super) fn read(
        &mut self,
        data: &[u8],
        pattern: &Pattern,
        events: &mut Vec<MessageEvent>,
    ) -> Result<(), ConnectionFailure> {
        pattern.check(self.origin + self.received, data)?;
        self.received += data.len() as u64;
        if self.received > self.written {
            return Err(ConnectionFailure::too_much());
        }
        while let Some((end, message)) = self.under_way.front().copied()
            && end <= self.received
        {
            self.under_way.pop_front();
            events.push(MessageEvent::Echoed(message));
        }
        Ok(())
    }
}

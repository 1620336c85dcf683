//! A DATAGRAM frame for each message.

use std::time::{Duration, Instant};

use qecho_engine::{Connection, SendDatagramError};

use super::{payload::Payload, report::Failure};

/// Time between two checks of that search.
const SEARCH_STEP: Duration = Duration::from_millis(10);

/// Messages in DATAGRAM frames.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    /// Message that the queue had no room for.
    blocked: Option<Payload>,
    /// End of the search for the MTU.
    search_ends: Option<Instant>,
    /// Time of the next check of the search.
    next_check: Option<Instant>,
    fits: bool,
}

impl Datagrams {
    /// Tells whether messages of `size` bytes can be sent, now that they may
    /// be; not yet while the search for the MTU (RFC 8899) may go on, for which there is
    /// `patience`.
    pub(super) fn are_possible(
        &mut self,
        connection: &mut Connection<'_>,
        size: usize,
        patience: Duration,
    ) -> Result<bool, Failure> {
        if self.fits {
            return Ok(true);
        }
        let now = connection.now();
        let most = connection.datagram_max().ok_or(Failure::NoDatagrams)?;
        self.next_check = None;
        if size <= most {
            self.fits = true;
            return Ok(true);
        }
        let possible = connection.datagram_max_possible().unwrap_or(most);
        let search_ends = *self.search_ends.get_or_insert(now + patience);
        if size > possible || search_ends <= now {
            let length = size;
            let most = if size > possible { possible } else { most };
            return Err(Failure::DatagramTooLarge { length, most });
        }
        self.next_check = Some(now + SEARCH_STEP);
        Ok(false)
    }

    /// Returns when the search is to be checked.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_check
    }

    /// Tells whether another may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.fits && self.blocked.is_none()
    }

    pub(super) fn send(
        &mut self,
        connection: &mut Connection<'_>,
        payload: Payload,
    ) -> Result<(), Failure> {
        match connection.send_datagram(payload.bytes()) {
            Ok(()) => Ok(()),
            Err(SendDatagramError::Unsupported) => Err(Failure::NoDatagrams),
            Err(SendDatagramError::TooLarge) => Err(Failure::DatagramTooLarge {
                length: payload.size,
                most: connection.datagram_max().unwrap_or(0),
            }),
            // The event says when the queue has room.
            Err(_) => {
                self.blocked = Some(payload);
                Ok(())
            }
        }
    }

    /// Sends the message that had to wait.
    pub(super) fn send_blocked(&mut self, connection: &mut Connection<'_>) -> Result<(), Failure> {
        match self.blocked.take() {
            Some(payload) => self.send(connection, payload),
            None => Ok(()),
        }
    }

    /// Returns the messages that have come back, and fails if one's pattern is
    /// not what its number says.
    pub(super) fn receive(connection: &mut Connection<'_>) -> Result<Vec<Payload>, Failure> {
        let mut whole = Vec::new();
        while let Some(data) = connection.receive_datagram() {
            // A message that is too short for a number is a stranger's.
            let Some(payload) = Payload::read(&data) else {
                continue;
            };
            if payload.bytes() != data {
                let sequence = payload.sequence;
                return Err(Failure::Differs { sequence });
            }
            whole.push(payload);
        }
        Ok(whole)
    }
}

//! One message of a conversation, from its sending to its echo.

use std::time::Instant;

use bytes::Bytes;
use qecho_engine::{Connection, SendDatagramError, StreamId};

use super::{
    config::{Message, Mode},
    report::Failure,
};

/// A message on its way.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) message: Message,
    pub(super) number: u64,
    pub(super) began: Instant,
    pub(super) stream: Option<StreamId>,
    pub(super) unsent: Bytes,
    /// Whether every byte was handed over for sending.
    pub(super) sent: bool,
    /// Bytes that came back and were equal.
    pub(super) echoed: usize,
    /// Whether an answer is no longer needed: on a stream no bytes are echoed
    /// by no bytes, but a DATAGRAM frame of no bytes must come back.
    pub(super) came: bool,
}

impl Exchange {
    pub(super) fn new(number: u64, message: Message, now: Instant) -> Self {
        Self {
            unsent: message.data.clone(),
            came: message.over != Mode::Datagram,
            message,
            number,
            began: now,
            stream: None,
            sent: false,
            echoed: 0,
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.message.data.len() as u64
    }

    pub(super) fn missing(&self) -> u64 {
        self.total() - self.echoed as u64
    }

    /// Tells whether everything was sent and has come back.
    pub(super) fn is_whole(&self) -> bool {
        self.sent && self.missing() == 0 && self.came
    }

    /// Compares what came back with what was sent.
    pub(super) fn compare(&mut self, data: &[u8]) -> Result<(), Failure> {
        let rest = &self.message.data[self.echoed..];
        if let Some(place) = rest.iter().zip(data).position(|(sent, came)| sent != came) {
            return Err(Failure::Differs {
                offset: (self.echoed + place) as u64,
                sent: rest[place],
                received: data[place],
            });
        }
        if data.len() > rest.len() {
            let bytes = (data.len() - rest.len()) as u64;
            return Err(Failure::TooMuch { bytes });
        }
        self.echoed += data.len();
        Ok(())
    }

    pub(super) fn stopped(&self, code: u64) -> Failure {
        Failure::Stopped {
            code,
            missing: self.missing(),
            total: self.total(),
        }
    }

    pub(super) fn send_datagram(&mut self, connection: &mut Connection<'_>) -> Result<(), Failure> {
        if self.sent {
            return Ok(());
        }
        match connection.send_datagram(self.message.data.clone()) {
            Ok(()) => {
                self.sent = true;
                Ok(())
            }
            Err(SendDatagramError::Unsupported) => Err(Failure::NoDatagrams),
            Err(SendDatagramError::TooLarge) => Err(Failure::DatagramTooLarge {
                number: self.number,
                length: self.message.data.len(),
                most: connection.datagram_max().unwrap_or(0),
            }),
            // The queue is emptied by sending; the event says when.
            Err(_) => Ok(()),
        }
    }
}

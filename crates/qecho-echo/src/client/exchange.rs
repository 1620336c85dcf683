//! One message of a conversation, from its sending to its echo.

use std::time::{Duration, Instant};

use bytes::Bytes;
use qecho_engine::{Connection, SendDatagramError, StreamId};

use super::{
    config::{Message, Mode, TIMEOUT},
    report::Failure,
};

/// Time that is given to the search for the path's MTU when a message is too large for a
/// DATAGRAM frame at first, unless patience ends before.
const SEARCH_MAX: Duration = TIMEOUT;

/// Time between two looks at that search.
const SEARCH_STEP: Duration = Duration::from_millis(10);

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
    /// Whether an answer is no longer needed: on a stream that others use too, no bytes are
    /// echoed by no bytes, but a DATAGRAM frame of no bytes must come back, and the FIN of a
    /// stream of its own.
    pub(super) came: bool,
    /// Instant at which a message that is too large for a DATAGRAM frame is tried again: the
    /// search for the path's MTU (RFC 8899) may still go on.
    pub(super) tried_again: Option<Instant>,
    /// STOP_SENDING frames that had come before those that may be about its stream.
    pub(super) stops_before: Option<u64>,
    /// Whether one has come since.
    pub(super) is_stopped: bool,
    /// Bytes that a DATAGRAM frame took when it was tried last, or may come to take.
    datagram_max: usize,
}

impl Exchange {
    pub(super) fn new(number: u64, message: Message, now: Instant) -> Self {
        Self {
            unsent: message.data.clone(),
            came: match message.over {
                Mode::Datagram => false,
                Mode::StreamPerMessage => !message.data.is_empty(),
                Mode::Stream | Mode::Uni => true,
            },
            message,
            number,
            began: now,
            stream: None,
            sent: false,
            echoed: 0,
            tried_again: None,
            stops_before: None,
            is_stopped: false,
            datagram_max: 0,
        }
    }

    /// Tells whether the FIN of its stream is the whole echo.
    pub(super) fn awaits_fin(&self) -> bool {
        self.message.over == Mode::StreamPerMessage && !self.came
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

    /// Sends the message in a DATAGRAM frame, if it fits now; its time begins then.
    pub(super) fn send_datagram(&mut self, connection: &mut Connection<'_>) -> Result<(), Failure> {
        if self.sent {
            return Ok(());
        }
        let now = connection.now();
        let searched = self.tried_again.take();
        match connection.send_datagram(self.message.data.clone()) {
            Ok(()) => {
                self.sent = true;
                if searched.is_some() {
                    self.began = now;
                }
                Ok(())
            }
            Err(SendDatagramError::Unsupported) => Err(Failure::NoDatagrams),
            Err(SendDatagramError::TooLarge) => {
                self.datagram_max = connection.datagram_max().unwrap_or(0);
                let possible = connection.datagram_max_possible().unwrap_or(0);
                let may_fit = self.message.data.len() <= possible;
                if !may_fit {
                    self.datagram_max = possible;
                }
                if !may_fit || now >= self.began + SEARCH_MAX {
                    return Err(self.too_large());
                }
                self.tried_again = Some(now + SEARCH_STEP);
                Ok(())
            }
            // The queue is emptied by sending; the event says when.
            Err(_) => Ok(()),
        }
    }

    pub(super) fn too_large(&self) -> Failure {
        Failure::DatagramTooLarge {
            number: self.number,
            length: self.message.data.len(),
            most: self.datagram_max,
        }
    }
}

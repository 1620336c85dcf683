//! A message that goes with the first packets of a connection (0-RTT).

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use qecho_echo::{ALPN_ECHO, dial::Alpn};
use qecho_engine::{Connection, Dir, ReadEnd, StreamId};

use super::report::Failure;

/// H3_REQUEST_CANCELLED (RFC 9114 §8.1), for what most servers speak; to others
/// it is a code like any.
const CODE_CANCELLED: u64 = 0x10c;

/// A message on a stream of its own, and the rest of its echo.
#[derive(Debug)]
pub(super) struct EarlyMessage {
    id: StreamId,
    sequence: u64,
    began: Instant,
    /// Bytes that have not come back.
    rest: Bytes,
    /// From the beginning of the connection until all had come back.
    pub(super) echoed: Option<Duration>,
}

impl EarlyMessage {
    /// Sends a message, and FIN after it. An empty one is a stream that is
    /// cancelled at once: servers of other protocols take no offence at it.
    pub(super) fn send(
        connection: &mut Connection<'_>,
        sequence: u64,
        message: Bytes,
    ) -> Option<Self> {
        let id = connection.open(Dir::Bidirectional)?;
        if message.is_empty() {
            connection.reset(id, CODE_CANCELLED);
            connection.stop(id, CODE_CANCELLED);
        }
        // Shorter than any window; else it would be missed like one that was lost.
        connection.write(id, message.clone());
        connection.finish(id);
        Some(Self {
            id,
            sequence,
            began: connection.began(),
            rest: message,
            echoed: None,
        })
    }

    /// Tells whether some of it has not come back.
    pub(super) fn is_awaited(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Reads what has come back on a stream.
    pub(super) fn read(
        &mut self,
        connection: &mut Connection<'_>,
        id: StreamId,
    ) -> Result<(), Failure> {
        if id != self.id || self.rest.is_empty() {
            return Ok(());
        }
        let sequence = self.sequence;
        let read = connection.read(id, self.rest.len());
        if !self.rest.starts_with(&read.data) {
            return Err(Failure::Differs { sequence });
        }
        self.rest.advance(read.data.len());
        match read.end {
            _ if self.rest.is_empty() => {
                self.echoed = Some(connection.received_at() - self.began);
                Ok(())
            }
            ReadEnd::Fin => Err(Failure::Differs { sequence }),
            _ => Ok(()),
        }
    }
}

/// Tells whether a server that agrees to this protocol echoes.
pub(super) fn is_echoed(alpn: &Alpn) -> bool {
    match alpn {
        Alpn::Auto | Alpn::None => true,
        Alpn::Name(name) => name == ALPN_ECHO,
    }
}

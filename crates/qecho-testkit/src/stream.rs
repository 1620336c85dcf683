//! One stream of a load: what is sent on it, and what came back.

use std::sync::OnceLock;

use bytes::Bytes;
use qecho_engine::{Connection, Dir, ReadEnd, Side, StreamId, Written};

/// Plan of what to do on a stream.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In which directions it carries data.
    pub direction: Dir,
    /// Bytes to send, and the FIN after them.
    pub bytes: u64,
    /// Whether the FIN is sent.
    pub fin: bool,
    /// Whether what comes back is read at once.
    pub reads: bool,
    /// Abandons sending (RESET_STREAM) after so many bytes with this code.
    pub reset: Option<(u64, u64)>,
    /// Asks for no more (STOP_SENDING) after so many bytes with this code.
    pub stop: Option<(u64, u64)>,
    /// Bytes handed over in one write.
    pub piece: u64,
}

impl Plan {
    /// Sends so many bytes, and ends with FIN.
    pub fn new(direction: Dir, bytes: u64) -> Self {
        Self {
            direction,
            bytes,
            fin: true,
            reads: true,
            reset: None,
            stop: None,
            piece: 64 << 10,
        }
    }

    /// Sends so many bytes on a bidirectional stream.
    pub fn bidirectional(bytes: u64) -> Self {
        Self::new(Dir::Bidirectional, bytes)
    }

    /// Sends so many bytes on a unidirectional stream.
    pub fn unidirectional(bytes: u64) -> Self {
        Self::new(Dir::Unidirectional, bytes)
    }

    /// Leaves the stream open after the last byte.
    pub fn without_fin(self) -> Self {
        Self { fin: false, ..self }
    }

    /// Reads nothing until it is told to.
    pub fn unread(self) -> Self {
        Self {
            reads: false,
            ..self
        }
    }

    /// Resets the stream after so many bytes.
    pub fn reset_after(self, bytes: u64, code: u64) -> Self {
        Self {
            reset: Some((bytes, code)),
            ..self
        }
    }

    /// Stops the echo after so many bytes of it.
    pub fn stop_after(self, bytes: u64, code: u64) -> Self {
        Self {
            stop: Some((bytes, code)),
            ..self
        }
    }

    /// Writes pieces of so many bytes.
    pub fn in_pieces_of(self, piece: u64) -> Self {
        Self { piece, ..self }
    }
}

/// End of the server's side of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By FIN.
    Fin,
    /// By RESET_STREAM with this code.
    Reset(u64),
}

/// The state of a stream.
#[derive(Debug)]
pub struct Stream {
    id: StreamId,
    plan: Plan,
    /// Bytes that were written.
    pub written: u64,
    /// Bytes that came back.
    pub received: u64,
    /// End of the echo, if it has ended.
    pub ended: Option<Ended>,
    /// The code of the server's STOP_SENDING.
    pub stop_code: Option<u64>,
    sending_over: bool,
    stop_sent: bool,
    /// Whether the stream of the echo is there.
    opened: bool,
}

impl Stream {
    /// Begins what is planned.
    pub fn new(id: StreamId, plan: Plan) -> Self {
        Self {
            id,
            plan,
            written: 0,
            received: 0,
            ended: None,
            stop_code: None,
            sending_over: false,
            stop_sent: false,
            opened: id.direction() == Dir::Bidirectional,
        }
    }

    /// Notes that the server has opened the stream of the echo.
    pub fn opened(&mut self) {
        self.opened = true;
    }

    /// Reads what comes back from now on.
    pub fn read_from_now_on(&mut self) {
        self.plan.reads = true;
    }

    /// Tells whether everything was sent, and everything that can be expected
    /// has come back.
    pub fn is_done(&self) -> bool {
        let answered = if self.plan.fin || self.plan.reset.is_some() {
            self.ended.is_some()
        } else {
            self.received == self.plan.bytes
        };
        self.sending_over && (answered || self.stop_sent || self.stop_code.is_some())
    }

    /// Tells whether every byte came back and the FIN after them.
    pub fn is_whole(&self) -> bool {
        self.received == self.plan.bytes && self.ended == Some(Ended::Fin)
    }

    /// Notes that the peer wants no more.
    pub fn stopped(&mut self, code: u64) {
        self.stop_code = Some(code);
        self.sending_over = true;
    }

    /// Sends and reads as far as nobody has to wait.
    pub fn advance(&mut self, connection: &mut Connection<'_>) -> Result<(), String> {
        self.send(connection);
        if self.plan.reads && self.opened {
            self.read(connection)?;
        }
        Ok(())
    }

    fn send(&mut self, connection: &mut Connection<'_>) {
        let (last, reset) = match self.plan.reset {
            Some((bytes, code)) => (bytes.min(self.plan.bytes), Some(code)),
            None => (self.plan.bytes, None),
        };
        while !self.sending_over && self.written < last {
            let length = self.plan.piece.min(last - self.written);
            match connection.write(self.id, content(self.id, self.written, length)) {
                Written::All => self.written += length,
                Written::Blocked(rest) => {
                    self.written += length - rest.len() as u64;
                    return;
                }
                Written::Stopped(code) => self.stopped(code),
                Written::Closed => self.sending_over = true,
            }
        }
        if self.sending_over {
            return;
        }
        self.sending_over = true;
        match reset {
            Some(code) => connection.reset(self.id, code),
            None if self.plan.fin => connection.finish(self.id),
            None => {}
        }
    }

    fn read(&mut self, connection: &mut Connection<'_>) -> Result<(), String> {
        let echo = self.echo();
        while self.ended.is_none() && !self.stop_sent {
            let max = match self.plan.stop {
                Some((bytes, _)) => (bytes - self.received).min(65_536),
                None => 65_536,
            };
            let read = connection.read(echo, max as usize);
            self.check(&read.data)?;
            self.received += read.data.len() as u64;
            match read.end {
                ReadEnd::Fin => self.ended = Some(Ended::Fin),
                ReadEnd::Reset(code) => self.ended = Some(Ended::Reset(code)),
                ReadEnd::Blocked | ReadEnd::Closed => return Ok(()),
                ReadEnd::More => {}
            }
            if let Some((bytes, code)) = self.plan.stop
                && self.received >= bytes
                && self.ended.is_none()
            {
                connection.stop(echo, code);
                self.stop_sent = true;
            }
        }
        Ok(())
    }

    /// Compares what came back with what was sent.
    fn check(&self, data: &[u8]) -> Result<(), String> {
        let Self { id, received, .. } = self;
        let after = received + data.len() as u64;
        if after > self.written {
            let written = self.written;
            return Err(format!("stream {id}: {after} bytes back, {written} sent"));
        }
        if content(*id, *received, data.len() as u64) == data {
            return Ok(());
        }
        Err(format!("stream {id} differs after byte {received}"))
    }

    /// Returns the stream on which the echo comes.
    fn echo(&self) -> StreamId {
        match self.id.direction() {
            Dir::Bidirectional => self.id,
            Dir::Unidirectional => {
                StreamId::new(Side::Server, Dir::Unidirectional, self.id.index())
            }
        }
    }
}

/// Bytes after which the content of a stream repeats itself: a prime, so that
/// no window, packet or buffer is a multiple of it.
const PERIOD: u64 = 262_139;

/// Returns what a stream carries at a place; streams differ in where they
/// begin.
fn content(id: StreamId, offset: u64, length: u64) -> Bytes {
    static NOISE: OnceLock<Bytes> = OnceLock::new();
    let noise = NOISE.get_or_init(|| {
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..PERIOD)
            .map(|_| {
                // Knuth's linear congruential generator.
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        [noise.clone(), noise].concat().into()
    });
    assert!(length <= PERIOD, "pieces are smaller");
    let start = ((id.value() * 7_919 + offset) % PERIOD) as usize;
    noise.slice(start..start + length as usize)
}

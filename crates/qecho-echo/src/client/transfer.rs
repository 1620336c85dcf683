//! Transfer of bytes without messages: what is read goes out, what comes back is written, both as
//! fast as the slower side takes.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, TrySendError},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use qecho_engine::{Connection, Dir, Event, ReadEnd, StreamId, Written};

use super::report::{Failure, Report};
use crate::{COALESCE_MAX, dial::stood_still, reply};

/// Chunks that wait between a transfer and the thread that reads or writes.
pub const CHUNKS_MAX: usize = 16;

/// Bytes that are kept for comparing; no more are sent until some of
/// them have come back.
pub const VERIFY_OUTSTANDING_MAX: usize = 16 << 20;

/// Input and output of a transfer, whose other ends other threads hold.
#[derive(Debug)]
pub struct TransferIo {
    /// Bytes to be sent; they end when the sender is dropped.
    pub input: Receiver<io::Result<Bytes>>,
    /// Bytes that came back; dropped at the end. `None` compares instead.
    pub output: Option<SyncSender<Bytes>>,
    /// Counts of both directions, to be shown.
    pub progress: Arc<TransferProgress>,
    /// Kind of stream that carries the bytes.
    pub direction: Dir,
}

/// Counts of a transfer under way.
#[derive(Debug, Default)]
pub struct TransferProgress {
    /// Bytes taken by the send side.
    pub sent: AtomicU64,
    /// Bytes that came back.
    pub received: AtomicU64,
}

/// State of a transfer.
#[derive(Debug)]
pub(super) struct Transfer {
    io: TransferIo,
    stream: Option<StreamId>,
    unsent: Bytes,
    undelivered: Bytes,
    /// Sent and not yet back, when comparing.
    outstanding: VecDeque<Bytes>,
    outstanding_bytes: usize,
    /// Whether there is something to send, or an end, and the peer allows no stream for it.
    awaits_stream: bool,
    fin_sent: bool,
    fin_received: bool,
    /// Whether the peer has stopped the stream after our end.
    is_stopped: bool,
    output_ended: bool,
    sent: u64,
    received: u64,
    patience: Option<Duration>,
    /// Instant at which patience with the peer ends, while it is the peer that is waited for.
    due: Option<Instant>,
}

impl Transfer {
    pub(super) fn new(io: TransferIo, patience: Option<Duration>) -> Self {
        Self {
            io,
            stream: None,
            unsent: Bytes::new(),
            undelivered: Bytes::new(),
            outstanding: VecDeque::new(),
            outstanding_bytes: 0,
            awaits_stream: false,
            fin_sent: false,
            fin_received: false,
            is_stopped: false,
            output_ended: false,
            sent: 0,
            received: 0,
            patience,
            due: None,
        }
    }

    pub(super) fn report(&self) -> Report {
        Report {
            bytes_sent: self.sent,
            bytes_received: self.received,
            ..Report::default()
        }
    }

    /// Tells whether everything has gone out and come back, or nobody reads
    /// any more.
    pub(super) fn is_over(&self) -> bool {
        self.output_ended || (self.fin_sent && self.fin_received && self.undelivered.is_empty())
    }

    pub(super) fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        event: &Event,
    ) -> Result<(), Failure> {
        if let Event::Stopped(id, code) = event
            && Some(*id) == self.stream
        {
            return Err(self.stopped(*code));
        }
        self.advance(connection)?;
        // No event tells of it, since the peer has our end already. What it owes may come all the
        // same: who has read to the end may throw its half away.
        self.is_stopped |= self.fin_sent && connection.stops_received() > 0;
        Ok(())
    }

    /// Moves bytes both ways as far as nobody has to wait.
    pub(super) fn advance(&mut self, connection: &mut Connection<'_>) -> Result<(), Failure> {
        let before = (self.sent, self.received, self.fin_sent);
        let waited_for_reader = !self.undelivered.is_empty();
        self.move_bytes(connection)?;
        let progress = before != (self.sent, self.received, self.fin_sent) || waited_for_reader;
        if self.awaited().is_none() {
            self.due = None;
        } else if progress || self.due.is_none() {
            self.due = self.patience.map(|patience| connection.now() + patience);
        }
        Ok(())
    }

    /// Returns a number that changes with each byte that moves, while it is the peer that is
    /// waited for: for an echo, the end of the stream, a stream or room to send.
    pub(super) fn awaited(&self) -> Option<u64> {
        let peer_owes = self.sent > self.received || (self.fin_sent && !self.fin_received);
        let is_blocked = self.awaits_stream || !self.unsent.is_empty();
        let waits_for_peer = (peer_owes || is_blocked) && self.undelivered.is_empty();
        waits_for_peer.then_some(self.sent + self.received)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Runs out of patience if it is time.
    pub(super) fn handle_deadline(&mut self, now: Instant) -> Result<(), Failure> {
        let (Some(after), Some(due)) = (self.patience, self.due.filter(|due| *due <= now)) else {
            return Ok(());
        };
        if !stood_still(due, now) {
            return Err(self.no_progress(after));
        }
        self.due = Some(now + after);
        Ok(())
    }

    /// Says what the peer was waited for.
    fn no_progress(&self, after: Duration) -> Failure {
        let (missing, total) = (self.missing(), self.total());
        if self.awaits_stream {
            Failure::NoStream { after }
        } else if self.is_stopped {
            Failure::StoppedAfterEnd { missing, total }
        } else if self.fin_sent && missing == 0 {
            Failure::NoFin { after }
        } else {
            Failure::NoProgress {
                after,
                missing,
                total,
            }
        }
    }

    /// Returns how many bytes were taken from the input.
    fn total(&self) -> u64 {
        self.sent + self.unsent.len() as u64
    }

    fn missing(&self) -> u64 {
        self.total().saturating_sub(self.received)
    }

    fn move_bytes(&mut self, connection: &mut Connection<'_>) -> Result<(), Failure> {
        let Some(stream) = self.stream.or_else(|| connection.open(self.io.direction)) else {
            self.awaits_stream = !self.unsent.is_empty() || self.next_chunk()?;
            return Ok(());
        };
        self.stream = Some(stream);
        self.awaits_stream = false;
        self.send(connection, stream)?;
        self.receive(connection, reply(stream))?;
        // What came back makes room for more when comparing.
        self.send(connection, stream)
    }

    fn stopped(&self, code: u64) -> Failure {
        Failure::Stopped {
            code,
            missing: self.missing(),
            total: self.total(),
        }
    }

    fn send(&mut self, connection: &mut Connection<'_>, stream: StreamId) -> Result<(), Failure> {
        while !self.fin_sent {
            if self.unsent.is_empty() && !self.next_chunk()? {
                return Ok(());
            }
            if self.unsent.is_empty() {
                connection.finish(stream);
                self.fin_sent = true;
                return self.check_end();
            }
            let before = self.unsent.len();
            let blocked = match connection.write(stream, std::mem::take(&mut self.unsent)) {
                Written::All => false,
                Written::Blocked(rest) => {
                    self.unsent = rest;
                    true
                }
                Written::Stopped(code) => return Err(self.stopped(code)),
                Written::Closed => return Ok(()),
            };
            self.sent += (before - self.unsent.len()) as u64;
            self.io.progress.sent.store(self.sent, Ordering::Relaxed);
            if blocked {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes the next chunk of input, if it is there: an empty one is the end.
    fn next_chunk(&mut self) -> Result<bool, Failure> {
        let comparing = self.io.output.is_none();
        if comparing && self.outstanding_bytes >= VERIFY_OUTSTANDING_MAX {
            return Ok(false);
        }
        loop {
            let chunk = match self.io.input.try_recv() {
                Err(TryRecvError::Empty) => return Ok(false),
                Err(TryRecvError::Disconnected) => return Ok(true),
                Ok(Err(error)) => {
                    return Err(Failure::Broken(format!("cannot read the input: {error}")));
                }
                Ok(Ok(chunk)) => chunk,
            };
            // An empty chunk is none: the end is the sender's dropping.
            if chunk.is_empty() {
                continue;
            }
            if comparing {
                self.outstanding_bytes += chunk.len();
                self.outstanding.push_back(chunk.clone());
            }
            self.unsent = chunk;
            return Ok(true);
        }
    }

    fn receive(&mut self, connection: &mut Connection<'_>, echo: StreamId) -> Result<(), Failure> {
        while self.deliver() && !self.fin_received {
            let read = connection.read(echo, COALESCE_MAX);
            self.received += read.data.len() as u64;
            self.io
                .progress
                .received
                .store(self.received, Ordering::Relaxed);
            if self.received > self.sent {
                let bytes = self.received - self.sent;
                return Err(Failure::TooMuch { bytes });
            }
            if self.io.output.is_none() {
                self.compare(&read.data)?;
            } else {
                self.undelivered = read.data;
            }
            match read.end {
                ReadEnd::More => {}
                ReadEnd::Blocked | ReadEnd::Closed => {
                    self.deliver();
                    return Ok(());
                }
                ReadEnd::Fin => {
                    self.fin_received = true;
                    self.deliver();
                    return self.check_end();
                }
                ReadEnd::Reset(code) => {
                    return Err(Failure::Reset {
                        code,
                        missing: self.missing(),
                        total: self.total(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Hands over what came back; tells whether there is room for more.
    fn deliver(&mut self) -> bool {
        let Some(output) = &self.io.output else {
            return true;
        };
        if self.undelivered.is_empty() {
            return true;
        }
        match output.try_send(std::mem::take(&mut self.undelivered)) {
            Ok(()) => true,
            Err(TrySendError::Full(chunk)) => {
                self.undelivered = chunk;
                false
            }
            Err(TrySendError::Disconnected(_)) => {
                self.output_ended = true;
                false
            }
        }
    }

    fn compare(&mut self, mut data: &[u8]) -> Result<(), Failure> {
        while !data.is_empty() {
            let Some(expected) = self.outstanding.front_mut() else {
                let bytes = data.len() as u64;
                return Err(Failure::TooMuch { bytes });
            };
            let length = expected.len().min(data.len());
            let sent = expected.split_to(length);
            if expected.is_empty() {
                self.outstanding.pop_front();
            }
            let (came, rest) = data.split_at(length);
            if let Some(place) = sent.iter().zip(came).position(|(sent, came)| sent != came) {
                return Err(Failure::Differs {
                    offset: self.received - (data.len() - place) as u64,
                    sent: sent[place],
                    received: came[place],
                });
            }
            self.outstanding_bytes -= length;
            data = rest;
        }
        Ok(())
    }

    /// Checks the counts once the peer has ended its side.
    fn check_end(&self) -> Result<(), Failure> {
        if !self.fin_received {
            return Ok(());
        }
        if self.received < self.sent {
            return Err(Failure::NotEchoed {
                missing: self.sent - self.received,
                total: self.sent,
            });
        }
        if !self.fin_sent {
            return Err(Failure::EndedEarly {
                echoed: self.received,
            });
        }
        Ok(())
    }
}

//! One connection of a load, and the workers on it.

use std::time::Instant;

use qecho_echo::dial::QuietTimer;
use qecho_engine::{Connection, Event};

use super::{
    accounting::LoadAccounting,
    config::{Mode, Workload},
    counters::TransportCounts,
    datagrams::Datagrams,
    failure::{ConnectionFailure, ErrorKind},
    message::Message,
    stream_per_message::StreamPerMessage,
    stream_worker::StreamWorker,
};

/// State of one connection.
#[derive(Debug)]
pub struct Session {
    /// Its slot among the shard's connections.
    pub(super) slot: usize,
    pub(super) is_connected: bool,
    /// Whether it has waited for the server's TLS sessions, if it has to.
    pub(super) may_end: bool,
    /// When its handshake must be complete.
    pub(super) connect_by: Instant,
    /// The transport's counts when the measuring began.
    pub(super) before: TransportCounts,
    workers: Workers,
    quiet: QuietTimer,
    /// The stream that has the latest message of an open loop.
    turn: usize,
}

#[derive(Debug)]
enum Workers {
    Streams(Vec<StreamWorker>),
    StreamPerMessage(StreamPerMessage),
    Datagrams(Datagrams),
    Idle,
}

impl Session {
    pub(super) fn new(slot: usize, connect_by: Instant, workload: &Workload) -> Self {
        let workers = match workload.mode {
            Mode::Stream | Mode::Bulk => {
                let first = slot * workload.streams;
                let numbers = first..first + workload.streams;
                let worker = |number| StreamWorker::new(number as u64);
                Workers::Streams(numbers.map(worker).collect())
            }
            Mode::StreamPerMessage | Mode::Handshake => {
                Workers::StreamPerMessage(StreamPerMessage::default())
            }
            Mode::Datagram => Workers::Datagrams(Datagrams::default()),
            Mode::Idle => Workers::Idle,
        };
        Self {
            slot,
            is_connected: false,
            may_end: true,
            connect_by,
            before: TransportCounts::default(),
            workers,
            quiet: QuietTimer::default(),
            turn: 0,
        }
    }

    /// Returns how many messages are under way.
    pub(super) fn under_way(&self) -> usize {
        match &self.workers {
            Workers::Streams(streams) => streams.iter().map(StreamWorker::len).sum(),
            Workers::StreamPerMessage(worker) => worker.len(),
            Workers::Datagrams(datagrams) => datagrams.len(),
            Workers::Idle => 0,
        }
    }

    /// Tells whether a live connection has done all that it was for.
    pub(super) fn is_done(&self) -> bool {
        self.is_connected && self.may_end && self.under_way() == 0
    }

    /// Adds a message that [`send_pending`](Self::send_pending) is to send.
    pub(super) fn add(&mut self, now: Instant, message: Message, accounting: &mut LoadAccounting) {
        match &mut self.workers {
            Workers::Streams(streams) => {
                self.turn = (self.turn + 1) % streams.len();
                streams[self.turn].add(accounting.begin_sending(now, message));
            }
            Workers::StreamPerMessage(worker) if accounting.workload.mode.is_connecting() => {
                // Its sending begins with the handshake.
                worker.add(accounting.begin_sending(now, message));
            }
            Workers::StreamPerMessage(worker) => worker.add(message),
            Workers::Datagrams(datagrams) => datagrams.add(message),
            Workers::Idle => accounting.abandon(1),
        }
    }

    /// Lets [`send_pending`](Self::send_pending) send again the early data that
    /// the server has rejected.
    pub(super) fn restart(&mut self) {
        if let Workers::StreamPerMessage(worker) = &mut self.workers {
            worker.restart();
        }
    }

    /// Sends as much as may be sent.
    pub(super) fn send_pending(
        &mut self,
        connection: &mut Connection<'_>,
        accounting: &mut LoadAccounting,
    ) -> Result<(), ConnectionFailure> {
        let now = connection.now();
        match &mut self.workers {
            Workers::Streams(streams) => streams
                .iter_mut()
                .try_for_each(|stream| refill_stream(stream, connection, accounting)),
            Workers::StreamPerMessage(worker) => {
                let granted = accounting.refill(now, worker.len());
                granted.for_each(|message| worker.add(message));
                accounting.account_for(now, |pattern, events| {
                    worker.open(connection, pattern, events)
                })
            }
            Workers::Datagrams(datagrams) => {
                let granted = accounting.refill(now, datagrams.len());
                granted.for_each(|message| datagrams.add(message));
                accounting.account_for(now, |pattern, events| {
                    datagrams.send(connection, pattern, events)
                })
            }
            Workers::Idle => Ok(()),
        }
    }

    pub(super) fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        event: &Event,
        accounting: &mut LoadAccounting,
    ) -> Result<(), ConnectionFailure> {
        let (now, received) = (connection.now(), connection.received_at());
        match (&mut self.workers, event) {
            (_, Event::Stopped(_, code)) => return Err(ConnectionFailure::stopped(*code)),
            (Workers::Streams(streams), Event::Readable(id)) => {
                if let Some(stream) = streams.get_mut(id.index() as usize)
                    && accounting.account_for(received, |pattern, events| {
                        stream.read(connection, pattern, events)
                    })?
                {
                    refill_stream(stream, connection, accounting)?;
                }
            }
            (Workers::Streams(streams), Event::Writable(id)) => {
                if let Some(stream) = streams.get_mut(id.index() as usize) {
                    accounting.account_for(now, |pattern, _| stream.write(connection, pattern))?;
                }
            }
            (Workers::StreamPerMessage(worker), Event::Readable(id)) => {
                let is_over = accounting.account_for(received, |pattern, events| {
                    worker.read(connection, *id, pattern, events)
                })?;
                if is_over {
                    self.send_pending(connection, accounting)?;
                }
            }
            (Workers::StreamPerMessage(worker), Event::Writable(id)) => {
                accounting.account_for(now, |pattern, _| worker.write(connection, *id, pattern))?;
            }
            (Workers::Datagrams(datagrams), Event::DatagramReceived) => {
                accounting.account_for(received, |pattern, events| {
                    datagrams.receive(connection, pattern, events)
                })?;
                self.send_pending(connection, accounting)?;
            }
            (_, Event::StreamsAvailable(_) | Event::DatagramsUnblocked) => {
                self.send_pending(connection, accounting)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns when the message was granted or sent that is awaited longest.
    fn oldest(&self) -> Option<Instant> {
        match &self.workers {
            Workers::Streams(streams) => streams.iter().filter_map(StreamWorker::oldest).min(),
            Workers::StreamPerMessage(worker) => worker.oldest(),
            Workers::Datagrams(datagrams) => datagrams.oldest_awaited(),
            Workers::Idle => None,
        }
    }

    /// Lets the server hear of a client that waits: of one that has waited since the last look.
    fn follow_silence(&mut self, connection: &mut Connection<'_>) {
        let oldest = self.oldest().filter(|_| self.is_connected);
        let waited = oldest.map(|oldest| oldest.saturating_duration_since(connection.began()));
        let awaited = waited.map(|since| since.as_nanos() as u64);
        self.quiet.follow(connection, awaited);
    }

    /// Gives up what has waited too long.
    pub(super) fn check_timeouts(
        &mut self,
        connection: &mut Connection<'_>,
        accounting: &mut LoadAccounting,
    ) -> Result<(), ConnectionFailure> {
        self.follow_silence(connection);
        let now = connection.now();
        match &mut self.workers {
            Workers::Streams(streams) => {
                let oldest = |is_open| {
                    let streams = streams.iter().filter(|stream| stream.is_open() == is_open);
                    streams.filter_map(StreamWorker::oldest).min()
                };
                // A server that is silent on a stream that it has allowed is at fault
                // there.
                accounting.check_timeout(now, oldest(true))?;
                accounting
                    .check_timeout(now, oldest(false))
                    .map_err(|_| too_few_streams(streams))
            }
            Workers::StreamPerMessage(worker) => accounting.check_timeout(now, worker.oldest()),
            Workers::Datagrams(datagrams) => {
                let timeout = accounting.timeout;
                accounting.account_for(now, |_, events| {
                    datagrams.expire(now, timeout, events);
                    Ok(())
                })?;
                self.send_pending(connection, accounting)?;
                let Workers::Datagrams(datagrams) = &self.workers else {
                    return Ok(());
                };
                accounting
                    .check_timeout(now, datagrams.oldest_waiting())
                    .map_err(|_| no_room(connection, accounting))
            }
            Workers::Idle => Ok(()),
        }
    }
}

/// Keeps as many messages under way on a stream as the workload says.
fn refill_stream(
    stream: &mut StreamWorker,
    connection: &mut Connection<'_>,
    accounting: &mut LoadAccounting,
) -> Result<(), ConnectionFailure> {
    let now = connection.now();
    let granted = accounting.refill(now, stream.len());
    granted.for_each(|message| stream.add(message));
    accounting.account_for(now, |pattern, _| stream.write(connection, pattern))
}

/// Returns the failure of a connection that has waited for the server to allow
/// it another stream.
fn too_few_streams(streams: &[StreamWorker]) -> ConnectionFailure {
    let open = streams.iter().filter(|stream| stream.is_open()).count();
    let reason = format!(
        "the server allows {open} streams at once, and the load has {}",
        streams.len()
    );
    ConnectionFailure::new(ErrorKind::NoEcho, reason)
}

fn no_room(connection: &mut Connection<'_>, accounting: &LoadAccounting) -> ConnectionFailure {
    let most = connection.datagram_max().unwrap_or_default();
    let size = accounting.workload.sizes.most;
    let reason =
        format!("a message has up to {size} bytes, but a DATAGRAM frame takes at most {most} here");
    ConnectionFailure::new(ErrorKind::DatagramTooLarge, reason)
}

//! One connection of a load.

use std::time::Instant;

use qecho_engine::{Connection, Event};

use super::{
    book::{Book, Fault, Message},
    brief::Brief,
    config::Mode,
    datagrams::Datagrams,
    lane::{Lane, stopped},
    report::ErrorKind,
    tally::PathCounts,
};

/// What is kept for a connection.
#[derive(Debug)]
pub struct Session {
    /// Its place among the generator's connections.
    pub(super) slot: usize,
    pub(super) connected: bool,
    /// Whether it has waited for the server's TLS sessions, if it has to.
    pub(super) may_end: bool,
    /// Until when it must have connected.
    pub(super) due: Instant,
    /// What the transport told when the measuring began.
    pub(super) before: PathCounts,
    work: Workload,
    /// Which stream the next message of an open loop is for.
    turn: usize,
}

#[derive(Debug)]
enum Workload {
    Lanes(Vec<Lane>),
    Brief(Brief),
    Datagrams(Datagrams),
    Idle,
}

impl Session {
    pub(super) fn new(slot: usize, due: Instant, book: &Book) -> Self {
        let work = match book.work.way {
            Mode::Stream | Mode::Bulk => {
                let streams = book.work.streams;
                let number = |stream| (slot * streams + stream) as u64;
                Workload::Lanes(
                    (0..streams)
                        .map(|stream| Lane::new(number(stream)))
                        .collect(),
                )
            }
            Mode::StreamPerMessage | Mode::Handshake => Workload::Brief(Brief::default()),
            Mode::Datagram => Workload::Datagrams(Datagrams::default()),
            Mode::Idle => Workload::Idle,
        };
        Self {
            slot,
            connected: false,
            may_end: !book.awaits_sessions,
            due,
            before: PathCounts::default(),
            work,
            turn: 0,
        }
    }

    /// Returns how many messages are under way.
    pub(super) fn under_way(&self) -> usize {
        match &self.work {
            Workload::Lanes(lanes) => lanes.iter().map(Lane::len).sum(),
            Workload::Brief(brief) => brief.len(),
            Workload::Datagrams(datagrams) => datagrams.len(),
            Workload::Idle => 0,
        }
    }

    /// Tells whether a connection that lives has done all that it was for.
    pub(super) fn is_done(&self) -> bool {
        self.connected && self.may_end && self.under_way() == 0
    }

    /// Adds a message that [`press_on`](Self::press_on) is to send.
    pub(super) fn add(&mut self, now: Instant, mut message: Message, book: &mut Book) {
        match &mut self.work {
            Workload::Lanes(lanes) => {
                self.turn = (self.turn + 1) % lanes.len();
                lanes[self.turn].add(now, message, book);
            }
            Workload::Brief(brief) if book.work.way == Mode::Handshake => {
                // Its sending begins with the handshake.
                book.sends(now, &mut message);
                brief.add(message);
            }
            Workload::Brief(brief) => brief.add(message),
            Workload::Datagrams(datagrams) => datagrams.add(message),
            Workload::Idle => book.gave_up(1),
        }
    }

    /// Sends again what the server did not look at, from
    /// [`press_on`](Self::press_on) on.
    pub(super) fn start_anew(&mut self) {
        if let Workload::Brief(brief) = &mut self.work {
            brief.start_anew();
        }
    }

    /// Sends as much as may be sent.
    pub(super) fn press_on(
        &mut self,
        connection: &mut Connection<'_>,
        book: &mut Book,
    ) -> Result<(), Fault> {
        match &mut self.work {
            Workload::Lanes(lanes) => lanes
                .iter_mut()
                .try_for_each(|lane| lane.top_up(connection, book)),
            // The message of a handshake was taken when the connection began.
            Workload::Brief(brief) if book.work.way == Mode::Handshake => {
                brief.open(connection, book)
            }
            Workload::Brief(brief) => brief.top_up(connection, book),
            Workload::Datagrams(datagrams) => datagrams.top_up(connection, book),
            Workload::Idle => Ok(()),
        }
    }

    pub(super) fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        event: &Event,
        book: &mut Book,
    ) -> Result<(), Fault> {
        if let Event::Stopped(_, code) = event {
            return Err(stopped(*code));
        }
        match (&mut self.work, event) {
            (Workload::Lanes(lanes), Event::Readable(id)) => {
                if let Some(lane) = lanes.get_mut(id.index() as usize)
                    && lane.read(connection, book)?
                {
                    lane.top_up(connection, book)?;
                }
            }
            (Workload::Lanes(lanes), Event::Writable(id)) => {
                if let Some(lane) = lanes.get_mut(id.index() as usize) {
                    lane.write(connection, book)?;
                }
            }
            (Workload::Brief(brief), Event::Readable(id)) => {
                let is_over = brief.read(connection, *id, book)?;
                if is_over && book.work.way != Mode::Handshake {
                    brief.top_up(connection, book)?;
                }
            }
            (Workload::Brief(brief), Event::Writable(id)) => brief.write(connection, *id, book)?,
            (Workload::Datagrams(datagrams), Event::DatagramReceived) => {
                datagrams.receive(connection, book)?;
                datagrams.top_up(connection, book)?;
            }
            (_, Event::StreamsAvailable(_) | Event::DatagramsUnblocked) => {
                self.press_on(connection, book)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives up what has waited too long.
    pub(super) fn handle_tick(
        &mut self,
        connection: &mut Connection<'_>,
        book: &mut Book,
    ) -> Result<(), Fault> {
        let now = connection.now();
        match &mut self.work {
            Workload::Lanes(lanes) => {
                let oldest = |open| {
                    let lanes = lanes.iter().filter(|lane| lane.is_open() == open);
                    lanes.filter_map(Lane::oldest).min()
                };
                // A server that is silent on a stream that it has allowed is at fault
                // there.
                book.check_patience(now, oldest(true))?;
                book.check_patience(now, oldest(false))
                    .map_err(|_| too_few_streams(lanes))
            }
            Workload::Brief(brief) => book.check_patience(now, brief.oldest()),
            Workload::Datagrams(datagrams) => {
                datagrams.expire(now, book);
                datagrams.top_up(connection, book)?;
                book.check_patience(now, datagrams.oldest_waiting())
                    .map_err(|_| no_room(connection, book))
            }
            Workload::Idle => Ok(()),
        }
    }
}

/// Returns the fault of a connection that has waited for the server to allow it
/// another stream.
fn too_few_streams(lanes: &[Lane]) -> Fault {
    let open = lanes.iter().filter(|lane| lane.is_open()).count();
    let words = format!(
        "the server allows {open} streams at once, and the load has {}",
        lanes.len()
    );
    Fault::new(ErrorKind::NoEcho, words)
}

fn no_room(connection: &mut Connection<'_>, book: &Book) -> Fault {
    let most = connection.datagram_max().unwrap_or_default();
    let size = book.work.sizes.most;
    let words =
        format!("a message has up to {size} bytes, but a DATAGRAM frame takes at most {most} here");
    Fault::new(ErrorKind::DatagramTooLarge, words)
}

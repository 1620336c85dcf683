//! One connection of a load.

use std::time::Instant;

use qecho_engine::{Connection, Event};

use super::{
    book::{Book, Fault, Message},
    brief::Brief,
    config::Way,
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
    work: Work,
    /// Which stream the next message of an open loop is for.
    turn: usize,
}

#[derive(Debug)]
enum Work {
    Lanes(Vec<Lane>),
    Brief(Brief),
    Datagrams(Datagrams),
    Idle,
}

impl Session {
    pub(super) fn new(slot: usize, due: Instant, book: &Book) -> Self {
        let work = match book.work.way {
            Way::Stream | Way::Bulk => {
                let streams = book.work.streams;
                let number = |stream| (slot * streams + stream) as u64;
                Work::Lanes(
                    (0..streams)
                        .map(|stream| Lane::new(number(stream)))
                        .collect(),
                )
            }
            Way::StreamPerMessage | Way::Handshake => Work::Brief(Brief::default()),
            Way::Datagram => Work::Datagrams(Datagrams::default()),
            Way::Idle => Work::Idle,
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
            Work::Lanes(lanes) => lanes.iter().map(Lane::len).sum(),
            Work::Brief(brief) => brief.len(),
            Work::Datagrams(datagrams) => datagrams.len(),
            Work::Idle => 0,
        }
    }

    /// Tells whether a connection that lives has done all that it was for.
    pub(super) fn is_done(&self) -> bool {
        self.connected && self.may_end && self.under_way() == 0
    }

    /// Adds a message that [`press_on`](Self::press_on) is to send.
    pub(super) fn add(&mut self, now: Instant, mut message: Message, book: &mut Book) {
        match &mut self.work {
            Work::Lanes(lanes) => {
                self.turn = (self.turn + 1) % lanes.len();
                lanes[self.turn].add(now, message, book);
            }
            Work::Brief(brief) if book.work.way == Way::Handshake => {
                // Its sending begins with the handshake.
                book.sends(now, &mut message);
                brief.add(message);
            }
            Work::Brief(brief) => brief.add(message),
            Work::Datagrams(datagrams) => datagrams.add(message),
            Work::Idle => book.gave_up(1),
        }
    }

    /// Sends again what the server did not look at, from
    /// [`press_on`](Self::press_on) on.
    pub(super) fn start_anew(&mut self) {
        if let Work::Brief(brief) = &mut self.work {
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
            Work::Lanes(lanes) => lanes
                .iter_mut()
                .try_for_each(|lane| lane.top_up(connection, book)),
            // The message of a handshake was taken when the connection began.
            Work::Brief(brief) if book.work.way == Way::Handshake => brief.open(connection, book),
            Work::Brief(brief) => brief.top_up(connection, book),
            Work::Datagrams(datagrams) => datagrams.top_up(connection, book),
            Work::Idle => Ok(()),
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
            (Work::Lanes(lanes), Event::Readable(id)) => {
                if let Some(lane) = lanes.get_mut(id.index() as usize)
                    && lane.read(connection, book)?
                {
                    lane.top_up(connection, book)?;
                }
            }
            (Work::Lanes(lanes), Event::Writable(id)) => {
                if let Some(lane) = lanes.get_mut(id.index() as usize) {
                    lane.write(connection, book)?;
                }
            }
            (Work::Brief(brief), Event::Readable(id)) => {
                let is_over = brief.read(connection, *id, book)?;
                if is_over && book.work.way != Way::Handshake {
                    brief.top_up(connection, book)?;
                }
            }
            (Work::Brief(brief), Event::Writable(id)) => brief.write(connection, *id, book)?,
            (Work::Datagrams(datagrams), Event::DatagramReceived) => {
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
            Work::Lanes(lanes) => {
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
            Work::Brief(brief) => book.check_patience(now, brief.oldest()),
            Work::Datagrams(datagrams) => {
                datagrams.expire(now, book);
                datagrams.top_up(connection, book)?;
                book.check_patience(now, datagrams.oldest_waiting())
                    .map_err(|_| no_room(connection, book))
            }
            Work::Idle => Ok(()),
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

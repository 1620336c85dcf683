//! A sequence diagram as text: the client's life on the left, the server's on
//! the right, and an arrow for each datagram between them.

mod arrow;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    io::{self, Write},
    time::Duration,
};

use qecho_packet::{
    Direction, DropReason, Side,
    text::{self, counted},
    trace::{AnnotatedFrame, Connection, Datagram, Event, EventKind, Lost, Packet},
    wire::{Frame, PacketType},
};

use self::arrow::{Arrow, Delivery, Lifelines};
use super::lines::{columns, frame, note, packet, sender, stamp};

/// Narrowest diagram in which anything can be read.
const WIDTH_MIN: usize = 60;

/// Rows that wait for news of their datagrams; a loss shows after a few round
/// trips.
const ROWS_HELD_MAX: usize = 10_000;

/// Draws events as they come.
///
/// An arrow is drawn when it can no longer turn out that its datagram was lost:
/// as late as its limit allows, or at the end.
#[derive(Debug)]
pub struct Sequence {
    lifelines: Lifelines,
    start: Option<Duration>,
    /// The connection of the last row.
    current: Option<u64>,
    rows: VecDeque<Row>,
    strays: u64,
}

#[derive(Debug)]
enum Row {
    /// Says who the lifelines are.
    Heading(Vec<String>),
    /// A datagram.
    Arrow(DatagramRow),
    /// An event between datagrams.
    Note { stamp: String, text: String },
}

/// An arrow, and what it takes to find it.
#[derive(Debug)]
struct DatagramRow {
    connection: u64,
    direction: Direction,
    packets: Vec<(PacketType, u64)>,
    arrow: Arrow,
}

impl Sequence {
    /// Begins a diagram that is `width` columns wide.
    pub fn new(width: usize) -> Self {
        Self {
            lifelines: Lifelines {
                width: width.max(WIDTH_MIN),
            },
            start: None,
            current: None,
            rows: VecDeque::new(),
            strays: 0,
        }
    }

    /// Takes an event; writes what has waited long enough.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&mut self, event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
        let start = *self.start.get_or_insert(event.at);
        let stamp = stamp(event.at.saturating_sub(start));
        match (&event.kind, event.connection) {
            (EventKind::Datagram(_), None) => self.strays += 1,
            (EventKind::Datagram(datagram), Some(connection)) => {
                self.head(connection);
                self.datagram(stamp, connection, datagram);
            }
            (EventKind::Lost(lost), Some(connection)) => self.lost(stamp, connection, lost),
            (
                EventKind::SpuriousLoss {
                    direction,
                    packet_type,
                    number,
                },
                Some(connection),
            ) => {
                let packet = (*packet_type, *number);
                if let Some(drawn) = self.find(connection.number, *direction, packet) {
                    drawn.arrow.delivery = Delivery::Late;
                }
            }
            (EventKind::EventsDropped { .. }, _) => self.note(stamp, event),
            (
                EventKind::Closed(_) | EventKind::KeyUpdate { .. } | EventKind::PathChanged { .. },
                Some(connection),
            ) => {
                self.head(connection);
                self.note(stamp, event);
            }
            _ => {}
        }
        while self.rows.len() > ROWS_HELD_MAX {
            self.write_row(out)?;
        }
        Ok(())
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        while !self.rows.is_empty() {
            self.write_row(out)?;
        }
        if self.strays > 0 {
            let strays = counted(self.strays, "datagram");
            writeln!(out, "not drawn: {strays} of no known connection")?;
        }
        out.flush()
    }

    fn write_row(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match self.rows.pop_front() {
            None => Ok(()),
            Some(Row::Heading(lines)) => lines
                .iter()
                .try_for_each(|line| writeln!(out, "{}", line.trim_end())),
            Some(Row::Arrow(drawn)) => self.lifelines.arrow(&drawn.arrow, out),
            Some(Row::Note { stamp, text }) => self.lifelines.note(&stamp, &text, out),
        }
    }

    /// Says whose the rows are, when it is not who it was.
    fn head(&mut self, connection: &Connection) {
        let before = self.current.replace(connection.number);
        if before == Some(connection.number) {
            return;
        }
        let mut lines = Vec::new();
        if before.is_some() {
            lines.push(String::new());
        }
        if before.is_some() || connection.number > 1 {
            lines.push(
                self.lifelines
                    .aside(&format!("connection {}", connection.number)),
            );
        }
        let (client, server) = match connection.side {
            Side::Client => (connection.local, connection.remote),
            Side::Server => (connection.remote, connection.local),
        };
        lines.extend(self.lifelines.ends("client", "server"));
        lines.extend(
            self.lifelines
                .ends(&client.to_string(), &server.to_string()),
        );
        lines.push(self.lifelines.between(""));
        self.rows.push_back(Row::Heading(lines));
    }

    fn datagram(&mut self, stamp: String, connection: &Connection, datagram: &Datagram<'_>) {
        let packets = datagram.packets.iter().filter_map(|packet| {
            let number = packet.content.as_ref()?.number;
            Some((packet.header?.packet_type, number))
        });
        let delivery = match datagram.unsent {
            None => Delivery::Arrived,
            Some(reason) => Delivery::Unsent(text::shown(reason)),
        };
        self.rows.push_back(Row::Arrow(DatagramRow {
            connection: connection.number,
            direction: datagram.direction,
            packets: packets.collect(),
            arrow: Arrow {
                stamp,
                sender: sender(connection, datagram.direction),
                packets: datagram.packets.iter().filter_map(describe).collect(),
                delivery,
            },
        }));
    }

    fn lost(&mut self, stamp: String, connection: &Connection, what: &Lost) {
        let packet = (what.packet_type, what.number);
        match self.find(connection.number, what.direction, packet) {
            Some(drawn) => drawn.arrow.delivery = Delivery::Lost,
            None => {
                let name = packet::numbered(what.packet_type, what.number);
                let text = format!("✕ {name} {}", note::lost(what));
                self.head(connection);
                self.rows.push_back(Row::Note { stamp, text });
            }
        }
    }

    fn note(&mut self, stamp: String, event: &Event<'_>) {
        let note = note::of(event).map(|(_, text)| Row::Note { stamp, text });
        self.rows.extend(note);
    }

    /// Finds the datagram of a packet among those that wait.
    fn find(
        &mut self,
        connection: u64,
        direction: Direction,
        packet: (PacketType, u64),
    ) -> Option<&mut DatagramRow> {
        self.rows.iter_mut().rev().find_map(|row| match row {
            Row::Arrow(drawn)
                if drawn.connection == connection
                    && drawn.direction == direction
                    && drawn.packets.contains(&packet) =>
            {
                Some(drawn)
            }
            _ => None,
        })
    }
}

/// Describes a packet in the words of a diagram: its name, and what it carries. Zero bytes
/// behind packets are none.
fn describe(packet: &Packet<'_>) -> Option<Vec<String>> {
    let name = packet::name(packet);
    match packet.dropped {
        Some(DropReason::Padding) => return None,
        Some(reason) => return Some(vec![format!("{name} (not processed: {reason})")]),
        None => {}
    }
    let frames = packet.content.as_ref().map(|content| &content.frames);
    let mut words: Vec<(String, u32)> = Vec::new();
    for text in frames.into_iter().flatten().filter_map(frame::brief) {
        match words.last_mut() {
            Some((last, count)) if *last == text => *count += 1,
            _ => words.push((text, 1)),
        }
    }
    let mut items: Vec<_> = words
        .into_iter()
        .map(|(text, count)| match count {
            1 => text,
            _ => format!("{text} ×{count}"),
        })
        .collect();
    if frames.is_some_and(|frames| is_filler(frames)) {
        items.push(format!("PADDING to {}", counted(packet.size, "byte")));
    }
    match items.first_mut() {
        Some(first) => *first = format!("{name}: {first}"),
        None => items.push(name),
    }
    Some(items)
}

/// Tells whether a packet's size is all that matters of it: a probe's.
fn is_filler(frames: &[AnnotatedFrame<'_>]) -> bool {
    let mut frames = frames.iter().map(|noted| &noted.frame);
    frames
        .clone()
        .any(|frame| matches!(frame, Frame::Padding { .. }))
        && frames.all(|frame| {
            matches!(
                frame,
                Frame::Padding { .. } | Frame::Ping | Frame::ImmediateAck
            )
        })
}

//! The packets of connections as lines to read while they happen.

mod colour;
pub(super) mod frame;
mod line;
mod names;
pub(super) mod note;
mod number;
pub(super) mod packet;
mod parameters;
#[cfg(test)]
pub(super) mod samples;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io::{self, Write},
    time::Duration,
};

use anstyle::Style;
use qecho_packet::{
    Direction, RecoveryMetrics, Side, TransportParameters,
    trace::{Connection, Datagram, Event, EventKind, Lost},
};

use self::{
    colour::{DIM, PLAIN, STRONG, WRONG},
    line::Line,
    note::Note,
};
pub use self::{line::Layout, names::version};
pub(super) use self::{
    line::{columns, wrapped},
    names::sender,
    number::stamp,
};

/// Columns of the connections' numbers, where there are any.
const LABEL_COLUMNS: usize = 4;

/// Columns of the time, which end before its mark.
const STAMP_COLUMNS: usize = 9;

/// Columns before what a line is about.
const INDENT: usize = STAMP_COLUMNS + 3;

/// Columns of the names of transport parameters.
const PARAMETER_COLUMNS: usize = 35;

/// Detail in which events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Handshakes, ends, and what goes wrong between.
    Handshake,
    /// Every packet on a line.
    Packets,
    /// Every frame on a line.
    Frames,
}

/// Writes events as text, line by line.
#[derive(Debug)]
pub struct TraceText {
    detail: Detail,
    layout: Layout,
    start: Option<Duration>,
    /// The connection that was seen first.
    first: Option<u64>,
    /// Whether lines say to which connection they belong.
    labelled: bool,
    /// Last known metrics of each path; entries go when their connections are
    /// forgotten.
    recoveries: HashMap<u64, RecoveryMetrics>,
}

impl TraceText {
    /// Makes one that has seen nothing yet; time counts from its first event.
    pub fn new(detail: Detail, layout: Layout) -> Self {
        Self {
            detail,
            layout,
            start: None,
            first: None,
            labelled: false,
            recoveries: HashMap::new(),
        }
    }

    /// Writes what an event has to say, if that is anything.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&mut self, event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
        self.meet(event);
        match &event.kind {
            EventKind::Began => self.began(event, out),
            EventKind::Datagram(datagram) => self.datagram(event, datagram, out),
            EventKind::Lost(lost) => self.lost(event, lost, out),
            EventKind::Parameters {
                direction,
                parameters,
            } => self.parameters(event, *direction, parameters, out),
            EventKind::Recovery(recovery) => self.recovery(event, recovery, out),
            EventKind::Forgotten => self.forgotten(event, out),
            _ => note::of(event).map_or(Ok(()), |note| self.note(event, note, out)),
        }
    }

    /// Learns of the time and the connection of an event.
    pub(super) fn meet(&mut self, event: &Event<'_>) {
        self.start.get_or_insert(event.at);
        if let Some(Connection { number, side, .. }) = event.connection {
            let first = *self.first.get_or_insert(*number);
            // A server has more than one sooner or later; one column too many
            // is better than lines that shift.
            self.labelled |= *side == Side::Server || *number != first;
        }
    }

    /// Writes a mark below what was written last.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn mark(&self, mark: &str, out: &mut dyn Write) -> io::Result<()> {
        let indent = self.label_columns() + INDENT;
        let mut line = Line::indented(indent);
        line.push(STRONG, mark);
        line.write(self.layout, indent, out)
    }

    fn began(&self, event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
        let Some(connection) = event.connection else {
            return Ok(());
        };
        let [first, here, there] = note::began(connection);
        self.note(event, first, out)?;
        let indent = self.label_columns() + INDENT;
        let mut line = Line::indented(indent);
        line.push(here.0, here.1).word(there.0, there.1);
        line.write(self.layout, indent, out)
    }

    fn datagram(
        &self,
        event: &Event<'_>,
        datagram: &Datagram<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let is_shown = |packet| {
            self.detail > Detail::Handshake
                || datagram.unsent.is_some()
                || packet::concerns_handshake(packet)
        };
        let mut begun = false;
        for (index, packet) in datagram.packets.iter().enumerate() {
            if is_shown(packet) {
                self.packet(event, datagram, index, begun, out)?;
                begun = true;
            }
        }
        Ok(())
    }

    /// Writes one packet; of a datagram that has `begun` with another one, the
    /// time is a plus.
    pub(super) fn packet(
        &self,
        event: &Event<'_>,
        datagram: &Datagram<'_>,
        index: usize,
        begun: bool,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let packet = &datagram.packets[index];
        let style = packet::style(packet);
        let stamp = if begun { "+".into() } else { self.stamp(event) };
        let mut line = self.line(event, &stamp, style, arrow(datagram.direction));
        packet::begin(&mut line, style, &packet::name(packet), packet.size);
        packet::fate(&mut line, datagram, packet, event.connection.is_none());
        let hang = self.label_columns() + INDENT + packet::COLUMNS;
        if self.detail < Detail::Frames {
            packet::in_short(&mut line, packet);
            return line.write(self.layout, hang, out);
        }
        packet::header_in_full(&mut line, datagram, index);
        line.write(self.layout, hang, out)?;
        let Some(content) = &packet.content else {
            return Ok(());
        };
        let indent = self.label_columns() + INDENT + 2;
        for frame in packet::frames_in_full(content, indent) {
            frame.write(self.layout, indent + 2, out)?;
        }
        Ok(())
    }

    fn lost(&self, event: &Event<'_>, lost: &Lost, out: &mut dyn Write) -> io::Result<()> {
        let mut line = self.line(event, &self.stamp(event), WRONG, "✕");
        let name = packet::numbered(lost.packet_type, lost.number);
        packet::begin(&mut line, WRONG, &name, lost.size);
        line.words(PLAIN, &note::lost(lost));
        let hang = self.label_columns() + INDENT + packet::COLUMNS;
        line.write(self.layout, hang, out)
    }

    fn parameters(
        &self,
        event: &Event<'_>,
        direction: Direction,
        parameters: &TransportParameters,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let who = names::sender_name(event.connection, direction);
        let named = parameters::named(parameters);
        let hang = self.label_columns() + INDENT;
        let mut heading = self.line(event, &self.stamp(event), DIM, "•");
        heading.word(STRONG, format!("{who}'s transport parameters:"));
        if self.detail == Detail::Packets {
            for (name, value) in named {
                heading.item(PLAIN, name).push(PLAIN, format!(" {value}"));
            }
            return heading.write(self.layout, hang, out);
        }
        heading.write(self.layout, hang, out)?;
        for (name, value) in named {
            let mut line = Line::indented(hang);
            line.push(PLAIN, format!("{name:<PARAMETER_COLUMNS$}"));
            line.words(PLAIN, &value);
            line.write(self.layout, hang + PARAMETER_COLUMNS + 1, out)?;
        }
        Ok(())
    }

    fn recovery(
        &mut self,
        event: &Event<'_>,
        recovery: &RecoveryMetrics,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let Some(connection) = event.connection else {
            return Ok(());
        };
        let before = self.recoveries.insert(connection.number, *recovery);
        let note = before.and_then(|before| note::recovery(&before, recovery));
        match note {
            Some(note) if self.detail == Detail::Frames => self.note(event, note, out),
            _ => Ok(()),
        }
    }

    fn forgotten(&mut self, event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
        let Some(connection) = event.connection else {
            return Ok(());
        };
        self.recoveries.remove(&connection.number);
        match self.detail {
            Detail::Frames => {
                let text = format!("connection {} is forgotten", connection.number);
                self.note(event, (DIM, text), out)
            }
            _ => Ok(()),
        }
    }

    /// Writes a line that is about no packet.
    fn note(&self, event: &Event<'_>, note: Note, out: &mut dyn Write) -> io::Result<()> {
        let (style, text) = note;
        let mark = if style == WRONG { "✕" } else { "•" };
        let mut line = self.line(event, &self.stamp(event), style, mark);
        line.words(style, &text);
        line.write(self.layout, self.label_columns() + INDENT, out)
    }

    /// Begins a line with its connection, time and mark.
    fn line(&self, event: &Event<'_>, stamp: &str, style: Style, mark: &str) -> Line {
        let mut line = Line::default();
        if self.labelled {
            let label = event.connection.map(|connection| connection.number);
            let label = label.map_or(String::new(), |number| format!("#{number}"));
            line.push(PLAIN, format!("{label:<0$}", self.label_columns()));
        }
        line.push(DIM, format!("{stamp:>STAMP_COLUMNS$}"));
        line.push(style, format!(" {mark}"));
        line
    }

    fn label_columns(&self) -> usize {
        if self.labelled { LABEL_COLUMNS } else { 0 }
    }

    fn stamp(&self, event: &Event<'_>) -> String {
        let start = self.start.unwrap_or(event.at);
        number::stamp(event.at.saturating_sub(start))
    }
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Sent => "→",
        Direction::Received => "←",
    }
}

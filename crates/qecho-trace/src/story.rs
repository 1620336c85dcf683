//! The story of an echo, for those who have never seen one: every kind of step
//! is explained when it first happens.

mod step;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    io::{self, Write},
};

use qecho_packet::trace::{Datagram, Event, EventKind};

use self::step::Step;
use super::lines::{Detail, Layout, TraceText, wrapped};

/// Columns that an explanation takes at most, so that the eye finds the next
/// line, and at least.
const WIDTH_MAX: usize = 96;
const WIDTH_MIN: usize = 40;

/// Columns before an explanation.
const INDENT: usize = 2;

/// Tells events as they happen.
#[derive(Debug)]
pub struct StoryText {
    text: TraceText,
    width: usize,
    told: HashSet<Step>,
}

impl StoryText {
    /// Makes one that has told nothing yet.
    pub fn new(layout: Layout) -> Self {
        let width = layout
            .width
            .unwrap_or(WIDTH_MAX)
            .clamp(WIDTH_MIN, WIDTH_MAX);
        Self {
            text: TraceText::new(Detail::Packets, layout),
            width: width - INDENT,
            told: HashSet::new(),
        }
    }

    /// Writes an event, and before it what it means, unless that was told.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&mut self, event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
        match &event.kind {
            EventKind::Datagram(datagram) => self.datagram(event, datagram, out),
            // The handshake's explanation says what they are for; a list of
            // twenty would bury it.
            EventKind::Parameters { .. } => Ok(()),
            _ => self.text.write(event, out),
        }
    }

    fn datagram(
        &mut self,
        event: &Event<'_>,
        datagram: &Datagram<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.text.meet(event);
        for index in 0..datagram.packets.len() {
            if let Some(connection) = event.connection {
                self.explain(&step::of(connection, datagram, index), out)?;
            }
            self.text.packet(event, datagram, index, index > 0, out)?;
        }
        Ok(())
    }

    /// Writes the explanations of steps that are new.
    fn explain(&mut self, steps: &[Step], out: &mut dyn Write) -> io::Result<()> {
        let mut first = true;
        for step in steps {
            if !self.told.insert(*step) {
                continue;
            }
            if first {
                writeln!(out)?;
            }
            first = false;
            // A reference is not torn apart.
            let explanation = step.explanation().replace("RFC ", "RFC\u{a0}");
            let explanation = explanation.replace(" §", "\u{a0}§");
            for line in wrapped(&explanation, self.width) {
                writeln!(out, "{:INDENT$}{}", "", line.replace('\u{a0}', " "))?;
            }
        }
        Ok(())
    }
}

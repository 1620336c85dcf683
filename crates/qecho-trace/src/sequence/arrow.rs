//! Arrows between two lifelines.

use std::io::{self, Write};

use qecho_packet::Side;

use super::{super::lines::wrapped, columns};

/// Columns before the client's lifeline.
const MARGIN: usize = 10;

/// Least length of the line that leads to an arrow's head.
const SHAFT_MIN: usize = 3;

/// Columns by which the further lines of a packet stand back.
const HANG: usize = 2;

/// Joins what a packet carries to lines; what does not fit goes on below its
/// name.
fn joined(items: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(last) if columns(last) + 3 + columns(item) <= width => {
                last.push_str(" · ");
                last.push_str(item);
            }
            _ => lines.extend(wrapped(item, width - HANG)),
        }
    }
    for line in lines.iter_mut().skip(1) {
        line.insert_str(0, &" ".repeat(HANG));
    }
    lines
}

/// A datagram on its way.
#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) stamp: String,
    pub(super) sender: Side,
    /// Name and frames of each of its packets.
    pub(super) packets: Vec<Vec<String>>,
    pub(super) delivery: Delivery,
}

/// Fate of a datagram on its way.
#[derive(Debug)]
pub(super) enum Delivery {
    /// It arrived, as far as is known.
    Arrived,
    /// It was declared lost.
    Lost,
    /// It was declared lost and has arrived after all.
    Late,
    /// It did not leave.
    Unsent(String),
}

/// The place of the lifelines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifelines {
    pub(super) width: usize,
}

impl Lifelines {
    /// Columns between the lifelines.
    fn inner(self) -> usize {
        self.width - MARGIN - 2
    }

    /// Writes a datagram: its first words on the arrow, the others below.
    pub(super) fn arrow(self, arrow: &Arrow, out: &mut dyn Write) -> io::Result<()> {
        let room = self.inner() - 4 - SHAFT_MIN;
        let mut lines = arrow.packets.iter().flat_map(|items| joined(items, room));
        let first = lines.next().unwrap_or_default();
        let stamp = &arrow.stamp;
        let shaft = self.shaft(arrow.sender, &first, &arrow.delivery);
        writeln!(out, "{stamp:>9} │{shaft}│")?;
        let rest: Vec<_> = lines.collect();
        for line in rest {
            writeln!(out, "{}", self.between(&line))?;
        }
        match &arrow.delivery {
            Delivery::Arrived | Delivery::Lost => Ok(()),
            Delivery::Late => writeln!(out, "{}", self.between("(declared lost, but it arrived)")),
            Delivery::Unsent(reason) => {
                let reason = format!("(not sent: {reason})");
                wrapped(&reason, room)
                    .iter()
                    .try_for_each(|line| writeln!(out, "{}", self.between(line)))
            }
        }
    }

    /// Draws what stands between the lifelines.
    fn shaft(self, sender: Side, text: &str, delivery: &Delivery) -> String {
        let inner = self.inner();
        let text = match text {
            "" => String::new(),
            _ => format!(" {text} "),
        };
        let arrives = matches!(delivery, Delivery::Arrived | Delivery::Late);
        let free = inner.saturating_sub(3 + columns(&text));
        match (sender, arrives) {
            (Side::Client, true) => format!("──{text}{}▶", "─".repeat(free)),
            (Side::Server, true) => format!("◀─{text}{}", "─".repeat(free + 1)),
            (Side::Client, false) => {
                let blank = free.saturating_sub(SHAFT_MIN - 1);
                format!("──{text}──✕{:blank$}", "")
            }
            (Side::Server, false) => {
                let blank = free.saturating_sub(SHAFT_MIN - 1);
                format!("{:blank$}✕──{text}──", "")
            }
        }
    }

    /// Writes what happens at no particular place.
    pub(super) fn note(self, stamp: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let mut stamp = stamp;
        for line in wrapped(text, self.inner() - 4) {
            let blank = (self.inner() - 3).saturating_sub(columns(&line));
            writeln!(out, "{stamp:>9} │   {line}{:blank$}│", "")?;
            stamp = "";
        }
        Ok(())
    }

    /// Draws the lifelines with a text between them.
    pub(super) fn between(self, text: &str) -> String {
        let blank = (self.inner() - 3).saturating_sub(columns(text));
        format!("{:MARGIN$}│   {text}{:blank$}│", "", "")
    }

    /// Places a text above the middle.
    pub(super) fn aside(self, text: &str) -> String {
        let blank = (self.inner() + 2).saturating_sub(columns(text)) / 2;
        format!("{:1$}{text}", "", MARGIN + blank)
    }

    /// Places a text above each lifeline; where both are too long for a line,
    /// on two.
    pub(super) fn ends(self, client: &str, server: &str) -> Vec<String> {
        let whole = self.inner() + 2;
        let blank = whole.checked_sub(columns(client) + columns(server));
        match blank.filter(|blank| *blank > 0) {
            Some(blank) => vec![format!("{:MARGIN$}{client}{:blank$}{server}", "", "")],
            None => vec![
                format!("{:MARGIN$}{client}", ""),
                format!("{:MARGIN$}{server:>whole$}", ""),
            ],
        }
    }
}

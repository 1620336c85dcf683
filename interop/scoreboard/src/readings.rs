//! Findings of who has read a fail against the RFC and in its packets.

mod clients;
mod servers;

/// Judgement on one fail.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Name and side of the stack: `quiche server`.
    pub(crate) stack: &'static str,
    pub(crate) id: &'static str,
    /// Packets that show it, in a line, and whose matter it is.
    pub(crate) text: &'static str,
}

/// Reading of a stack's fail.
const fn read(stack: &'static str, id: &'static str, text: &'static str) -> Reading {
    Reading { stack, id, text }
}

/// Returns all that was read.
pub(crate) fn all() -> impl Iterator<Item = &'static Reading> {
    servers::READINGS.iter().chain(clients::READINGS)
}

/// Returns what was read of a fail.
pub(crate) fn of(stack: &str, id: &str) -> Option<&'static str> {
    let reading = all().find(|reading| reading.stack == stack && reading.id == id);
    reading.map(|reading| reading.text)
}

//! A message of a load, and what a worker reports of it.

use std::time::Instant;

/// A message that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    /// Intended send time.
    pub(super) intended: Instant,
    /// Time at which its sending began.
    pub(super) sent: Instant,
    /// Its length in bytes.
    pub(super) size: usize,
    pub(super) is_measured: bool,
}

/// Event that a worker reports of its messages; `LoadAccounting` counts it.
#[derive(Clone, Copy, Debug)]
pub(super) enum MessageEvent {
    /// The sending of a message has begun.
    Sent(Message),
    /// A message has come back whole.
    Echoed(Message),
    /// A DATAGRAM frame did not come back in time.
    Lost(Message),
    /// A DATAGRAM frame came back after it was given up, or once more.
    Late,
    /// A message came back changed.
    Differed,
}

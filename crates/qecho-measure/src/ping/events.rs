//! Commands to a ping, and the events that it reports.

use std::time::Duration;

use super::report::{Connected, Failure, Lost, Reply, Report};

/// Command of another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// End at once, with what came so far.
    Stop,
}

/// Event of one host's ping.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PingEvent {
    /// The server refused ALPN `echo`; what follows offers none.
    WithoutAlpn,
    /// The connection of all messages, or the first of many, is open; or it is again.
    Connected(Box<Connected>),
    /// There is no connection (any more), for this reason: pings are lost until there is one,
    /// which is tried again and again.
    Disconnected(Failure),
    /// An answer came in time.
    Reply(Reply),
    /// An answer came after it was given up for lost.
    Late(Reply),
    /// An answer came once more.
    Duplicate {
        /// Number of the ping.
        sequence: u64,
    },
    /// No answer came in time.
    Lost(Lost),
    /// This program itself stood still, for a second or more: it was stopped, or had no processor.
    Paused {
        /// From its last sign of life to the next; over `vn`, an answer that the system received
        /// meanwhile is one.
        pause: Duration,
        /// Pings that were under way, of which nothing is said any more.
        left_out: u64,
    },
    /// The ping of this host has ended; no event of it follows.
    Ended(Box<Report>),
}

/// Receiver of a ping's events, on the ping's own thread: it must not block.
/// It is called with the host's index in the configuration and the event.
pub type EventSink = Box<dyn FnMut(usize, PingEvent) + Send>;

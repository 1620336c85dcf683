//! Commands to a shard's load, and the events that it reports.

use super::intervals::IntervalSample;

/// Command of another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin: every shard is ready.
    Begin,
    /// End at once.
    Stop,
}

/// Event of one shard's load.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GeneratorEvent {
    /// Every handshake has completed or failed; [`Command::Begin`] is awaited.
    Ready {
        /// Live connections.
        live: usize,
    },
    /// Measuring begins.
    Measuring,
    /// An interval is over.
    Interval(IntervalSample),
    /// Measuring has ended.
    Measured,
}

/// Receiver of a generator's events, on the generator's own thread: it must
/// not block.
pub type EventSink = Box<dyn FnMut(GeneratorEvent) + Send>;

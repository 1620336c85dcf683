//! The packets of connections as they happen: what each carries, what became
//! of it, and what follows from it.

mod connection_tracker;
mod crypto;
mod event;
mod follower;
pub mod qlog;
mod ranges;
mod sent_packets;
mod tracer;

pub use self::event::{
    AnnotatedFrame, Connection, Datagram, Event, EventKind, LossReason, Lost, Packet,
    PacketContent, RetransmissionOf, TlsMessage,
};

pub use self::follower::{QUEUE_BYTES_MAX, Trace, TraceReport};
pub use self::tracer::{LossSource, Tracer};

/// Takes events as they happen.
pub trait Sink: Send {
    /// Takes one.
    ///
    /// # Errors
    /// The system's, if it cannot be passed on; nothing more is then.
    fn take(&mut self, event: &Event<'_>) -> std::io::Result<()>;

    /// Learns that no event follows.
    ///
    /// # Errors
    /// The system's, if what was kept back cannot be passed on.
    fn finish(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

//! The packets of connections as they happen: what each carries, what became
//! of it, and what follows from it.

mod event;
pub mod qlog;

pub use self::event::{
    Again, Connection, Content, Datagram, Event, LossReason, Lost, NotedFrame, Packet, TlsMessage,
    What,
};

/// Takes events as they happen.
pub trait Sink: Send {
    /// Takes one.
    ///
    /// # Errors
    /// The system's, if it cannot be passed on; nothing more is then.
    fn take(&mut self, event: &Event<'_>) -> std::io::Result<()>;
}

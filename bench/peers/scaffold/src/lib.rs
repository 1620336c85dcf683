//! What all echo servers here share, so that only the stacks differ.

mod arguments;
#[cfg(feature = "event-loop")]
mod batch;
#[cfg(feature = "generator")]
pub mod generator;
mod socket;
mod visit;

use std::{
    io::{self, Write},
    net::SocketAddr,
};

#[cfg(feature = "event-loop")]
pub use self::batch::{BatchSocket, SEND_MAX};
pub use self::{
    arguments::Arguments,
    socket::{KERNEL_BUFFER, bind},
    visit::Visit,
};

/// Anything that ends a peer.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The application protocol that every peer agrees to.
pub const ALPN: &[u8] = b"echo";

/// Silence after which a connection is given up, in seconds.
pub const IDLE_TIMEOUT_S: u64 = 120;

/// Streams that a client may have open at once.
pub const STREAMS: u64 = 100;

/// Unread bytes that a client may send on one stream.
pub const STREAM_WINDOW: u64 = 1 << 20;

/// Unread bytes that a client may send on one connection.
pub const CONNECTION_WINDOW: u64 = 4 << 20;

/// DATAGRAM frames of one connection that wait in either direction.
pub const DATAGRAM_QUEUE: usize = 200;

/// Returns nothing where a socket would block.
pub fn unless_blocked<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

/// Says where the server listens; whoever started it waits for this line.
pub fn announce(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening {address}")?;
    stdout.flush()
}

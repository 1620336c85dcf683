//! Drives a [`qecho_engine::Shard`] on real sockets.
//!
//! [`event_loop`] is the only place that reads the clock and touches sockets: it hands the
//! shard what has come and when, and sends what the shard gives back. Other threads reach a
//! shard through its [`Mailbox`]. [`divide`] gives each shard of a server a socket on every
//! address, among which the kernel steers packets by their connection IDs.
//!
//! ```
//! use qecho_io::{Listen, listen};
//!
//! // One port, of the system's choice, on 127.0.0.1 and on ::1 where there is one.
//! let sockets = listen::bind(&[Listen::Loopback { port: 0 }])?;
//! let port = sockets[0].address().port();
//! assert!(sockets.iter().all(|socket| socket.address().port() == port));
//! # Ok::<(), qecho_io::BindError>(())
//! ```

pub mod event_loop;
pub mod listen;
mod mailbox;
mod socket;

pub use self::{
    listen::Listen,
    mailbox::{Mailbox, MailboxError, Waker},
    socket::{BindError, ReceiveErrors, ShardSockets, Socket, divide},
};

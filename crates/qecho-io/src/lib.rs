//! Drives a [`qecho_engine::Shard`] on real sockets.
//!
//! [`event_loop`] is the only place that reads the clock and touches sockets: it hands the
//! shard what has come and when, and sends what the shard gives back. Other threads reach a
//! shard through its [`Mailbox`]. [`divide`] gives each shard of a server a socket on every
//! address, among which the kernel steers packets by their connection IDs.

pub mod event_loop;
pub mod listen;
mod mailbox;
mod socket;

pub use self::{
    listen::Listen,
    mailbox::{Mailbox, MailboxError, Waker},
    socket::{BindError, ReceiveErrors, ShardSockets, Socket, divide},
};

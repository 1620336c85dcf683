//! Programs on bare UDP datagrams, with no QUIC of their own.

use std::{io, net::SocketAddr, time::Instant};

use crate::datagram::{Datagram, Received};

/// A sans-IO program that receives and sends datagrams on sockets which it
/// opens and closes as it likes.
///
/// `ForwardingLoop` of `qecho-io` drives it. A turn is:
/// any number of `handle_command`, any number of `handle_datagram`,
/// `handle_timeouts`, and then `poll_output` until there is none.
pub trait Forwarder: Send {
    /// Message from other threads.
    type Command: Send;

    /// Takes a datagram.
    fn handle_datagram(&mut self, now: Instant, received: Received);

    /// Does what is due.
    fn handle_timeouts(&mut self, now: Instant);

    /// Handles a command of another thread.
    fn handle_command(&mut self, now: Instant, command: Self::Command);

    /// Handles that a socket which it wanted cannot be had.
    fn handle_open_failed(&mut self, binding: usize);

    /// Handles that the system did not take a datagram, and why: it is lost.
    fn handle_unsent(&mut self, now: Instant, datagram: &Datagram, reason: &io::Error);

    /// Handles that datagrams do not reach a peer: the network said so by ICMP,
    /// which names the host or router that sent it, with port 0. Only sockets
    /// that receive errors tell it.
    fn handle_unreachable(&mut self, now: Instant, peer: SocketAddr, reason: &io::Error) {
        let _ = (now, peer, reason);
    }

    /// Returns the next output of this turn.
    fn poll_output(&mut self) -> Option<ForwarderOutput>;

    /// Returns the instant at which it wants to be woken, if any.
    fn deadline(&self) -> Option<Instant>;

    /// Tells whether it has ended.
    fn is_finished(&self) -> bool;
}

/// Output of a [`Forwarder`].
#[derive(Debug)]
pub enum ForwarderOutput {
    /// Binds a socket, which has this number from now on.
    Open {
        /// A number that no open socket has.
        binding: usize,
        /// Address to bind; port 0 lets the system choose.
        address: SocketAddr,
    },
    /// Closes a socket; what comes for it is lost.
    Close {
        /// Its number.
        binding: usize,
    },
    /// Sends a datagram.
    Send(Datagram),
}

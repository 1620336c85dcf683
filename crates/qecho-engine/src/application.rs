//! The program on top of a shard.

use std::{io, net::SocketAddr, time::Instant};

use qecho_packet::CloseReason;

use crate::{
    connection::Connection, connection_limits::Refusal, context::ShardContext, event::Event,
};

/// The program on top of a shard: an echo server, a client, a load generator.
///
/// Every method runs on the shard's thread inside a turn and must not block.
/// The time of the turn is [`Connection::now`] and [`ShardContext::now`].
pub trait Application: Sized {
    /// State that the application keeps for each connection.
    type State;

    /// Message of other threads to the application, through the shard's mailbox (`qecho-io`).
    type Command: Send;

    /// Starts the application, once, before the first turn.
    fn start(&mut self, context: &mut ShardContext<'_, Self::State>) {
        let _ = context;
    }

    /// Makes the state for a connection that a peer is opening.
    ///
    /// The peer's address is not validated yet and its handshake has only
    /// begun; [`Event::Connected`] follows when it is complete.
    fn accept(&mut self, connection: &mut Connection<'_>) -> Self::State;

    /// Notes that a client was turned away with its first packet.
    fn turned_away(&mut self, now: Instant, peer: SocketAddr, reason: &RejectReason) {
        let _ = (now, peer, reason);
    }

    /// Handles what happened on a connection.
    fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        state: &mut Self::State,
        event: Event,
    );

    /// Returns how many bytes the application keeps for a connection, about. It is asked only
    /// while the shard's process is at its [limit](crate::config::ShardConfig::with_memory_max).
    fn held_bytes(&self, state: &Self::State) -> usize {
        let _ = state;
        0
    }

    /// Handles a command of another thread.
    fn handle_command(
        &mut self,
        context: &mut ShardContext<'_, Self::State>,
        command: Self::Command,
    );

    /// Handles that a waker (`qecho-io`) was used: something that the
    /// application shares with other threads has changed.
    fn handle_wake(&mut self, context: &mut ShardContext<'_, Self::State>) {
        let _ = context;
    }

    /// Returns the instant at which the application wants to be called.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Handles the passing of the application's own deadline.
    fn handle_deadline(&mut self, context: &mut ShardContext<'_, Self::State>) {
        let _ = context;
    }

    /// Handles the news that datagrams do not reach a peer: the network said
    /// so by ICMP, or our own host could not send.
    ///
    /// ICMP names the host or router that sent it, with port 0. It is a hint
    /// that anybody on the path can forge.
    fn handle_unreachable(
        &mut self,
        context: &mut ShardContext<'_, Self::State>,
        peer: SocketAddr,
        reason: &io::Error,
    ) {
        let _ = (context, peer, reason);
    }
}

/// Reason for which a client was turned away with its first packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectReason {
    /// It was refused by a limit, or because the shard is shutting down.
    Refused(Refusal),
    /// Its first packet already made the handshake fail: it offers no protocol
    /// that is agreed to, for instance.
    Handshake(CloseReason),
}

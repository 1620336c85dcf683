//! What ICMP says of a host: anybody on the path can forge it, and of several servers on a host
//! it names none.

use std::{io, net::SocketAddr, time::Duration};

use qecho_echo::dial::{CODE_FAILED, UnreachableTimer};
use qecho_engine::ShardContext;

use super::{
    super::{report::Failure, workload::Workload},
    Host, HostState, Tell,
};

/// Time that a server which is dialled has to answer, although ICMP says that
/// one of several on its host does not listen.
const AMBIGUOUS_GRACE: Duration = Duration::from_secs(1);

impl Host {
    /// Handles an ICMP message that datagrams do not reach a peer.
    pub(in super::super) fn handle_unreachable(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        peer: SocketAddr,
        reason: &io::Error,
    ) {
        let now = context.now();
        if matches!(self.state, HostState::Dialing) {
            if self.dialer.handle_unreachable(context, peer, reason) {
                self.ambiguous.stop();
            }
            return;
        }
        // The next of many handshakes shows whether the server lives.
        let is_brief = matches!(self.workload, Workload::Handshakes(_));
        let is_refused = reason.kind() == io::ErrorKind::ConnectionRefused;
        if !is_refused || is_brief || self.unreachable.is_running() {
            return;
        }
        let Some((mut connection, ())) = self.live(context) else {
            return;
        };
        if connection.remote_address().ip() == peer.ip() {
            // A live peer answers this, even if there is nothing else.
            connection.ping();
            let received = connection.datagrams_received();
            let grace = UnreachableTimer::<u64>::GRACE;
            self.unreachable.start(now, grace, received);
        }
    }

    /// Handles an ICMP message about one of several servers on a host: this one
    /// is believed to be meant if it is silent for a while.
    pub(in super::super) fn handle_ambiguous_unreachable(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        peer: SocketAddr,
        reason: &io::Error,
    ) {
        match &self.state {
            HostState::Dialing => {
                let reason = io::Error::new(reason.kind(), reason.to_string());
                let known = (peer, reason);
                self.ambiguous.start(context.now(), AMBIGUOUS_GRACE, known);
            }
            _ => self.handle_unreachable(context, peer, reason),
        }
    }

    pub(super) fn check_ambiguous(&mut self, context: &mut ShardContext<'_, ()>) {
        if let Some((peer, reason)) = self.ambiguous.take_expired(context.now())
            && matches!(self.state, HostState::Dialing)
        {
            self.handle_unreachable(context, peer, &reason);
        }
    }

    pub(super) fn check_unreachable(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        let now = context.now();
        if let Some(received) = self.unreachable.take_expired(now)
            && let Some((mut connection, ())) = self.live(context)
            && connection.datagrams_received() == received
        {
            if !self.reconnects_after(&Failure::Gone) {
                return self.end(Some(&mut connection), now, Err(Failure::Gone), tell);
            }
            connection.close(CODE_FAILED, &Failure::Gone.to_string());
            self.await_server(now, Failure::Gone, tell);
        }
    }
}

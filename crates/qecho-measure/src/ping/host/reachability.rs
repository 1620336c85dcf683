//! What ICMP says of a host, which is a hint that anybody can forge.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use qecho_engine::ShardContext;

use super::{Failure, Host, Stage, Tell, Work};

/// Time in which a peer may show that it lives after all, although ICMP says
/// that nobody listens there; that may be forged.
const DOUBT: Duration = Duration::from_secs(3);

/// Time that a server which is dialled has to answer, although ICMP says that
/// one of several on its host does not listen.
const SUSPICION: Duration = Duration::from_secs(1);

/// A peer that may be gone.
pub(super) struct Doubt {
    pub(super) until: Instant,
    /// Datagrams heard on the connection when the doubt arose.
    heard: u64,
}

/// An ICMP message that may be about this host while it is dialled.
pub(super) struct Suspicion {
    pub(super) until: Instant,
    peer: SocketAddr,
    kind: io::ErrorKind,
}

impl Host {
    /// Learns that datagrams do not reach a peer.
    pub(in super::super) fn handle_unreachable(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        peer: SocketAddr,
        why: &io::Error,
    ) {
        let now = context.now();
        if matches!(self.stage, Stage::Dialing) {
            if self.dialer.handle_unreachable(context, peer, why) {
                self.suspicion = None;
            }
            return;
        }
        // The next handshake will tell.
        let is_brief = matches!(self.work, Work::Handshakes(_));
        if why.kind() != io::ErrorKind::ConnectionRefused || self.doubt.is_some() || is_brief {
            return;
        }
        let Some((mut connection, ())) = self.live(context) else {
            return;
        };
        if connection.remote_address().ip() == peer.ip() {
            // Whoever lives answers this, even if there is nothing else.
            connection.ping();
            let heard = connection.datagrams_received();
            let until = now + DOUBT;
            self.doubt = Some(Doubt { until, heard });
        }
    }

    /// Returns the addresses that are being tried or talked with.
    pub(in super::super) fn addresses(&self) -> Vec<SocketAddr> {
        match &self.stage {
            Stage::Dialing => self.dialer.addresses().collect(),
            Stage::Live(_) => self.destination.target.addresses.clone(),
            Stage::Idle | Stage::Ended => Vec::new(),
        }
    }

    /// Learns that datagrams do not reach one of several servers on a host:
    /// this one is believed to be meant if it is silent for a while.
    pub(in super::super) fn suspect(
        &mut self,
        context: &mut ShardContext<'_, ()>,
        peer: SocketAddr,
        why: &io::Error,
    ) {
        if matches!(self.stage, Stage::Dialing) {
            let until = context.now() + SUSPICION;
            let kind = why.kind();
            self.suspicion
                .get_or_insert(Suspicion { until, peer, kind });
        } else {
            self.handle_unreachable(context, peer, why);
        }
    }

    pub(super) fn resolve_suspicion(&mut self, context: &mut ShardContext<'_, ()>) {
        let now = context.now();
        let suspicion = self.suspicion.take_if(|suspicion| suspicion.until <= now);
        if let (Some(Suspicion { peer, kind, .. }), Stage::Dialing) = (suspicion, &self.stage) {
            self.handle_unreachable(context, peer, &kind.into());
        }
    }

    pub(super) fn resolve_doubt(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        let now = context.now();
        let Some(doubt) = self.doubt.take_if(|doubt| doubt.until <= now) else {
            return;
        };
        if let Some((mut connection, ())) = self.live(context)
            && connection.datagrams_received() == doubt.heard
        {
            self.end(Some(&mut connection), now, Err(Failure::Gone), tell);
        }
    }
}

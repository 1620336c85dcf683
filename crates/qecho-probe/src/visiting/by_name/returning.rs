//! Clients that are to come again, for what one connection cannot tell.

use std::{
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        mpsc::{SyncSender, sync_channel},
    },
    time::Duration,
};

use qecho_io::Outlet;
use qecho_peer::endpoint::ServerConfig;

use super::routes::{Inbox, VISITS_MAX, network_of};
use crate::{
    remote::{LOOK_INTERVAL, locked},
    visiting::visit::Visit,
};

/// Time in which a client has to come again: one that was left unanswered needs some to end.
pub(super) const RETURN_TIMEOUT: Duration = Duration::from_secs(60);

/// A visit whose client has said what it wants, and how it is to be served.
pub(super) struct Greeted {
    pub(super) visit: Visit<Inbox>,
    pub(super) config: ServerConfig,
}

/// The clients that are waited for.
#[derive(Default)]
pub(super) struct Returning {
    awaited: Mutex<Vec<Awaited>>,
    begun: AtomicU64,
}

struct Awaited {
    number: u64,
    network: IpAddr,
    /// The requirement that it has to ask for.
    id: &'static str,
    sender: SyncSender<Greeted>,
}

impl Returning {
    /// Gives a visit to whoever waits for it; returns it if nobody does.
    pub(super) fn deliver(
        &self,
        remote: IpAddr,
        id: &'static str,
        greeted: Greeted,
    ) -> Option<Greeted> {
        let network = network_of(remote);
        let mut awaited = locked(&self.awaited);
        let is_theirs = |it: &Awaited| it.network == network && it.id == id;
        let Some(place) = awaited.iter().position(is_theirs) else {
            return Some(greeted);
        };
        let sent = awaited.remove(place).sender.send(greeted);
        sent.err().map(|unsent| unsent.0)
    }

    /// Waits for another visit of a client, which asks for the same requirement; returns nothing if
    /// that does not come in time, or too many are waited for.
    pub(super) fn wait(
        &self,
        remote: IpAddr,
        id: &'static str,
        outlet: &Outlet,
        is_stopped: &AtomicBool,
    ) -> Option<Greeted> {
        // One has room: to send is never to wait.
        let (sender, receiver) = sync_channel(1);
        let number = self.begun.fetch_add(1, SeqCst);
        {
            let mut awaited = locked(&self.awaited);
            if awaited.len() >= VISITS_MAX {
                return None;
            }
            awaited.push(Awaited {
                number,
                network: network_of(remote),
                id,
                sender,
            });
        }
        let until = outlet.now() + RETURN_TIMEOUT;
        while outlet.now() < until && !is_stopped.load(SeqCst) {
            if let Ok(greeted) = receiver.recv_timeout(LOOK_INTERVAL) {
                return Some(greeted);
            }
        }
        locked(&self.awaited).retain(|it| it.number != number);
        // It may have come in the meantime.
        receiver.try_recv().ok()
    }
}

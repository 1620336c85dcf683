//! The visit that a datagram belongs to.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Instant,
};

use qecho_io::{Arrival, Outlet};
use qecho_packet::wire::{ConnectionId, packets};

use crate::{
    remote::locked,
    visiting::visit::{self, long_destinations},
};

/// Visits that may be under way; one more comes again later.
const VISITS_MAX: usize = 64;
/// Datagrams of a visit that wait to be read; others are lost, as in a kernel whose buffer is full.
const WAITING_MAX: usize = 1_024;
/// Connection IDs of visits that are over; beyond them all are forgotten.
const OLD_MAX: usize = 1 << 16;
/// Bytes of the connection IDs by which clients send short headers to us.
const SHORT_LENGTH: usize = 8;

/// The visits that are under way.
#[derive(Default)]
pub(super) struct Routes {
    visits: BTreeMap<u64, Route>,
    begun: u64,
    /// Connection IDs of visits that are over.
    old: HashSet<ConnectionId>,
}

/// The way to one visit.
struct Route {
    remote: SocketAddr,
    ids: HashSet<ConnectionId>,
    sender: SyncSender<Arrival>,
}

/// Datagrams of one client. Its visit is over when this is dropped.
pub(super) struct Inbox {
    number: u64,
    receiver: Receiver<Arrival>,
    routes: Arc<Mutex<Routes>>,
    outlet: Outlet,
}

impl Routes {
    /// Gives a datagram to its visit; returns it if it begins another one.
    pub(super) fn deliver(
        routes: &Arc<Mutex<Self>>,
        outlet: &Outlet,
        arrival: Arrival,
    ) -> Option<(Arrival, Inbox)> {
        let mut all = locked(routes);
        let (id, is_long) = match long_destinations(&arrival.contents).next() {
            Some(id) => (id, true),
            None => {
                let first = packets(&arrival.contents, SHORT_LENGTH).next()?.ok()?;
                (first.header.destination, false)
            }
        };
        let mut visits = all.visits.values().rev();
        let by_id = visits.clone().find(|route| route.ids.contains(&id));
        // An ID that was issued in a frame is known to the visit alone.
        let by_address = || visits.find(|route| route.remote == arrival.remote && !is_long);
        if let Some(route) = by_id.or_else(by_address) {
            let _ = route.sender.try_send(arrival);
            return None;
        }
        if !is_long || all.old.contains(&id) || all.visits.len() >= VISITS_MAX {
            return None;
        }
        let (sender, receiver) = sync_channel(WAITING_MAX);
        all.begun += 1;
        let number = all.begun;
        let route = Route {
            remote: arrival.remote,
            ids: long_destinations(&arrival.contents).collect(),
            sender,
        };
        all.visits.insert(number, route);
        let inbox = Inbox {
            number,
            receiver,
            routes: Arc::clone(routes),
            outlet: outlet.clone(),
        };
        Some((arrival, inbox))
    }
}

impl visit::Inbox for Inbox {
    fn receive(&mut self, until: Instant) -> io::Result<Option<Arrival>> {
        let time = until.saturating_duration_since(self.outlet.now());
        match self.receiver.recv_timeout(time) {
            Ok(arrival) => Ok(Some(arrival)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn learn(&mut self, id: ConnectionId) {
        let mut routes = locked(&self.routes);
        if let Some(route) = routes.visits.get_mut(&self.number) {
            route.ids.insert(id);
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut routes = locked(&self.routes);
        if routes.old.len() > OLD_MAX {
            routes.old.clear();
        }
        if let Some(route) = routes.visits.remove(&self.number) {
            routes.old.extend(route.ids);
        }
    }
}

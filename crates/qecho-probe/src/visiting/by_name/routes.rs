//! The visit that a datagram belongs to.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use qecho_io::{Arrival, Outlet};
use qecho_packet::wire::{ConnectionId, packets};

use crate::{
    remote::locked,
    visiting::{
        beginning::{answer_other_version, is_beginning, long_destination},
        visit,
    },
};

/// Visits that may be under way; one more comes again later.
pub(super) const VISITS_MAX: usize = 64;
/// The same from one address (IPv6: /64), so that nobody has all of them.
pub(super) const VISITS_PER_ADDRESS_MAX: usize = 48;
/// Time for which a host that has no place is told of once, however often its clients try.
const NO_PLACE_INTERVAL: Duration = Duration::from_secs(10);
/// Hosts that are told of in that time.
const HOSTS_TOLD_MAX: usize = 16;
/// Datagrams of a visit that wait to be read; others are lost, as in a kernel whose buffer is full.
const WAITING_MAX: usize = 1_024;
/// Connection IDs by which a visit is known: those that its client chose or was given.
const IDS_PER_VISIT_MAX: usize = 64;
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
    /// Hosts of which it was said that there is no place, and when.
    told: Vec<(IpAddr, Instant)>,
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

/// What became of a datagram.
pub(super) enum Delivered {
    /// It begins a visit, as an Initial packet does that opens.
    Begun(Arrival, Inbox),
    /// It would, but there is no place; the reason in words.
    NoPlace(SocketAddr, String),
    /// Its visit has it, or nobody, or that there is no place was said already.
    Nothing,
}

impl Routes {
    /// Gives a datagram to its visit, or begins one.
    pub(super) fn deliver(
        routes: &Arc<Mutex<Self>>,
        outlet: &Outlet,
        arrival: Arrival,
    ) -> Delivered {
        let mut all = locked(routes);
        let (id, is_long) = match long_destination(&arrival.contents) {
            Some(id) => (id, true),
            None => {
                let mut packets = packets(&arrival.contents, SHORT_LENGTH);
                let Some(Ok(first)) = packets.next() else {
                    return Delivered::Nothing;
                };
                (first.header.destination, false)
            }
        };
        let mut visits = all.visits.values().rev();
        let by_id = visits.clone().find(|route| route.ids.contains(&id));
        // An ID that was issued in a frame is known to the visit alone.
        let by_address = || visits.find(|route| route.remote == arrival.remote && !is_long);
        if let Some(route) = by_id.or_else(by_address) {
            let _ = route.sender.try_send(arrival);
            return Delivered::Nothing;
        }
        if !is_long || all.old.contains(&id) {
            return Delivered::Nothing;
        }
        if !is_beginning(&arrival.contents) {
            drop(all);
            answer_other_version(outlet, &arrival);
            return Delivered::Nothing;
        }
        let remote = arrival.remote;
        match all.admit(remote, HashSet::from([id])) {
            Ok((number, receiver)) => {
                let inbox = Inbox {
                    number,
                    receiver,
                    routes: Arc::clone(routes),
                    outlet: outlet.clone(),
                };
                Delivered::Begun(arrival, inbox)
            }
            Err(why) if all.may_tell(remote, outlet.now()) => Delivered::NoPlace(remote, why),
            Err(_) => Delivered::Nothing,
        }
    }

    /// Begins a visit, if there is a place for it.
    ///
    /// # Errors
    /// There is none, and why.
    fn admit(
        &mut self,
        remote: SocketAddr,
        ids: HashSet<ConnectionId>,
    ) -> Result<(u64, Receiver<Arrival>), String> {
        let network = network_of(remote.ip());
        let visits = self.visits.values();
        let theirs = visits.filter(|route| network_of(route.remote.ip()) == network);
        if theirs.count() >= VISITS_PER_ADDRESS_MAX {
            return Err(format!(
                "its host has all {VISITS_PER_ADDRESS_MAX} connections that it may have at once"
            ));
        }
        if self.visits.len() >= VISITS_MAX {
            return Err(format!("all {VISITS_MAX} places are taken"));
        }
        let (sender, receiver) = sync_channel(WAITING_MAX);
        self.begun += 1;
        let route = Route {
            remote,
            ids,
            sender,
        };
        self.visits.insert(self.begun, route);
        Ok((self.begun, receiver))
    }

    /// Tells whether it may be said now of a client that there is no place for it.
    fn may_tell(&mut self, remote: SocketAddr, now: Instant) -> bool {
        let network = network_of(remote.ip());
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < NO_PLACE_INTERVAL;
        self.told.retain(|(_, at)| is_recent(at));
        let is_told = self.told.iter().any(|(host, _)| *host == network);
        if is_told || self.told.len() >= HOSTS_TOLD_MAX {
            return false;
        }
        self.told.push((network, now));
        true
    }

    /// Knows a visit by another connection ID.
    fn learn(&mut self, visit: u64, id: ConnectionId) {
        if let Some(route) = self.visits.get_mut(&visit)
            && route.ids.len() < IDS_PER_VISIT_MAX
        {
            route.ids.insert(id);
        }
    }
}

/// Returns what stands for all addresses of one host: those of loopback are one, and of IPv6 the
/// first 64 bits count.
pub(super) fn network_of(ip: IpAddr) -> IpAddr {
    match ip {
        _ if ip.is_loopback() => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
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
        locked(&self.routes).learn(self.number, id);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut routes = locked(&self.routes);
        if let Some(route) = routes.visits.remove(&self.number) {
            if routes.old.len() + route.ids.len() > OLD_MAX {
                routes.old.clear();
            }
            routes.old.extend(route.ids);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_48_of_the_64_places_however_many_of_its_addresses_come() {
        let mut routes = Routes::default();
        let admitted = |routes: &mut Routes, ip: IpAddr| {
            let visits = (1..=100).map(|port| SocketAddr::new(ip, port));
            let visits = visits.filter_map(|remote| routes.admit(remote, HashSet::new()).ok());
            visits.count()
        };
        let crowd = (0..10_u16).map(|host| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, host, 0, 0, 1));
        let crowd: usize = crowd.map(|ip| admitted(&mut routes, ip.into())).sum();
        assert_eq!(crowd, 48);
        assert_eq!(admitted(&mut routes, [192, 0, 2, 1].into()), 16);
        assert_eq!(admitted(&mut routes, [192, 0, 2, 2].into()), 0);
    }

    #[test]
    fn that_a_host_has_no_place_is_said_once_in_ten_seconds() {
        #[expect(clippy::disallowed_methods, reason = "a test has some time")]
        let now = Instant::now();
        let mut routes = Routes::default();
        let crowd = (1..=100).map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        let told = |routes: &mut Routes, at| {
            let tries = crowd.clone().filter(|remote| routes.may_tell(*remote, at));
            tries.count()
        };
        assert_eq!(told(&mut routes, now), 1);
        assert_eq!(told(&mut routes, now + NO_PLACE_INTERVAL / 2), 0);
        assert!(routes.may_tell(SocketAddr::from(([192, 0, 2, 2], 1)), now));
        assert_eq!(told(&mut routes, now + NO_PLACE_INTERVAL), 1);
    }

    #[test]
    fn a_visit_is_known_by_64_connection_ids_at_the_most() {
        let mut routes = Routes::default();
        let remote = SocketAddr::from(([192, 0, 2, 1], 4_433));
        let (visit, _receiver) = routes.admit(remote, HashSet::new()).expect("there is room");
        for number in 0..10_000_u32 {
            let id = ConnectionId::new(&number.to_be_bytes()).expect("four bytes are an ID");
            routes.learn(visit, id);
        }
        assert_eq!(routes.visits[&visit].ids.len(), 64);
    }
}

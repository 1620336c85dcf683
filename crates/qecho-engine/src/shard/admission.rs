//! Decides what happens to the first packet of an unknown connection.
//!
//! Anyone can send Initial packets from invented addresses, so what an
//! unvalidated address may occupy is limited more tightly than what a
//! validated one may: a flood of the former never shuts out the latter.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use crate::{
    config::{AdmissionSettings, RetryPolicy},
    limits::{
        DRAINING_MAX, HALF_OPEN_MAX, HALF_OPEN_UNVALIDATED_MAX,
        HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX,
    },
    places::{Origin, Places},
};

/// What happens to a client's first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The handshake begins.
    Accept,
    /// The client must first show that it receives at its address
    /// (RFC 9000 §8.1.2).
    Retry,
    /// The client is turned away with CONNECTION_REFUSED.
    Refuse,
}

/// A connection's place in the counts; given back when it ends.
#[derive(Debug)]
pub(crate) struct Ticket {
    origin: Origin,
    validated: bool,
    half_open: bool,
    /// Whether the connection is closed and only waits to be forgotten.
    draining: bool,
}

/// Counts connections and handshakes under way.
///
/// What a person sets, connections in all and from one address, counts on all
/// shards together; the handshakes under way, of which the limits bound the
/// work and memory of a shard, on each.
pub(super) struct Admission {
    settings: AdmissionSettings,
    places: Arc<Places>,
    half_open: usize,
    half_open_unvalidated: usize,
    half_open_by_origin: HashMap<Origin, usize>,
    draining: usize,
    closed_for_good: bool,
}

impl Admission {
    pub(super) fn new(settings: AdmissionSettings, places: Arc<Places>) -> Self {
        Self {
            settings,
            places,
            half_open: 0,
            half_open_unvalidated: 0,
            half_open_by_origin: HashMap::new(),
            draining: 0,
            closed_for_good: false,
        }
    }

    /// Returns how many handshakes are under way.
    pub(super) fn half_open(&self) -> usize {
        self.half_open
    }

    /// Refuses everybody from now on.
    pub(super) fn close_for_good(&mut self) {
        self.closed_for_good = true;
    }

    pub(super) fn decide(&self, remote: IpAddr, validated: bool) -> Decision {
        let origin = Origin::from(remote);
        if self.closed_for_good
            || self.half_open >= HALF_OPEN_MAX
            || self.draining >= DRAINING_MAX
            || !self.places.has_room(origin, &self.settings)
        {
            return Decision::Refuse;
        }
        if validated {
            return Decision::Accept;
        }
        let from_origin = self.half_open_by_origin.get(&origin);
        let crowded = self.half_open_unvalidated >= HALF_OPEN_UNVALIDATED_MAX
            || from_origin.is_some_and(|count| *count >= HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX);
        match self.settings.retry {
            RetryPolicy::Always => Decision::Retry,
            RetryPolicy::Auto if crowded => Decision::Retry,
            RetryPolicy::Never if crowded => Decision::Refuse,
            RetryPolicy::Auto | RetryPolicy::Never => Decision::Accept,
        }
    }

    /// Counts a connection that is accepted, unless another shard has taken
    /// the last place since the decision.
    pub(super) fn enter(&mut self, remote: IpAddr, validated: bool) -> Option<Ticket> {
        let origin = Origin::from(remote);
        if !self.places.take(origin, &self.settings) {
            return None;
        }
        self.half_open += 1;
        if !validated {
            self.half_open_unvalidated += 1;
            *self.half_open_by_origin.entry(origin).or_default() += 1;
        }
        Some(Ticket {
            origin,
            validated,
            half_open: true,
            draining: false,
        })
    }

    /// Notes that a handshake is over, well or badly.
    pub(super) fn handshake_over(&mut self, ticket: &mut Ticket) {
        if !std::mem::take(&mut ticket.half_open) {
            return;
        }
        self.half_open -= 1;
        if ticket.validated {
            return;
        }
        self.half_open_unvalidated -= 1;
        let Some(from_origin) = self.half_open_by_origin.get_mut(&ticket.origin) else {
            return;
        };
        *from_origin -= 1;
        if *from_origin == 0 {
            self.half_open_by_origin.remove(&ticket.origin);
        }
    }

    /// Notes that a connection that had completed its handshake is closed: its
    /// place is free, though it is remembered for a while yet.
    pub(super) fn closed(&mut self, ticket: &mut Ticket) {
        if !std::mem::replace(&mut ticket.draining, true) {
            self.draining += 1;
            self.places.give_back(ticket.origin);
        }
    }

    /// Takes a connection that is forgotten out of the counts.
    pub(super) fn leave(&mut self, mut ticket: Ticket) {
        self.handshake_over(&mut ticket);
        if ticket.draining {
            self.draining -= 1;
        } else {
            self.places.give_back(ticket.origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn address(last: u64) -> IpAddr {
        std::net::Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | u128::from(last)).into()
    }

    fn admission(settings: AdmissionSettings) -> Admission {
        Admission::new(settings, Arc::default())
    }

    fn enter(admission: &mut Admission, remote: IpAddr, validated: bool) -> Ticket {
        admission
            .enter(remote, validated)
            .expect("there is a place")
    }

    #[test]
    fn a_crowd_of_unvalidated_handshakes_brings_retry_but_not_for_the_validated() {
        let mut admission = admission(AdmissionSettings::default());
        for host in 0..HALF_OPEN_UNVALIDATED_MAX as u64 {
            let remote = IpAddr::V4(std::net::Ipv4Addr::from_bits(host as u32 + (10 << 24)));
            assert_eq!(admission.decide(remote, false), Decision::Accept);
            enter(&mut admission, remote, false);
        }
        assert_eq!(admission.decide(HERE, false), Decision::Retry);
        assert_eq!(admission.decide(HERE, true), Decision::Accept);
    }

    #[test]
    fn one_slash_64_counts_as_one_address() {
        let mut admission = admission(AdmissionSettings::default());
        let mut tickets: Vec<_> = (0..HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX as u64)
            .map(|host| enter(&mut admission, address(host), false))
            .collect();
        assert_eq!(admission.decide(address(1 << 60), false), Decision::Retry);
        assert_eq!(admission.decide(HERE, false), Decision::Accept);
        admission.handshake_over(&mut tickets[0]);
        assert_eq!(admission.decide(address(1 << 60), false), Decision::Accept);
    }

    #[test]
    fn the_connection_over_the_limit_is_refused_until_one_leaves() {
        let mut admission = admission(AdmissionSettings {
            connections_max: 1,
            ..AdmissionSettings::default()
        });
        let ticket = enter(&mut admission, HERE, true);
        assert_eq!(admission.decide(HERE, true), Decision::Refuse);
        admission.leave(ticket);
        assert_eq!(admission.decide(HERE, true), Decision::Accept);
        assert!(admission.places.is_empty());
    }

    #[test]
    fn a_closed_connection_gives_its_place_back_before_it_is_forgotten() {
        let mut admission = admission(AdmissionSettings {
            connections_max: 1,
            ..AdmissionSettings::default()
        });
        let mut ticket = enter(&mut admission, HERE, true);
        admission.handshake_over(&mut ticket);
        admission.closed(&mut ticket);
        admission.closed(&mut ticket);
        assert_eq!(admission.decide(HERE, true), Decision::Accept);
        admission.leave(ticket);
        assert_eq!(admission.draining, 0);
        assert!(admission.places.is_empty());
    }

    #[test]
    fn the_limit_per_address_spares_loopback() {
        let mut admission = admission(AdmissionSettings {
            connections_per_address_max: 1,
            ..AdmissionSettings::default()
        });
        enter(&mut admission, HERE, true);
        enter(&mut admission, address(1), true);
        assert_eq!(admission.decide(HERE, true), Decision::Accept);
        assert_eq!(admission.decide(address(2), true), Decision::Refuse);
        let here = IpAddr::from(std::net::Ipv6Addr::LOCALHOST);
        enter(&mut admission, here, true);
        assert_eq!(admission.decide(here, true), Decision::Accept);
    }

    #[test]
    fn the_last_place_is_taken_by_one_shard_alone() {
        let settings = AdmissionSettings {
            connections_max: 1,
            ..AdmissionSettings::default()
        };
        let places = Arc::<Places>::default();
        let mut one = Admission::new(settings.clone(), places.clone());
        let mut other = Admission::new(settings, places);
        assert_eq!(other.decide(HERE, true), Decision::Accept);
        let ticket = enter(&mut one, HERE, true);
        assert!(other.enter(HERE, true).is_none());
        assert_eq!(other.decide(HERE, true), Decision::Refuse);
        one.leave(ticket);
        assert!(other.enter(HERE, true).is_some());
    }
}

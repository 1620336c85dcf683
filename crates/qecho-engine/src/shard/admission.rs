//! Decides what happens to the first packet of an unknown connection.
//!
//! Anyone can send Initial packets from invented addresses, so what an
//! unvalidated address may occupy is limited more tightly than what a
//! validated one may: a flood of the former never shuts out the latter.

use std::{collections::HashMap, net::IpAddr};

use crate::{
    config::{AdmissionSettings, RetryPolicy},
    limits::{
        DRAINING_MAX, HALF_OPEN_MAX, HALF_OPEN_UNVALIDATED_MAX,
        HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX,
    },
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

/// Addresses that one person can have many of are counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let network = address.to_bits() & (u128::MAX << 64);
                std::net::Ipv6Addr::from_bits(network).into()
            }
        })
    }
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

#[derive(Default)]
struct Counts {
    connections: usize,
    half_open_unvalidated: usize,
}

/// Counts connections and handshakes under way.
pub(super) struct Admission {
    settings: AdmissionSettings,
    total: Counts,
    half_open: usize,
    draining: usize,
    by_origin: HashMap<Origin, Counts>,
    closed_for_good: bool,
}

impl Admission {
    pub(super) fn new(settings: AdmissionSettings) -> Self {
        Self {
            settings,
            total: Counts::default(),
            half_open: 0,
            draining: 0,
            by_origin: HashMap::new(),
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
        let origin = self.by_origin.get(&Origin::from(remote));
        let from_origin = origin.map_or(0, |counts| counts.connections);
        if self.closed_for_good
            || self.total.connections >= self.settings.connections_max
            || self.half_open >= HALF_OPEN_MAX
            || self.draining >= DRAINING_MAX
            || (!remote.to_canonical().is_loopback()
                && from_origin >= self.settings.connections_per_address_max)
        {
            return Decision::Refuse;
        }
        if validated {
            return Decision::Accept;
        }
        let half_open = origin.map_or(0, |counts| counts.half_open_unvalidated);
        let crowded = self.total.half_open_unvalidated >= HALF_OPEN_UNVALIDATED_MAX
            || half_open >= HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX;
        match self.settings.retry {
            RetryPolicy::Always => Decision::Retry,
            RetryPolicy::Auto if crowded => Decision::Retry,
            RetryPolicy::Never if crowded => Decision::Refuse,
            RetryPolicy::Auto | RetryPolicy::Never => Decision::Accept,
        }
    }

    /// Counts a connection that was accepted.
    pub(super) fn enter(&mut self, remote: IpAddr, validated: bool) -> Ticket {
        let origin = Origin::from(remote);
        let counts = self.by_origin.entry(origin).or_default();
        for counts in [&mut self.total, counts] {
            counts.connections += 1;
            counts.half_open_unvalidated += usize::from(!validated);
        }
        self.half_open += 1;
        Ticket {
            origin,
            validated,
            half_open: true,
            draining: false,
        }
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
        self.total.half_open_unvalidated -= 1;
        if let Some(counts) = self.by_origin.get_mut(&ticket.origin) {
            counts.half_open_unvalidated -= 1;
        }
    }

    /// Notes that a connection that had completed its handshake is closed: its
    /// place is free, though it is remembered for a while yet.
    pub(super) fn closed(&mut self, ticket: &mut Ticket) {
        if !std::mem::replace(&mut ticket.draining, true) {
            self.draining += 1;
            self.give_back(ticket);
        }
    }

    /// Takes a connection that is forgotten out of the counts.
    pub(super) fn leave(&mut self, mut ticket: Ticket) {
        self.handshake_over(&mut ticket);
        if ticket.draining {
            self.draining -= 1;
        } else {
            self.give_back(&ticket);
        }
    }

    fn give_back(&mut self, ticket: &Ticket) {
        self.total.connections -= 1;
        if let Some(counts) = self.by_origin.get_mut(&ticket.origin) {
            counts.connections -= 1;
            if counts.connections == 0 {
                self.by_origin.remove(&ticket.origin);
            }
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

    #[test]
    fn a_crowd_of_unvalidated_handshakes_brings_retry_but_not_for_the_validated() {
        let mut admission = Admission::new(AdmissionSettings::default());
        for host in 0..HALF_OPEN_UNVALIDATED_MAX as u64 {
            let remote = IpAddr::V4(std::net::Ipv4Addr::from_bits(host as u32 + (10 << 24)));
            assert_eq!(admission.decide(remote, false), Decision::Accept);
            admission.enter(remote, false);
        }
        assert_eq!(admission.decide(HERE, false), Decision::Retry);
        assert_eq!(admission.decide(HERE, true), Decision::Accept);
    }

    #[test]
    fn one_slash_64_counts_as_one_address() {
        let mut admission = Admission::new(AdmissionSettings::default());
        let mut tickets: Vec<_> = (0..HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX as u64)
            .map(|host| admission.enter(address(host), false))
            .collect();
        assert_eq!(admission.decide(address(1 << 60), false), Decision::Retry);
        assert_eq!(admission.decide(HERE, false), Decision::Accept);
        admission.handshake_over(&mut tickets[0]);
        assert_eq!(admission.decide(address(1 << 60), false), Decision::Accept);
    }

    #[test]
    fn the_connection_over_the_limit_is_refused_until_one_leaves() {
        let mut admission = Admission::new(AdmissionSettings {
            connections_max: 1,
            ..AdmissionSettings::default()
        });
        let ticket = admission.enter(HERE, true);
        assert_eq!(admission.decide(HERE, true), Decision::Refuse);
        admission.leave(ticket);
        assert_eq!(admission.decide(HERE, true), Decision::Accept);
        assert!(admission.by_origin.is_empty());
    }

    #[test]
    fn a_closed_connection_gives_its_place_back_before_it_is_forgotten() {
        let mut admission = Admission::new(AdmissionSettings {
            connections_max: 1,
            ..AdmissionSettings::default()
        });
        let mut ticket = admission.enter(HERE, true);
        admission.handshake_over(&mut ticket);
        admission.closed(&mut ticket);
        admission.closed(&mut ticket);
        assert_eq!(admission.decide(HERE, true), Decision::Accept);
        admission.leave(ticket);
        assert_eq!(admission.draining, 0);
        assert_eq!(admission.total.connections, 0);
    }

    #[test]
    fn the_limit_per_address_spares_loopback() {
        let mut admission = Admission::new(AdmissionSettings {
            connections_per_address_max: 1,
            ..AdmissionSettings::default()
        });
        admission.enter(HERE, true);
        admission.enter(address(1), true);
        assert_eq!(admission.decide(HERE, true), Decision::Accept);
        assert_eq!(admission.decide(address(2), true), Decision::Refuse);
    }
}

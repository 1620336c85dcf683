//! Decides what happens to the first packet of an unknown connection.
//!
//! Anyone can send Initial packets from invented addresses, so what an
//! unvalidated address may occupy is limited more tightly than what a
//! validated one may: a flood of the former never shuts out the latter.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Instant};

use super::half_open::HalfOpen;
use crate::{
    connection::ConnectionKey,
    connection_limits::{AddressPrefix, AdmissionSettings, ConnectionLimits, Refusal, RetryPolicy},
    limits::{
        CLOSED_KEPT_MAX, HALF_OPEN_MAX, HALF_OPEN_UNVALIDATED_MAX,
        HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX, HANDSHAKE_DEADLINE, HANDSHAKE_DEADLINE_CROWDED,
    },
};

/// Decision on a client's first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The handshake begins.
    Accept,
    /// The client must first show that it receives at its address
    /// (RFC 9000 §8.1.2).
    Retry,
    /// The client is turned away with CONNECTION_REFUSED.
    Refuse(Refusal),
}

/// A connection's place in the counts; given back when it ends.
#[derive(Debug)]
pub(crate) struct AdmissionPermit {
    prefix: AddressPrefix,
    validated: bool,
    /// Its place in the order in which connections came.
    number: u64,
    half_open: bool,
    /// Its place among those that are closed and only wait to be forgotten.
    closed: Option<u64>,
}

/// Counts connections and handshakes under way.
///
/// Connections in all and from one address, whose limits a person sets, count on all
/// shards together. Handshakes under way, whose limits bound the work and memory of a shard,
/// count on each.
pub(crate) struct Admission {
    settings: AdmissionSettings,
    limits: Arc<ConnectionLimits>,
    half_open: HalfOpen,
    /// Closed connections that are remembered, in the order in which they closed.
    closed: BTreeMap<u64, ConnectionKey>,
    /// The last number of an order.
    number: u64,
    closed_for_good: bool,
}

impl Admission {
    pub(crate) fn new(settings: AdmissionSettings, limits: Arc<ConnectionLimits>) -> Self {
        Self {
            settings,
            limits,
            half_open: HalfOpen::default(),
            closed: BTreeMap::new(),
            number: 0,
            closed_for_good: false,
        }
    }

    /// Returns how many handshakes are under way.
    pub(crate) fn half_open(&self) -> usize {
        self.half_open.count()
    }

    /// Refuses everybody from now on.
    pub(crate) fn close_for_good(&mut self) {
        self.closed_for_good = true;
    }

    pub(crate) fn decide(&self, remote: IpAddr, validated: bool) -> Decision {
        let prefix = AddressPrefix::from(remote);
        if self.closed_for_good {
            return Decision::Refuse(Refusal::ShuttingDown);
        }
        if let Some(refusal) = self.limits.refusal(prefix, &self.settings) {
            return Decision::Refuse(refusal);
        }
        if validated {
            return Decision::Accept;
        }
        let crowded = self.half_open() >= HALF_OPEN_MAX
            || self.half_open.unvalidated() >= HALF_OPEN_UNVALIDATED_MAX
            || self.half_open.unvalidated_of(prefix) >= HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX;
        match self.settings.retry {
            RetryPolicy::Always => Decision::Retry,
            RetryPolicy::Auto if crowded => Decision::Retry,
            RetryPolicy::Never if crowded => Decision::Refuse(Refusal::Handshakes),
            RetryPolicy::Auto | RetryPolicy::Never => Decision::Accept,
        }
    }

    /// Returns a connection that must make room before a client from `remote` is let in, if
    /// one must: of closed ones the oldest that is remembered, of handshakes one that takes
    /// too long for a crowd, or another from an address that has more than its share.
    pub(crate) fn in_the_way(&self, now: Instant, remote: IpAddr) -> Option<ConnectionKey> {
        if self.closed.len() >= CLOSED_KEPT_MAX {
            return self.closed.first_key_value().map(|(_, key)| *key);
        }
        let crowded = self.half_open() >= HALF_OPEN_MAX / 2;
        let slow = |began: Instant| now.duration_since(began) >= HANDSHAKE_DEADLINE_CROWDED;
        match self.half_open.oldest() {
            Some((began, key)) if crowded && slow(began) => Some(key),
            _ if self.half_open() >= HALF_OPEN_MAX => {
                self.half_open.victim(AddressPrefix::from(remote))
            }
            _ => None,
        }
    }

    /// Counts a connection that is accepted, unless another shard has taken
    /// the last place since the decision.
    pub(crate) fn enter(
        &mut self,
        remote: IpAddr,
        validated: bool,
    ) -> Result<AdmissionPermit, Refusal> {
        let prefix = AddressPrefix::from(remote);
        self.limits.take(prefix, &self.settings)?;
        Ok(AdmissionPermit {
            prefix,
            validated,
            number: self.next_number(),
            half_open: false,
            closed: None,
        })
    }

    /// Notes that a handshake is under way; returns by when it must be over.
    pub(crate) fn begin_handshake(
        &mut self,
        permit: &mut AdmissionPermit,
        now: Instant,
        key: ConnectionKey,
    ) -> Instant {
        permit.half_open = true;
        self.half_open
            .insert(permit.number, permit.prefix, permit.validated, (now, key));
        now + HANDSHAKE_DEADLINE
    }

    /// Notes that a handshake is over, well or badly; tells whether it still counted.
    pub(crate) fn handshake_over(&mut self, permit: &mut AdmissionPermit) -> bool {
        let counted = std::mem::take(&mut permit.half_open);
        if counted {
            self.half_open
                .remove(permit.number, permit.prefix, permit.validated);
        }
        counted
    }

    /// Notes that a connection that had completed its handshake is closed: its
    /// place is free, though it is remembered for a while yet.
    pub(crate) fn closed(&mut self, permit: &mut AdmissionPermit, key: ConnectionKey) {
        if permit.closed.is_none() {
            let number = self.next_number();
            permit.closed = Some(number);
            self.closed.insert(number, key);
            self.limits.give_back(permit.prefix);
        }
    }

    /// Takes a connection that is forgotten out of the counts.
    pub(crate) fn leave(&mut self, mut permit: AdmissionPermit) {
        self.handshake_over(&mut permit);
        match permit.closed {
            Some(number) => drop(self.closed.remove(&number)),
            None => self.limits.give_back(permit.prefix),
        }
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
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

    fn key(number: u64) -> ConnectionKey {
        ConnectionKey::new(0, quinn_proto::ConnectionHandle(0), number)
    }

    /// Lets a client in whose handshake begins `now`.
    fn enter_at(
        admission: &mut Admission,
        now: Instant,
        remote: IpAddr,
        validated: bool,
    ) -> AdmissionPermit {
        let permit = admission.enter(remote, validated);
        let mut permit = permit.expect("there is a place");
        let key = key(permit.number);
        admission.begin_handshake(&mut permit, now, key);
        permit
    }

    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn enter(admission: &mut Admission, remote: IpAddr, validated: bool) -> AdmissionPermit {
        enter_at(admission, Instant::now(), remote, validated)
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
        let mut permits: Vec<_> = (0..HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX as u64)
            .map(|host| enter(&mut admission, address(host), false))
            .collect();
        assert_eq!(admission.decide(address(1 << 60), false), Decision::Retry);
        assert_eq!(admission.decide(HERE, false), Decision::Accept);
        admission.handshake_over(&mut permits[0]);
        assert_eq!(admission.decide(address(1 << 60), false), Decision::Accept);
    }

    #[test]
    fn the_connection_over_the_limit_is_refused_until_one_leaves() {
        let mut admission = admission(AdmissionSettings::default().with_connections_max(1));
        let permit = enter(&mut admission, HERE, true);
        assert_eq!(
            admission.decide(HERE, true),
            Decision::Refuse(Refusal::Connections)
        );
        admission.leave(permit);
        assert_eq!(admission.decide(HERE, true), Decision::Accept);
        assert!(admission.limits.is_empty());
    }

    #[test]
    fn a_closed_connection_gives_its_place_back_before_it_is_forgotten() {
        let mut admission = admission(AdmissionSettings::default().with_connections_max(1));
        let mut permit = enter(&mut admission, HERE, true);
        admission.handshake_over(&mut permit);
        admission.closed(&mut permit, key(1));
        admission.closed(&mut permit, key(1));
        assert_eq!(admission.decide(HERE, true), Decision::Accept);
        admission.leave(permit);
        assert!(admission.closed.is_empty());
        assert!(admission.limits.is_empty());
    }

    #[test]
    fn the_limit_per_address_spares_loopback() {
        let mut admission =
            admission(AdmissionSettings::default().with_connections_per_address_max(1));
        enter(&mut admission, HERE, true);
        enter(&mut admission, address(1), true);
        assert_eq!(admission.decide(HERE, true), Decision::Accept);
        assert_eq!(
            admission.decide(address(2), true),
            Decision::Refuse(Refusal::ConnectionsPerAddress)
        );
        let here = IpAddr::from(std::net::Ipv6Addr::LOCALHOST);
        enter(&mut admission, here, true);
        assert_eq!(admission.decide(here, true), Decision::Accept);
    }

    #[test]
    fn the_last_place_is_taken_by_one_shard_alone() {
        let settings = AdmissionSettings::default().with_connections_max(1);
        let limits = Arc::<ConnectionLimits>::default();
        let mut one = Admission::new(settings.clone(), limits.clone());
        let mut other = Admission::new(settings, limits);
        assert_eq!(other.decide(HERE, true), Decision::Accept);
        let permit = enter(&mut one, HERE, true);
        assert!(other.enter(HERE, true).is_err());
        assert_eq!(
            other.decide(HERE, true),
            Decision::Refuse(Refusal::Connections)
        );
        one.leave(permit);
        assert!(other.enter(HERE, true).is_ok());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn a_full_table_makes_room_by_the_oldest_of_the_address_that_has_most() {
        let now = Instant::now();
        let mut admission =
            admission(AdmissionSettings::default().with_connections_per_address_max(usize::MAX));
        let from = |host| IpAddr::from([10, 0, 0, host]);
        let permits: Vec<_> = (0..HALF_OPEN_MAX)
            .map(|host| enter_at(&mut admission, now, from((host % 3) as u8), true))
            .collect();
        let honest = from(7);
        assert_eq!(admission.decide(honest, true), Decision::Accept);
        assert_eq!(admission.decide(honest, false), Decision::Retry);
        // 1,024 are 342 of the first and 341 of each other.
        assert_eq!(admission.in_the_way(now, honest), Some(key(1)));
        // Who has more than a share makes room itself.
        assert_eq!(admission.in_the_way(now, from(2)), Some(key(3)));
        permits
            .into_iter()
            .take(1)
            .for_each(|permit| admission.leave(permit));
        assert_eq!(admission.in_the_way(now, honest), None);
        let later = now + HANDSHAKE_DEADLINE_CROWDED;
        let slow = admission.in_the_way(later, honest);
        assert_eq!(slow, Some(key(2)), "it is slow");
    }

    #[test]
    fn closed_connections_make_room_before_anybody_is_turned_away() {
        let mut admission =
            admission(AdmissionSettings::default().with_connections_max(usize::MAX));
        let mut permits: Vec<_> = (0..CLOSED_KEPT_MAX)
            .map(|_| enter(&mut admission, HERE, true))
            .collect();
        let now = admission.half_open.oldest().expect("there are many").0;
        for permit in &mut permits {
            admission.handshake_over(permit);
            let key = key(permit.number);
            admission.closed(permit, key);
        }
        assert_eq!(admission.in_the_way(now, HERE), Some(key(1)));
        admission.leave(permits.swap_remove(0));
        assert_eq!(admission.in_the_way(now, HERE), None);
    }
}

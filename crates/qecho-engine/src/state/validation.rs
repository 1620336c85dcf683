//! Counts what is sent to addresses at which a client has not proved to receive: at most
//! three times what came from there (RFC 9000 §8).
//!
//! quinn-proto counts, too, but lets a whole datagram over, and asks for nothing before it
//! sends PATH_CHALLENGE and probes for the MTU. So it is asked for datagrams only as long
//! as whole ones may be sent, and what it has made is dropped where nothing is lost by it.

use std::{net::SocketAddr, time::Instant};

use crate::limits::{
    AMPLIFICATION_MAX, CHALLENGES_KEPT_MAX, EXCEEDING_MAX, EXCEEDING_PER_SECOND_MAX,
    UNVALIDATED_ADDRESSES_MAX, UNVALIDATED_KEPT_TIME, VALIDATED_ADDRESSES_MAX,
};

/// The addresses of a server's client.
#[derive(Debug)]
pub(crate) struct AddressValidation {
    /// At these the client was proved to receive, oldest first.
    validated: Vec<SocketAddr>,
    /// Others that datagrams came from, oldest first.
    unvalidated: Vec<Unvalidated>,
    /// Datagrams that may be larger than the limit allows until an address is validated.
    exceeding_left: u32,
}

#[derive(Debug)]
struct Unvalidated {
    address: SocketAddr,
    /// Instant at which a datagram came from there last.
    heard: Instant,
    /// Bytes of UDP payload, as those that were sent.
    received: u64,
    sent: u64,
    /// Data of the PATH_CHALLENGE frames that were sent there, oldest first.
    challenges: Vec<[u8; 8]>,
    /// Whether one datagram may be larger than the limit allows. The first on a new path
    /// has the PATH_CHALLENGE, and may have data, which would be lost with it.
    may_exceed: bool,
}

impl AddressValidation {
    /// Begins with the address of a client's first datagram, of so many bytes, and whether a
    /// token has validated it.
    pub(crate) fn new(now: Instant, (address, validated): (SocketAddr, bool), size: usize) -> Self {
        let mut validation = Self {
            validated: validated.then_some(address).into_iter().collect(),
            unvalidated: Vec::new(),
            exceeding_left: EXCEEDING_MAX,
        };
        validation.received(now, address, size, address);
        validation
    }

    /// Tells whether any address is to be watched.
    pub(crate) fn is_begun(&self) -> bool {
        !self.unvalidated.is_empty()
    }

    /// Tells whether `path` is validated, and no other address is to be watched.
    pub(crate) fn is_over(&self, path: SocketAddr) -> bool {
        self.is_validated(path) && !self.is_begun()
    }

    fn is_validated(&self, address: SocketAddr) -> bool {
        self.validated.contains(&address)
    }

    /// Counts a datagram; `path` is where packets are sent now.
    pub(crate) fn received(
        &mut self,
        now: Instant,
        from: SocketAddr,
        size: usize,
        path: SocketAddr,
    ) {
        self.unvalidated.retain(|one| {
            one.address == path || now.duration_since(one.heard) < UNVALIDATED_KEPT_TIME
        });
        if self.is_validated(from) {
            return;
        }
        if self.record(from).is_none() {
            if self.unvalidated.len() >= UNVALIDATED_ADDRESSES_MAX {
                let oldest = self.unvalidated.iter().position(|one| one.address != path);
                self.unvalidated.remove(oldest.unwrap_or(0));
            }
            self.unvalidated.push(Unvalidated {
                address: from,
                heard: now,
                received: 0,
                sent: 0,
                challenges: Vec::new(),
                may_exceed: false,
            });
        }
        if let Some(record) = self.record_mut(from) {
            record.heard = now;
            record.received += size as u64;
        }
    }

    /// Notes that packets are sent to `path` from now on, of which the first may be larger
    /// than the limit allows as far as `exceptions` has room for it.
    pub(crate) fn moved(
        &mut self,
        now: Instant,
        path: SocketAddr,
        exceptions: &mut AmplificationExceptions,
    ) {
        let exceeding_left = self.exceeding_left;
        if let Some(record) = self.record_mut(path)
            && !record.may_exceed
            && exceeding_left > 0
            && exceptions.take(now)
        {
            record.may_exceed = true;
            self.exceeding_left -= 1;
        }
    }

    /// Returns how many bytes may be sent to an address; `None` if it is validated.
    pub(crate) fn allowance(&self, to: SocketAddr) -> Option<u64> {
        if self.is_validated(to) {
            return None;
        }
        // To an address that nothing is known of nothing came.
        Some(self.record(to).map_or(0, |record| {
            (AMPLIFICATION_MAX * record.received).saturating_sub(record.sent)
        }))
    }

    /// Tells whether one datagram to an address may be larger than is allowed.
    pub(crate) fn may_exceed(&self, to: SocketAddr) -> bool {
        self.record(to).is_some_and(|record| record.may_exceed)
    }

    /// Counts a datagram or batch, and notes what its PATH_CHALLENGE says.
    pub(crate) fn sent(&mut self, to: SocketAddr, size: usize, challenge: Option<[u8; 8]>) {
        let Some(record) = self.record_mut(to) else {
            return;
        };
        record.sent += size as u64;
        record.may_exceed = false;
        let challenge = challenge.filter(|challenge| !record.challenges.contains(challenge));
        if let Some(challenge) = challenge {
            if record.challenges.len() >= CHALLENGES_KEPT_MAX {
                record.challenges.remove(0);
            }
            record.challenges.push(challenge);
        }
    }

    /// Notes what a PATH_RESPONSE from an address says; that it says what a challenge did
    /// validates the address (RFC 9000 §8.2.3).
    pub(crate) fn responded(&mut self, from: SocketAddr, response: [u8; 8]) {
        let record = self.record(from);
        if record.is_some_and(|record| record.challenges.contains(&response)) {
            self.validate(from);
            self.exceeding_left = EXCEEDING_MAX.min(self.exceeding_left + 1);
        }
    }

    /// Notes that the client was proved to receive at an address.
    pub(crate) fn validate(&mut self, address: SocketAddr) {
        self.unvalidated.retain(|one| one.address != address);
        // Most connections never have another one to watch.
        self.unvalidated.shrink_to_fit();
        self.validated.retain(|validated| *validated != address);
        if self.validated.len() >= VALIDATED_ADDRESSES_MAX {
            self.validated.remove(0);
        }
        self.validated.reserve_exact(1);
        self.validated.push(address);
    }

    fn record(&self, address: SocketAddr) -> Option<&Unvalidated> {
        self.unvalidated.iter().find(|one| one.address == address)
    }

    fn record_mut(&mut self, address: SocketAddr) -> Option<&mut Unvalidated> {
        let mut records = self.unvalidated.iter_mut();
        records.find(|record| record.address == address)
    }
}

/// Datagrams that a shard may send to addresses that are not validated although they are
/// larger than the limit allows, to all clients together.
#[derive(Debug, Default)]
pub(crate) struct AmplificationExceptions {
    /// The second that is counted, and how many there were.
    second: Option<(Instant, u32)>,
}

impl AmplificationExceptions {
    fn take(&mut self, now: Instant) -> bool {
        match &mut self.second {
            Some((begin, count)) if now.duration_since(*begin).as_secs() == 0 => {
                *count += 1;
                *count <= EXCEEDING_PER_SECOND_MAX
            }
            second => {
                *second = Some((now, 1));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn begin() -> Instant {
        Instant::now()
    }

    #[test]
    fn three_times_what_came_may_be_sent_until_the_address_is_validated() {
        let now = begin();
        let mut validation = AddressValidation::new(now, (address(1), false), 1_200);
        assert_eq!(validation.allowance(address(1)), Some(3_600));
        validation.sent(address(1), 3_500, None);
        assert_eq!(validation.allowance(address(1)), Some(100));
        validation.validate(address(1));
        assert_eq!(validation.allowance(address(1)), None);
        assert!(validation.is_over(address(1)));
    }

    #[test]
    fn a_validated_address_keeps_no_memory_but_its_own() {
        let now = begin();
        let mut validation = AddressValidation::new(now, (address(1), false), 1_200);
        validation.validate(address(1));
        let kept = [
            validation.validated.capacity(),
            validation.unvalidated.capacity(),
        ];
        assert_eq!(kept, [1, 0]);
    }

    #[test]
    fn only_the_answer_to_its_own_challenge_validates_an_address() {
        let now = begin();
        let exceptions = &mut AmplificationExceptions::default();
        let mut validation = AddressValidation::new(now, (address(1), true), 1_200);
        for port in [2, 3] {
            validation.received(now, address(port), 40, address(1));
            validation.moved(now, address(port), exceptions);
            assert!(validation.may_exceed(address(port)));
            validation.sent(address(port), 60, Some([port as u8; 8]));
            assert!(!validation.may_exceed(address(port)));
        }
        validation.responded(address(2), [3; 8]);
        validation.responded(address(3), [2; 8]);
        assert_eq!(validation.allowance(address(2)), Some(60));
        assert_eq!(validation.allowance(address(3)), Some(60));
        validation.responded(address(3), [3; 8]);
        assert_eq!(validation.allowance(address(3)), None);
        let others = [2, 1].map(|port| validation.allowance(address(port)));
        assert_eq!(others, [Some(60), None], "theirs stay as they were");
    }

    #[test]
    fn a_late_answer_from_an_address_that_the_client_has_left_takes_nothing_from_others() {
        let now = begin();
        let exceptions = &mut AmplificationExceptions::default();
        let mut validation = AddressValidation::new(now, (address(1), true), 1_200);
        validation.received(now, address(2), 40, address(1));
        validation.moved(now, address(2), exceptions);
        validation.sent(address(2), 60, Some([2; 8]));
        // It is back, or further, before the answer comes.
        validation.received(now, address(1), 40, address(2));
        validation.moved(now, address(1), exceptions);
        validation.received(now, address(3), 40, address(1));
        validation.moved(now, address(3), exceptions);
        validation.responded(address(2), [2; 8]);
        assert_eq!(validation.allowance(address(1)), None);
        assert!(validation.may_exceed(address(3)));
        assert_eq!(validation.allowance(address(3)), Some(120));
    }

    #[test]
    fn a_connection_exceeds_three_times_and_once_more_for_each_address_that_is_validated() {
        let now = begin();
        let exceptions = &mut AmplificationExceptions::default();
        let mut validation = AddressValidation::new(now, (address(1), true), 1_200);
        let mut exceeded = Vec::new();
        for port in 2..12 {
            let now = now + Duration::from_secs(port.into());
            validation.received(now, address(port), 40, address(1));
            validation.moved(now, address(port), exceptions);
            if validation.may_exceed(address(port)) {
                exceeded.push(port);
            }
            validation.sent(address(port), 1_200, Some([7; 8]));
            if port == 6 {
                validation.responded(address(port), [7; 8]);
            }
        }
        assert_eq!(exceeded, [2, 3, 4, 7]);
        assert!(!validation.is_over(address(6)));
        let later = now + Duration::from_secs(12) + UNVALIDATED_KEPT_TIME;
        validation.received(later, address(6), 40, address(6));
        assert!(validation.is_over(address(6)));
    }

    #[test]
    fn all_connections_of_a_shard_exceed_so_often_in_a_second_and_no_more() {
        let mut exceptions = AmplificationExceptions::default();
        let now = begin();
        let mut taken = |milliseconds| {
            let now = now + Duration::from_millis(milliseconds);
            (0..10_000).filter(|_| exceptions.take(now)).count()
        };
        assert_eq!(taken(0), EXCEEDING_PER_SECOND_MAX as usize);
        assert_eq!(taken(999), 0);
        assert_eq!(taken(1_000), EXCEEDING_PER_SECOND_MAX as usize);
    }

    #[test]
    fn datagrams_from_many_addresses_do_not_make_the_path_forget_its_count() {
        let now = begin();
        let mut validation = AddressValidation::new(now, (address(1), true), 1_200);
        validation.received(now, address(2), 100, address(2));
        validation.sent(address(2), 290, None);
        for port in 3..100 {
            validation.received(now, address(port), 1_000, address(2));
        }
        assert_eq!(validation.allowance(address(2)), Some(10));
        assert_eq!(validation.unvalidated.len(), UNVALIDATED_ADDRESSES_MAX);
    }
}

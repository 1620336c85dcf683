//! The largest datagram that passes, to the byte.

mod search;

use std::net::IpAddr;

pub(super) use self::search::observe;
use super::DATAGRAM_SIZE;
use crate::doctor::{Cause, Finding, RungReport};

/// Payload that every Ethernet carries, with IPv6. Servers may have no room for more, without a
/// word of it.
const ORDINARY: usize = 1_452;
/// Bytes of the largest IP packet on many an ordinary line (PPPoE, RFC 2516 §7).
const ORDINARY_PACKET: usize = 1_492;
/// Probability of a chance that is not counted with.
const CHANCE: f64 = 1e-4;

/// Sizes of UDP payload, to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Bytes of the headers before the payload.
    pub(super) headers: usize,
    /// The largest that the route allows, as far as it is known.
    pub(super) route: Option<usize>,
    /// The largest that this host sends all the same, if that is more: then the route has been set
    /// to less, or routers have told it so before.
    pub(super) sent: Option<usize>,
    /// The largest that the server takes, if it says that.
    pub(super) server: Option<usize>,
    /// The largest that passed.
    pub(super) passed: usize,
    /// The smallest that was lost, or not sent.
    pub(super) lost: Option<usize>,
    /// Large and small ones, sent in turn.
    pub(super) pairs: Option<Pairs>,
    /// Reports that a datagram is too large: by whom, if it is known.
    pub(super) reports: Vec<Option<IpAddr>>,
    /// The MTU that was told with them.
    pub(super) told_mtu: Option<usize>,
    /// The largest datagram that came.
    pub(super) received: usize,
}

/// Large and small datagrams that were sent in turn, to see that only the large ones are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pairs {
    pub(super) count: usize,
    pub(super) large_lost: usize,
    pub(super) small_passed: usize,
}

impl Pairs {
    /// Tells whether all large ones are lost, which the share of small ones that are does not
    /// explain.
    fn is_size(self) -> bool {
        let share = 1.0 - self.small_passed as f64 / self.count.max(1) as f64;
        self.large_lost == self.count && share.powf(self.count as f64) < CHANCE
    }
}

impl Sizes {
    /// Returns the largest size that the way is expected to carry. What routers told this host
    /// before, and tell again, does not lower it: two runs say the same.
    fn promised(&self) -> Option<usize> {
        let told_again = self.sent.filter(|_| !self.reports.is_empty());
        Some(
            told_again
                .or(self.route)?
                .min(self.server.unwrap_or(usize::MAX)),
        )
    }

    /// Tells whether routers have said exactly what passes.
    fn is_told(&self) -> bool {
        let told = self.told_mtu.map(|mtu| mtu.saturating_sub(self.headers));
        !self.reports.is_empty() && told.is_none_or(|told| told == self.passed)
    }

    /// Tells whether so much passes that it is nothing unusual, whoever says it or not.
    fn is_ordinary(&self) -> bool {
        self.passed >= ORDINARY || self.passed + self.headers >= ORDINARY_PACKET
    }

    pub(super) fn report(&self, rung: &mut RungReport) {
        let passed = self.passed;
        let why = match self.lost {
            Some(_) if !self.pairs.is_some_and(Pairs::is_size) => "larger ones not each time",
            Some(_) => "one byte more does not",
            None if self.server.is_some_and(|server| server <= passed) => {
                "as many as the server takes"
            }
            None => "as many as the route carries",
        };
        rung.say(format!("datagrams of {passed} bytes pass, {why}"));
        if let (Some(route), Some(_)) = (self.route, self.sent) {
            rung.say(format!(
                "this host's route to there says {route} bytes: it is set to that, or routers have \
                 told it before"
            ));
        }
        if let Some(mtu) = self.told_mtu {
            rung.say(format!(
                "routers say that packets of {mtu} bytes pass (ICMP)"
            ));
        }
        rung.fact("mtu_told_bytes", self.told_mtu);
        rung.say(format!("the largest that came has {} bytes", self.received));
        rung.fact("payload_passed_bytes", passed);
        rung.fact("payload_lost_bytes", self.lost);
        rung.fact("payload_route_bytes", self.route);
        rung.fact("payload_server_bytes", self.server);
        rung.fact("payload_received_bytes", self.received);
    }
}

/// Judges sizes: a cliff is where a size that the route allows is lost each time, and smaller ones
/// pass between.
pub(super) fn judge(sizes: &Sizes) -> Option<Finding> {
    let (lost, promised) = (sizes.lost?, sizes.promised()?);
    let pairs = sizes.pairs?;
    // Ordinary lines carry no more, and a server may have no more room, and not say so.
    if !pairs.is_size() || lost > promised || sizes.is_ordinary() {
        return None;
    }
    let (passed, packet) = (sizes.passed, sizes.passed + sizes.headers);
    let reports = sizes.reports.iter().map(|from| match from {
        Some(from) => format!("{from} reports that they are too large (ICMP)"),
        None => "this host has learnt that they are too large (ICMP)".into(),
    });
    let silence = sizes.reports.is_empty();
    let silence = silence.then(|| "nobody reports it (no ICMP came)".to_owned());
    let finding = match sizes.is_told() {
        true => Finding::new(
            Cause::MtuCliff,
            format!(
                "The way carries datagrams of {passed} bytes, where this host sends {promised}; its \
                 routers say so."
            ),
            format!(
                "Set the MTU of the interface or tunnel to {packet}, so that nothing is sent in \
                 vain: QUIC works, and has to search for the size."
            ),
        ),
        false => Finding::new(
            Cause::MtuCliff,
            format!(
                "Datagrams of more than {passed} bytes are lost on the way, although the route \
                 begins with {promised}."
            ),
            format!(
                "Set the MTU of the link to {packet}, which the way carries, or let its routers \
                 send ICMP 'packet too big'."
            ),
        ),
    };
    let Pairs {
        count,
        large_lost,
        small_passed,
    } = pairs;
    let finding = finding.with_evidence([
        format!("{large_lost} of {count} datagrams of {lost} bytes are lost"),
        format!("{small_passed} of {count} datagrams of {DATAGRAM_SIZE} bytes, sent between, pass"),
    ]);
    Some(finding.with_evidence(reports.chain(silence)))
}

#[cfg(test)]
mod tests {
    use super::{
        search::{HEADERS_V4, HEADERS_V6},
        *,
    };

    const fn pairs(count: usize, large_lost: usize, small_passed: usize) -> Option<Pairs> {
        Some(Pairs {
            count,
            large_lost,
            small_passed,
        })
    }

    #[test]
    fn a_cliff_is_named_only_where_large_datagrams_alone_are_lost_and_the_route_allows_them() {
        let cliff = Sizes {
            headers: HEADERS_V4,
            route: Some(1_472),
            passed: 1_352,
            lost: Some(1_353),
            pairs: pairs(8, 8, 8),
            ..Sizes::default()
        };
        let with = |change: fn(&mut Sizes)| {
            let mut sizes = cliff.clone();
            change(&mut sizes);
            judge(&sizes).is_some()
        };
        assert!(with(|_| {}));
        assert!(with(|it| it.server = Some(1_400)));
        assert!(!with(|it| it.server = Some(1_352)));
        assert!(!with(|it| it.route = None));
        assert!(!with(|it| it.lost = None));
        assert!(!with(|it| it.pairs = None));
        assert!(!with(|it| it.pairs = pairs(8, 7, 8)));
        assert!(!with(|it| it.pairs = pairs(8, 8, 5)));
        // A third is lost whatever its size.
        assert!(with(|it| it.pairs = pairs(16, 16, 10)));
        assert!(!with(|it| it.pairs = pairs(16, 15, 16)));
        let jumbo = |sizes: &mut Sizes| {
            (sizes.route, sizes.passed, sizes.lost) = (Some(8_972), 1_500, Some(1_501));
        };
        assert!(!with(jumbo));
        // PPPoE, and who says so: nothing unusual.
        for (headers, passed) in [(HEADERS_V4, 1_464), (HEADERS_V6, 1_444)] {
            let line = Sizes {
                headers,
                passed,
                lost: Some(passed + 1),
                reports: vec![None],
                ..cliff.clone()
            };
            assert_eq!(judge(&line), None, "{passed}");
        }
    }

    #[test]
    fn what_routers_say_is_not_asked_of_them() {
        let told = Sizes {
            headers: HEADERS_V4,
            route: Some(1_472),
            passed: 1_272,
            lost: Some(1_273),
            pairs: pairs(8, 8, 8),
            reports: vec![None],
            told_mtu: Some(1_300),
            ..Sizes::default()
        };
        let again = Sizes {
            route: Some(1_272),
            sent: Some(1_472),
            ..told.clone()
        };
        for sizes in [&told, &again] {
            let finding = judge(sizes).map(|it| (it.sentence, it.advice));
            let (sentence, advice) = finding.unwrap_or_default();
            let is_right = sentence.contains("1272") && sentence.contains("routers say so");
            assert!(is_right && advice.contains("1300"), "{sentence} {advice}");
            assert!(!advice.contains("ICMP"), "{advice}");
        }
        // They promise more than passes.
        let wrong = Sizes {
            told_mtu: Some(1_400),
            ..told
        };
        let advice = judge(&wrong).map(|it| it.advice).unwrap_or_default();
        assert!(advice.contains("ICMP"), "{advice}");
        // The route is set to what passes, and nobody reports anything.
        let set = Sizes {
            reports: vec![],
            told_mtu: None,
            ..again
        };
        assert_eq!(judge(&set), None);
    }
}

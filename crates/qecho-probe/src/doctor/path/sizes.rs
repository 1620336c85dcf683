//! The largest datagram that passes, to the byte.

use std::net::{IpAddr, SocketAddr};

use qecho_packet::{Direction, StreamId, TransportParameters, wire::Frame};
use qecho_peer::{
    endpoint::{Endpoint, ReceivedStream},
    packet::one_rtt,
};

use super::DATAGRAM_SIZE;
use crate::doctor::{
    Cause, Finding, RungReport,
    reached::{Connection, Reached, is_over},
    world::Told,
};

/// Times that a size is tried before it is called lost.
const TRIES: usize = 3;
/// Large and small datagrams that are sent in turn, to see that only the large ones are lost.
const PAIRS: usize = 8;
/// Small ones of these that have to pass.
const PAIRS_PASSED_MIN: usize = 6;
/// Payload that every Ethernet carries, with IPv6. Servers may have no room for more, without a
/// word of it.
const ORDINARY: usize = 1_452;
/// Bytes of the largest IP packet on many an ordinary line (PPPoE, RFC 2516 §7).
const ORDINARY_PACKET: usize = 1_492;
/// Bytes that an echo server is asked for.
const ECHOED: usize = 32_768;
/// Bytes of the headers of IP and UDP.
const HEADERS_V4: usize = 20 + 8;
const HEADERS_V6: usize = 40 + 8;
/// The MTU of a route of which nothing is known.
const MTU_ASSUMED: usize = 1_500;
/// The largest packet that IPv4 knows (RFC 791 §3.1).
const PACKET_MAX: usize = 65_535;

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
    /// Large ones that were lost and small ones that passed, sent in turn.
    pub(super) pairs: Option<(usize, usize)>,
    /// Reports that a datagram is too large: by whom, if it is known.
    pub(super) reports: Vec<Option<IpAddr>>,
    /// The MTU that was told with them.
    pub(super) told_mtu: Option<usize>,
    /// The largest datagram that came.
    pub(super) received: usize,
}

/// Bytes before the UDP payload.
fn headers(remote: SocketAddr) -> usize {
    match remote.ip().to_canonical() {
        IpAddr::V4(_) => HEADERS_V4,
        IpAddr::V6(_) => HEADERS_V6,
    }
}

/// Looks for the largest size that passes.
pub(super) fn observe(reached: &Reached<'_>, connection: &mut Connection) -> Option<Sizes> {
    let headers = headers(reached.remote);
    let mtu = reached.route.as_ref().and_then(|route| route.mtu);
    let payload = |mtu: usize| mtu.min(PACKET_MAX).saturating_sub(headers);
    let server = connection
        .endpoint()
        .peer_parameters()
        .and_then(TransportParameters::max_udp_payload_size)
        .and_then(|size| usize::try_from(size).ok());
    let mut sizes = Sizes {
        headers,
        route: mtu.map(payload),
        server,
        ..Sizes::default()
    };
    if !passes(connection, DATAGRAM_SIZE, headers, &mut sizes)? {
        return None;
    }
    sizes.passed = DATAGRAM_SIZE;
    let assumed = payload(MTU_ASSUMED).min(server.unwrap_or(usize::MAX));
    if sizes.route.is_some_and(|route| route < assumed) && leaves(connection, assumed) {
        sizes.sent = Some(assumed);
    }
    let most = sizes.sent.or(sizes.route).unwrap_or(assumed);
    let most = most.min(server.unwrap_or(usize::MAX)).max(DATAGRAM_SIZE);
    search(connection, most, headers, &mut sizes)?;
    if let Some(lost) = sizes.lost {
        sizes.pairs = Some(pairs(connection, lost)?);
    }
    if connection.is_over() {
        return None;
    }
    if !reached.options.is_quick {
        ask_for_data(connection);
    }
    let datagrams = connection.endpoint().record();
    let received = datagrams.directed(Direction::Received);
    sizes.received = received.map(|one| one.bytes.len()).max().unwrap_or(0);
    Some(sizes)
}

/// Has an echo server send much, so that its own search for the largest datagram gets somewhere, if
/// it searches (RFC 9000 §14.3).
fn ask_for_data(connection: &mut Connection) {
    let negotiated = connection.endpoint().negotiated();
    if negotiated.and_then(|it| it.alpn.as_deref()) != Some(&b"echo"[..]) {
        return;
    }
    let id = StreamId::from_value(0);
    let endpoint = connection.probe.endpoint_mut();
    endpoint.write(id, &[0; ECHOED], true);
    let is_whole = |endpoint: &Endpoint| endpoint.stream(id).is_some_and(ReceivedStream::is_whole);
    let is_decided = |endpoint: &Endpoint| is_whole(endpoint) || is_over(endpoint);
    let patience = connection.patience;
    connection.probe.wait_for(is_decided, patience);
}

/// Searches between the largest size that passed and `most`.
fn search(
    connection: &mut Connection,
    most: usize,
    headers: usize,
    sizes: &mut Sizes,
) -> Option<()> {
    let mut next = most;
    while sizes.passed < most {
        if passes(connection, next, headers, sizes)? {
            sizes.passed = next;
        } else {
            sizes.lost = Some(next);
        }
        let Some(lost) = sizes.lost.filter(|lost| *lost > sizes.passed + 1) else {
            break;
        };
        // Whoever reports it knows the size.
        let told = sizes.told_mtu.map(|mtu| mtu.saturating_sub(headers));
        next = match told {
            Some(told) if sizes.passed < told && told < lost => told,
            Some(told) if told == sizes.passed => told + 1,
            _ => sizes.passed + (lost - sizes.passed) / 2,
        };
    }
    Some(())
}

/// Tells whether this host sends a datagram of a size at all.
fn leaves(connection: &mut Connection, size: usize) -> bool {
    let first = connection.notes.all().len();
    connection.send(one_rtt([Frame::Ping]).pad_to(size));
    let notes = connection.notes.all();
    let mut notes = notes.iter().skip(first);
    !notes.any(|note| matches!(note.what, Told::NotSent { .. }))
}

/// Tells whether a datagram of a size passes; none if the peer does not answer any more.
fn passes(
    connection: &mut Connection,
    size: usize,
    headers: usize,
    sizes: &mut Sizes,
) -> Option<bool> {
    let mut numbers = Vec::new();
    let first_note = connection.notes.len();
    let wait = connection.usual_wait();
    for _ in 0..TRIES {
        let number = connection.send(one_rtt([Frame::Ping]).pad_to(size));
        numbers.push(number);
        if connection.awaits(number, wait) {
            return Some(true);
        }
        if take_reports(connection, first_note, size + headers, sizes) {
            return Some(false);
        }
    }
    let is_told = connection.hears_of(&numbers) && !connection.is_over();
    take_reports(connection, first_note, size + headers, sizes);
    let mut numbers = numbers.into_iter();
    is_told.then(|| numbers.any(|number| connection.is_acknowledged(number)))
}

/// Takes the reports that a packet of so many bytes is too large; tells whether there are any.
fn take_reports(connection: &Connection, first: usize, packet: usize, sizes: &mut Sizes) -> bool {
    let mut is_reported = false;
    for note in connection.notes.since(first) {
        if let Told::TooLarge { from, mtu } = &note.what
            && mtu.is_none_or(|mtu| mtu < packet)
        {
            is_reported = true;
            sizes.told_mtu = mtu.or(sizes.told_mtu);
            if !sizes.reports.contains(from) {
                sizes.reports.push(*from);
            }
        }
    }
    is_reported
}

/// Sends large and small datagrams in turn; returns how many large ones were lost, and how many
/// small ones passed.
fn pairs(connection: &mut Connection, large: usize) -> Option<(usize, usize)> {
    let (mut larges, mut smalls) = (Vec::new(), Vec::new());
    let pause = connection.usual_wait() / 4;
    for _ in 0..PAIRS {
        larges.push(connection.send(one_rtt([Frame::Ping]).pad_to(large)));
        connection.probe.settle(pause);
        smalls.push(connection.send(one_rtt([Frame::Ping]).pad_to(DATAGRAM_SIZE)));
        connection.probe.settle(pause);
    }
    let all: Vec<_> = larges.iter().chain(&smalls).copied().collect();
    if !connection.hears_of(&all) {
        return None;
    }
    let passed = |numbers: &[u64]| {
        let numbers = numbers.iter();
        numbers
            .filter(|number| connection.is_acknowledged(**number))
            .count()
    };
    Some((PAIRS - passed(&larges), passed(&smalls)))
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
            Some(_) if self.pairs.is_none_or(|(larges, _)| larges < PAIRS) => {
                "larger ones not each time"
            }
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
    let (larges, smalls) = sizes.pairs?;
    let is_sure = larges == PAIRS && smalls >= PAIRS_PASSED_MIN && lost <= promised;
    // Ordinary lines carry no more, and a server may have no more room, and not say so.
    if !is_sure || sizes.is_ordinary() {
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
    let finding = finding.with_evidence([
        format!("{larges} of {PAIRS} datagrams of {lost} bytes are lost"),
        format!("{smalls} of {PAIRS} datagrams of {DATAGRAM_SIZE} bytes, sent between, pass"),
    ]);
    Some(finding.with_evidence(reports.chain(silence)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cliff_is_named_only_where_large_datagrams_alone_are_lost_and_the_route_allows_them() {
        let cliff = Sizes {
            headers: HEADERS_V4,
            route: Some(1_472),
            passed: 1_352,
            lost: Some(1_353),
            pairs: Some((PAIRS, PAIRS)),
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
        assert!(!with(|it| it.pairs = Some((PAIRS - 1, PAIRS))));
        assert!(!with(|it| it.pairs = Some((PAIRS, 2))));
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
            pairs: Some((PAIRS, PAIRS)),
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

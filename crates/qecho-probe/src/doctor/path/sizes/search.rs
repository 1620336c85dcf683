//! Search for the largest datagram that passes, on a way that may lose some of any size.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use qecho_packet::{Direction, StreamId, TransportParameters, wire::Frame};
use qecho_peer::{
    endpoint::{Endpoint, ReceivedStream},
    packet::one_rtt,
};

use super::{CHANCE, Pairs, Sizes};
use crate::doctor::{
    path::{DATAGRAM_SIZE, Loss, hears_of},
    reached::{Connection, Reached, is_over},
    world::Told,
};

/// Times that a size is tried before it is called lost: more where others are lost, too.
const TRIES: (usize, usize) = (3, 10);
/// Large and small datagrams that are sent in turn, of each.
const PAIRS: (usize, usize) = (8, 16);
/// Time between two datagrams.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(50));
/// Bytes that an echo server is asked for.
const ECHOED: usize = 32_768;
/// Bytes of the headers of IP and UDP.
pub(super) const HEADERS_V4: usize = 20 + 8;
pub(super) const HEADERS_V6: usize = 40 + 8;
/// The MTU of a route of which nothing is known.
const MTU_ASSUMED: usize = 1_500;
/// The largest packet that IPv4 knows (RFC 791 §3.1).
const PACKET_MAX: usize = 65_535;

/// Looks for the largest size that passes.
pub(in crate::doctor::path) fn observe(
    reached: &Reached<'_>,
    connection: &mut Connection,
    loss: Loss,
) -> Option<Sizes> {
    let headers = headers(reached.remote);
    let mtu = reached.route.as_ref().and_then(|route| route.mtu);
    let payload = |mtu: usize| mtu.min(PACKET_MAX).saturating_sub(headers);
    let server = connection
        .endpoint()
        .peer_parameters()
        .and_then(TransportParameters::max_udp_payload_size)
        .and_then(|size| usize::try_from(size).ok());
    let sizes = Sizes {
        headers,
        route: mtu.map(payload),
        server,
        ..Sizes::default()
    };
    let mut search = Search {
        connection,
        loss,
        sizes,
    };
    if !search.passes(DATAGRAM_SIZE)? {
        return None;
    }
    search.sizes.passed = DATAGRAM_SIZE;
    let assumed = payload(MTU_ASSUMED).min(server.unwrap_or(usize::MAX));
    let is_less = search.sizes.route.is_some_and(|route| route < assumed);
    if is_less && search.leaves(assumed) {
        search.sizes.sent = Some(assumed);
    }
    let most = search.sizes.sent.or(search.sizes.route).unwrap_or(assumed);
    let most = most.min(server.unwrap_or(usize::MAX)).max(DATAGRAM_SIZE);
    search.up_to(most)?;
    if let Some(lost) = search.sizes.lost {
        search.sizes.pairs = Some(search.pairs(lost)?);
    }
    let mut sizes = search.sizes;
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

/// Bytes before the UDP payload.
fn headers(remote: SocketAddr) -> usize {
    match remote.ip().to_canonical() {
        IpAddr::V4(_) => HEADERS_V4,
        IpAddr::V6(_) => HEADERS_V6,
    }
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

struct Search<'a> {
    connection: &'a mut Connection,
    loss: Loss,
    sizes: Sizes,
}

impl Search<'_> {
    /// Searches between the largest size that passed and `most`.
    fn up_to(&mut self, most: usize) -> Option<()> {
        let mut next = most;
        while self.sizes.passed < most {
            if self.passes(next)? {
                self.sizes.passed = next;
            } else {
                self.sizes.lost = Some(next);
            }
            let passed = self.sizes.passed;
            let Some(lost) = self.sizes.lost.filter(|lost| *lost > passed + 1) else {
                break;
            };
            // Whoever reports it knows the size.
            let told = self.sizes.told_mtu;
            next = match told.map(|mtu| mtu.saturating_sub(self.sizes.headers)) {
                Some(told) if passed < told && told < lost => told,
                Some(told) if told == passed => told + 1,
                _ => passed + (lost - passed) / 2,
            };
        }
        Some(())
    }

    /// Tells whether this host sends a datagram of a size at all.
    fn leaves(&mut self, size: usize) -> bool {
        let first = self.connection.notes.len();
        self.connection.send(one_rtt([Frame::Ping]).pad_to(size));
        let notes = self.connection.notes.since(first);
        let mut notes = notes.iter();
        !notes.any(|note| matches!(note.what, Told::NotSent { .. }))
    }

    /// Returns how often a size has to be lost until chance does not explain it.
    fn tries(&self) -> usize {
        let tries = (CHANCE.ln() / self.loss.share.ln()).ceil();
        (tries as usize).clamp(TRIES.0, TRIES.1)
    }

    /// Tells whether a datagram of a size passes; none if the peer does not answer any more.
    fn passes(&mut self, size: usize) -> Option<bool> {
        let mut numbers = Vec::new();
        let first_note = self.connection.notes.len();
        let wait = self.connection.usual_wait();
        for index in 0..self.tries() {
            let number = self.connection.send(one_rtt([Frame::Ping]).pad_to(size));
            numbers.push(number);
            // Behind the first, which passes mostly, the others need not wait for each other.
            let wait = if index == 0 { wait } else { PAUSE.0 };
            if self.connection.awaits(number, wait.max(self.loss.pause)) {
                return Some(true);
            }
            if self.take_reports(first_note, size) {
                return Some(false);
            }
        }
        let is_told = hears_of(self.connection, &numbers) && !self.connection.is_over();
        self.take_reports(first_note, size);
        let mut numbers = numbers.into_iter();
        is_told.then(|| numbers.any(|number| self.connection.is_acknowledged(number)))
    }

    /// Takes the reports that a datagram of a size is too large; tells whether there are any.
    fn take_reports(&mut self, first: usize, size: usize) -> bool {
        let packet = size + self.sizes.headers;
        let mut is_reported = false;
        for note in self.connection.notes.since(first) {
            if let Told::TooLarge { from, mtu } = note.what
                && mtu.is_none_or(|mtu| mtu < packet)
            {
                is_reported = true;
                self.sizes.told_mtu = mtu.or(self.sizes.told_mtu);
                if !self.sizes.reports.contains(&from) {
                    self.sizes.reports.push(from);
                }
            }
        }
        is_reported
    }

    /// Sends large and small datagrams in turn.
    fn pairs(&mut self, size: usize) -> Option<Pairs> {
        let count = (2 * self.tries()).clamp(PAIRS.0, PAIRS.1);
        let pause = self.connection.usual_wait() / 4;
        let pause = pause.min(PAUSE.1).max(self.loss.pause);
        let [mut large, mut small] = [const { Vec::new() }; 2];
        for _ in 0..count {
            for (size, numbers) in [(size, &mut large), (DATAGRAM_SIZE, &mut small)] {
                numbers.push(self.connection.send(one_rtt([Frame::Ping]).pad_to(size)));
                self.connection.probe.settle(pause);
            }
        }
        let all = [large.clone(), small.clone()].concat();
        if !hears_of(self.connection, &all) {
            return None;
        }
        let passed = |numbers: Vec<u64>| {
            let numbers = numbers.into_iter();
            numbers
                .filter(|number| self.connection.is_acknowledged(*number))
                .count()
        };
        Some(Pairs {
            count,
            large_lost: count - passed(large),
            small_passed: passed(small),
        })
    }
}

//! The relay on virtual time.

use std::{num::NonZeroU64, time::Duration};

use super::*;
use crate::{
    link::{Blackhole, Marking},
    relay::{DirectionReport, FLOW_IDLE, FLOW_SILENT_MIN, FLOWS_MAX, QUEUE_BYTES_MAX, Rebind},
};

const LISTENERS: usize = 2;

/// A relay on virtual time, and its outputs.
struct TestRelay {
    forwarder: RelayForwarder,
    began: Instant,
    now: Instant,
    /// Outputs, and how long after the beginning they came.
    outputs: Vec<(Duration, ForwarderOutput)>,
}

impl TestRelay {
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(server(), 7);
        change(&mut config);
        let now = Instant::now();
        Self {
            forwarder: RelayForwarder::new(&config, LISTENERS),
            began: now,
            now,
            outputs: Vec::new(),
        }
    }

    fn both_ways(conditions: Conditions) -> Self {
        Self::new(|config| {
            config.up = conditions.clone();
            config.down = conditions;
        })
    }

    /// Lets the time come so long after the beginning, and all that is due.
    fn until(&mut self, elapsed: Duration) {
        let end = self.began + elapsed;
        while let Some(next) = self.forwarder.deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.turn();
        }
        self.now = end;
        self.turn();
    }

    fn turn(&mut self) {
        self.forwarder.handle_timeouts(self.now);
        while let Some(output) = self.forwarder.poll_output() {
            self.outputs.push((self.now - self.began, output));
        }
    }

    fn receive(&mut self, binding: usize, remote: SocketAddr, data: &[u8]) {
        let mut received = Received::from_remote(remote, data);
        (received.binding, received.ecn) = (binding, 2);
        self.forwarder.handle_datagram(self.now, received);
        self.turn();
    }

    fn client_sends(&mut self, port: u16, data: &[u8]) {
        self.receive(0, client(port), data);
    }

    /// Takes what was sent by now: when, by which socket, to whom, how much.
    fn sent(&mut self) -> Vec<(u64, usize, SocketAddr, usize)> {
        let sent = |(at, output)| match output {
            ForwarderOutput::Send(datagram) => {
                assert_eq!(datagram.ecn, 2, "ECN bits pass unchanged");
                let at = Duration::as_millis(&at) as u64;
                let length = datagram.contents.len();
                Some((at, datagram.binding, datagram.destination, length))
            }
            _ => None,
        };
        self.outputs.drain(..).filter_map(sent).collect()
    }

    /// Returns the counts of both directions, which must add up.
    fn counts(&self) -> (DirectionReport, DirectionReport) {
        let report = self.forwarder.report();
        for direction in [report.up, report.down] {
            let known =
                direction.delivered + direction.overflowed + direction.unsent + direction.under_way;
            assert_eq!(direction.counts.arriving(), known, "{direction:?}");
        }
        (report.up, report.down)
    }
}

fn server() -> SocketAddr {
    ([192, 0, 2, 2], 4433).into()
}

fn client(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

#[test]
fn datagrams_go_to_the_server_and_back_with_their_delays() {
    let mut relay = TestRelay::new(|config| {
        config.up.delay = milliseconds(20);
        config.down.delay = milliseconds(30);
    });
    relay.client_sends(1, b"hello");
    assert!(matches!(
        relay.outputs.pop(),
        Some((Duration::ZERO, ForwarderOutput::Open { binding: 2, .. }))
    ));
    relay.until(milliseconds(100));
    assert_eq!(relay.sent(), [(20, 2, server(), 5)]);
    relay.receive(2, server(), b"back");
    relay.until(milliseconds(200));
    assert_eq!(relay.sent(), [(130, 0, client(1), 4)]);
    let (up, down) = relay.counts();
    assert_eq!((up.delivered, up.bytes_delivered), (1, 5));
    assert_eq!((down.delivered, down.bytes_delivered), (1, 4));
}

#[test]
fn each_client_has_a_socket_of_its_own_and_gets_its_own_answers() {
    let mut relay = TestRelay::new(|_| ());
    relay.client_sends(1, b"a");
    relay.client_sends(2, b"b");
    relay.receive(1, client(1), b"another of the relay's addresses");
    let expected = [2, 3, 4].map(|by| (0, by, server()));
    assert!(
        relay
            .sent()
            .iter()
            .map(|(at, by, to, _)| (*at, *by, *to))
            .eq(expected)
    );
    relay.receive(3, server(), b"c");
    relay.receive(4, server(), b"d");
    assert_eq!(relay.sent(), [(0, 0, client(2), 1), (0, 1, client(1), 1)]);
}

#[test]
fn what_is_not_the_servers_is_dropped_and_counted() {
    let mut relay = TestRelay::new(|_| ());
    relay.client_sends(1, b"a");
    relay.sent();
    relay.receive(2, client(9), b"who am I?");
    let mut other_port = server();
    other_port.set_port(4434);
    relay.receive(2, other_port, b"not the server");
    relay.receive(99, server(), b"nobody's socket");
    assert_eq!(relay.sent(), []);
    assert_eq!(relay.forwarder.report().strays, 2);
}

/// Sends a thousand datagrams, 1 ms apart, each of which is answered.
fn traffic(conditions: &Conditions) -> (DirectionReport, DirectionReport) {
    let mut relay = TestRelay::both_ways(conditions.clone());
    for number in 0..1_000 {
        relay.until(milliseconds(number));
        relay.client_sends(1, &[0; 100]);
        relay.receive(2, server(), &[0; 100]);
    }
    relay.until(Duration::from_secs(60));
    relay.counts()
}

#[test]
fn a_seed_repeats_every_count_and_the_directions_differ() {
    let conditions = Conditions {
        loss: 0.05,
        burst: 2,
        jitter: milliseconds(5),
        reorder: 0.05,
        duplicate: 0.05,
        corrupt: 0.05,
        ..Conditions::default()
    };
    let (up, down) = traffic(&conditions);
    assert_eq!(traffic(&conditions), (up, down));
    assert_ne!(up.counts, down.counts);
    for direction in [up, down] {
        let counts = direction.counts;
        assert!((20..100).contains(&counts.lost), "{counts:?}");
        assert_eq!(counts.lost % 2, 0, "bursts of two are whole");
        assert!(counts.reordered > 0 && counts.duplicated > 0 && counts.corrupted > 0);
        assert_eq!(direction.under_way, 0);
    }
}

#[test]
fn the_rate_and_the_queue_are_exact() {
    // 100 bytes take 2 ms, and come every millisecond. When the last one comes,
    // after 999 ms, 499 have been sent, one is being sent and 10 wait.
    let (up, down) = traffic(&Conditions {
        rate: NonZeroU64::new(400_000),
        queue: 10,
        ..Conditions::default()
    });
    for direction in [up, down] {
        assert_eq!(direction.delivered, 510);
        assert_eq!(direction.counts.queue_full, 490);
    }
}

#[test]
fn a_blackhole_cuts_both_directions_at_once() {
    let (up, down) = traffic(&Conditions {
        blackhole: Some(Blackhole {
            open: milliseconds(150),
            closed: milliseconds(50),
        }),
        ..Conditions::default()
    });
    for direction in [up, down] {
        assert_eq!(direction.counts.blackholed, 250);
        assert_eq!(direction.delivered, 750);
    }
}

#[test]
fn what_is_longer_than_the_mtu_vanishes() {
    let mut relay = TestRelay::both_ways(Conditions {
        mtu: 1_280,
        ..Conditions::default()
    });
    relay.client_sends(1, &[0; 1_281]);
    relay.client_sends(1, &[0; 1_280]);
    assert_eq!(relay.sent(), [(0, 2, server(), 1_280)]);
    assert_eq!(relay.counts().0.counts.too_long, 1);
}

#[test]
fn a_client_gets_a_new_port_every_time_it_is_due() {
    let mut relay = TestRelay::new(|config| {
        config.rebind = Some(Rebind {
            kind: RebindKind::Port,
            every: Duration::from_secs(5),
        });
        config.up.delay = milliseconds(20);
    });
    relay.client_sends(1, b"a");
    relay.until(milliseconds(4_990));
    relay.client_sends(1, b"on its way when the port changes");
    relay.until(milliseconds(11_000));
    let changes: Vec<_> = relay
        .outputs
        .iter()
        .map(|(at, output)| match output {
            ForwarderOutput::Open { binding, .. } => (at.as_millis(), "open", *binding),
            ForwarderOutput::Close { binding } => (at.as_millis(), "close", *binding),
            ForwarderOutput::Send(datagram) => (at.as_millis(), "send", datagram.binding),
        })
        .collect();
    let expected = [
        (0, "open", 2),
        (20, "send", 2),
        (5_000, "open", 3),
        (5_000, "close", 2),
        (5_010, "send", 3),
        (10_000, "open", 4),
        (10_000, "close", 3),
    ];
    assert_eq!(changes, expected);
    relay.forwarder.handle_command(relay.now, Command::Rebind);
    relay.outputs.clear();
    relay.turn();
    assert!(matches!(
        relay.outputs[..],
        [
            (_, ForwarderOutput::Open { binding: 5, .. }),
            (_, ForwarderOutput::Close { binding: 4 })
        ]
    ));
    assert_eq!(relay.forwarder.report().rebinds, 3);
    assert_eq!(relay.forwarder.report().flows, 1);
}

#[test]
fn a_silent_client_gets_a_new_port_once_and_what_its_server_sends_meanwhile_is_lost() {
    let mut relay = TestRelay::new(|config| config.nat_timeout = Some(Duration::from_secs(20)));
    relay.client_sends(1, b"a");
    // It never is silent for 20 s, and so it keeps its port.
    for seconds in [19, 38, 57] {
        relay.until(Duration::from_secs(seconds));
        relay.client_sends(1, b"b");
    }
    assert_eq!(relay.forwarder.report().rebinds, 0);
    // The server alone keeps nothing open.
    relay.until(Duration::from_secs(76));
    relay.receive(2, server(), b"in time");
    relay.outputs.clear();
    relay.until(Duration::from_secs(77));
    assert!(matches!(
        relay.outputs[..],
        [
            (_, ForwarderOutput::Open { binding: 3, .. }),
            (_, ForwarderOutput::Close { binding: 2 })
        ]
    ));
    relay.outputs.clear();
    relay.receive(2, server(), b"too late");
    relay.until(Duration::from_secs(130));
    assert!(relay.outputs.is_empty());
    relay.client_sends(1, b"c");
    assert_eq!(relay.sent(), [(130_000, 3, server(), 1)]);
    relay.receive(3, server(), b"d");
    assert_eq!(relay.sent(), [(130_000, 0, client(1), 1)]);
    let report = relay.forwarder.report();
    assert_eq!((report.rebinds, report.flows), (1, 1));
    assert_eq!((report.up.delivered, report.down.delivered), (5, 2));
}

#[test]
fn a_path_that_changes_ecn_bits_does_so_each_way_by_itself() {
    let mut relay = TestRelay::new(|config| {
        config.up.ecn = Some(Marking::Clear);
        config.down.ecn = Some(Marking::Ce);
    });
    relay.client_sends(1, b"a");
    relay.receive(2, server(), b"b");
    let marks = relay.outputs.iter().filter_map(|(_, output)| match output {
        ForwarderOutput::Send(datagram) => Some((datagram.binding, datagram.ecn)),
        _ => None,
    });
    assert_eq!(marks.collect::<Vec<_>>(), [(2, 0), (0, 3)]);
    let (up, down) = relay.counts();
    assert_eq!((up.counts.remarked, down.counts.remarked), (1, 1));
}

#[test]
fn a_client_gets_a_new_address_every_time_it_is_due() {
    let mut relay = TestRelay::new(|config| {
        config.rebind = Some(Rebind {
            kind: RebindKind::Address,
            every: Duration::from_secs(1),
        });
    });
    relay.client_sends(1, b"a");
    relay.until(Duration::from_secs(256));
    let octets: Vec<u8> = relay
        .outputs
        .iter()
        .filter_map(|(_, output)| match output {
            ForwarderOutput::Open {
                address: SocketAddr::V4(address),
                ..
            } => Some(address.ip().octets()[3]),
            _ => None,
        })
        .collect();
    assert_eq!(octets[..4], [1, 2, 3, 4]);
    // In the instant in which the client is forgotten it changes once more.
    assert_eq!(octets.len(), 181);
    assert_eq!(next_octet(254), 2);
}

#[test]
fn one_client_too_many_takes_the_place_of_the_longest_silent_and_it_is_told_once() {
    let (notices, told) = std::sync::mpsc::sync_channel(4);
    let mut relay = TestRelay::new(|config| config.notices = Some(notices));
    for port in 1..=FLOWS_MAX as u16 {
        relay.client_sends(port, b"a");
    }
    assert_eq!(relay.sent().len(), FLOWS_MAX);
    relay.until(FLOW_SILENT_MIN - milliseconds(1));
    for port in 1..=4 {
        relay.client_sends(port, b"still here");
    }
    assert_eq!(told.try_recv().ok(), None);
    // All were heard just now: a flood of clients must not take each other's ports.
    relay.client_sends(1_000, b"too early");
    assert_eq!(told.try_recv(), Ok(Notice::ClientRefused));
    relay.outputs.clear();
    relay.until(FLOW_SILENT_MIN);
    for port in [1_000, 1_001] {
        relay.client_sends(port, b"one too many");
    }
    let closed: Vec<_> = relay
        .outputs
        .iter()
        .filter_map(|(_, output)| match output {
            ForwarderOutput::Close { binding } => Some(*binding),
            _ => None,
        })
        .collect();
    // Those of the clients 5 and 6.
    assert_eq!(closed, [LISTENERS + 4, LISTENERS + 5]);
    assert_eq!(relay.sent().len(), 2);
    assert_eq!(
        told.try_iter().collect::<Vec<_>>(),
        [Notice::ClientReplaced]
    );
    let report = relay.forwarder.report();
    assert_eq!((report.replaced, report.refused), (2, 1));
    assert_eq!(report.flows, FLOWS_MAX as u64 + 2);
}

#[test]
fn a_client_is_forgotten_when_neither_side_was_heard_for_long() {
    let mut relay = TestRelay::new(|_| ());
    for port in 1..=FLOWS_MAX as u16 {
        relay.client_sends(port, b"a");
    }
    // Silence of the client alone is none: its server still speaks to it.
    relay.until(FLOW_IDLE - milliseconds(1));
    relay.client_sends(1, b"still here");
    relay.receive(3, server(), b"and I answer client 2");
    relay.outputs.clear();
    relay.until(FLOW_IDLE);
    let closed = relay.outputs.len();
    assert_eq!(closed, FLOWS_MAX - 2);
    relay.client_sends(1_000, b"now there is room");
    relay.client_sends(2, b"known");
    let by: Vec<_> = relay.sent().iter().map(|sent| sent.1).collect();
    assert_eq!(by, [LISTENERS + FLOWS_MAX, 3]);
}

#[test]
fn what_is_on_its_way_has_a_limit_in_bytes() {
    let mut relay = TestRelay::both_ways(Conditions {
        delay: Duration::from_secs(10),
        ..Conditions::default()
    });
    let datagram = vec![0; 60_000];
    let fit = QUEUE_BYTES_MAX / (60_000 + 128);
    for _ in 0..fit + 5 {
        relay.client_sends(1, &datagram);
    }
    let (up, _) = relay.counts();
    assert_eq!((up.overflowed, up.under_way), (5, fit as u64));
    relay.until(Duration::from_secs(11));
    relay.client_sends(1, &datagram);
    let (up, _) = relay.counts();
    assert_eq!((up.overflowed, up.under_way), (5, 1));
}

#[test]
fn what_the_system_refuses_is_counted_and_the_client_begins_anew() {
    let mut relay = TestRelay::new(|_| ());
    relay.client_sends(1, b"a");
    relay.forwarder.handle_open_failed(2);
    for (_, output) in std::mem::take(&mut relay.outputs) {
        if let ForwarderOutput::Send(datagram) = output {
            let reason = io::ErrorKind::NetworkUnreachable.into();
            relay.forwarder.handle_unsent(relay.now, &datagram, &reason);
        }
    }
    relay.client_sends(1, b"b");
    assert_eq!(relay.sent(), [(0, 3, server(), 1)]);
    let (up, _) = relay.counts();
    assert_eq!((up.delivered, up.bytes_delivered, up.unsent), (1, 1, 1));
    assert_eq!(relay.forwarder.report().sockets_failed, 1);
}

#[test]
fn conditions_change_for_what_comes_later() {
    let mut relay = TestRelay::new(|_| ());
    relay.client_sends(1, b"a");
    let deaf = Conditions {
        loss: 1.0,
        ..Conditions::default()
    };
    let now = relay.now;
    let change = Command::SetConditions(Box::new((deaf, Conditions::default())));
    relay.forwarder.handle_command(now, change);
    relay.client_sends(1, b"b");
    relay.receive(2, server(), b"c");
    let (up, down) = relay.counts();
    assert_eq!((up.delivered, up.counts.lost, down.delivered), (1, 1, 1));
    assert!(!relay.forwarder.is_finished());
    relay.forwarder.handle_command(now, Command::Stop);
    assert!(relay.forwarder.is_finished());
}

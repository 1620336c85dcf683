//! The relay on virtual time.

use std::{num::NonZeroU64, time::Duration};

use super::*;
use crate::{
    link::Blackhole,
    relay::{DirectionReport, FLOW_IDLE, FLOWS_MAX, QUEUE_BYTES_MAX, Rebind},
};

const LISTENERS: usize = 2;

/// A relay, the time, and what has become of its orders.
struct World {
    forward: Forward,
    began: Instant,
    now: Instant,
    /// What was ordered, and how long after the beginning.
    done: Vec<(Duration, ForwarderOutput)>,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(server(), 7);
        change(&mut config);
        let now = Instant::now();
        Self {
            forward: Forward::new(&config, LISTENERS),
            began: now,
            now,
            done: Vec::new(),
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
        while let Some(next) = self.forward.deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.turn();
        }
        self.now = end;
        self.turn();
    }

    fn turn(&mut self) {
        self.forward.handle_timeouts(self.now);
        while let Some(order) = self.forward.poll_output() {
            self.done.push((self.now - self.began, order));
        }
    }

    fn receive(&mut self, binding: usize, remote: SocketAddr, data: &[u8]) {
        let received = Received {
            binding,
            remote,
            local_ip: None,
            ecn: 2,
            data: data.into(),
        };
        self.forward.handle_datagram(self.now, received);
        self.turn();
    }

    fn client_sends(&mut self, port: u16, data: &[u8]) {
        self.receive(0, client(port), data);
    }

    /// Takes what was sent by now: when, by which socket, to whom, how much.
    fn sent(&mut self) -> Vec<(u64, usize, SocketAddr, usize)> {
        let sent = |(at, order)| match order {
            ForwarderOutput::Send(datagram) => {
                assert_eq!(datagram.ecn, 2, "ECN bits pass unchanged");
                let at = Duration::as_millis(&at) as u64;
                let length = datagram.contents.len();
                Some((at, datagram.binding, datagram.destination, length))
            }
            _ => None,
        };
        self.done.drain(..).filter_map(sent).collect()
    }

    /// Returns the counts of both directions, which must add up.
    fn counts(&self) -> (DirectionReport, DirectionReport) {
        let report = self.forward.report();
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
    let mut world = World::new(|config| {
        config.up.delay = milliseconds(20);
        config.down.delay = milliseconds(30);
    });
    world.client_sends(1, b"hello");
    assert!(matches!(
        world.done.pop(),
        Some((Duration::ZERO, ForwarderOutput::Open { binding: 2, .. }))
    ));
    world.until(milliseconds(100));
    assert_eq!(world.sent(), [(20, 2, server(), 5)]);
    world.receive(2, server(), b"back");
    world.until(milliseconds(200));
    assert_eq!(world.sent(), [(130, 0, client(1), 4)]);
    let (up, down) = world.counts();
    assert_eq!((up.delivered, up.bytes_delivered), (1, 5));
    assert_eq!((down.delivered, down.bytes_delivered), (1, 4));
}

#[test]
fn each_client_has_a_socket_of_its_own_and_gets_its_own_answers() {
    let mut world = World::new(|_| ());
    world.client_sends(1, b"a");
    world.client_sends(2, b"b");
    world.receive(1, client(1), b"another of the relay's addresses");
    let by = |sent: Vec<(u64, usize, SocketAddr, usize)>| -> Vec<_> {
        sent.into_iter().map(|(_, by, to, _)| (by, to)).collect()
    };
    let expected = [(2, server()), (3, server()), (4, server())];
    assert_eq!(by(world.sent()), expected);
    world.receive(3, server(), b"c");
    world.receive(4, server(), b"d");
    assert_eq!(by(world.sent()), [(0, client(2)), (1, client(1))]);
}

#[test]
fn what_is_not_the_servers_is_dropped_and_counted() {
    let mut world = World::new(|_| ());
    world.client_sends(1, b"a");
    world.sent();
    world.receive(2, client(9), b"who am I?");
    let mut other_port = server();
    other_port.set_port(4434);
    world.receive(2, other_port, b"not the server");
    world.receive(99, server(), b"nobody's socket");
    assert_eq!(world.sent(), []);
    assert_eq!(world.forward.report().strays, 2);
}

/// Sends a thousand datagrams, 1 ms apart, each of which is answered.
fn traffic(conditions: &Conditions) -> (DirectionReport, DirectionReport) {
    let mut world = World::both_ways(conditions.clone());
    for number in 0..1_000 {
        world.until(milliseconds(number));
        world.client_sends(1, &[0; 100]);
        world.receive(2, server(), &[0; 100]);
    }
    world.until(Duration::from_secs(60));
    world.counts()
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
    let mut world = World::both_ways(Conditions {
        mtu: 1_280,
        ..Conditions::default()
    });
    world.client_sends(1, &[0; 1_281]);
    world.client_sends(1, &[0; 1_280]);
    assert_eq!(world.sent(), [(0, 2, server(), 1_280)]);
    assert_eq!(world.counts().0.counts.too_long, 1);
}

#[test]
fn a_client_gets_a_new_port_every_time_it_is_due() {
    let mut world = World::new(|config| {
        config.rebind = Some(Rebind {
            kind: RebindKind::Port,
            every: Duration::from_secs(5),
        });
        config.up.delay = milliseconds(20);
    });
    world.client_sends(1, b"a");
    world.until(milliseconds(4_990));
    world.client_sends(1, b"on its way when the port changes");
    world.until(milliseconds(11_000));
    let changes: Vec<_> = world
        .done
        .iter()
        .map(|(at, order)| match order {
            ForwarderOutput::Open { binding, .. } => (at.as_millis(), "open", *binding),
            ForwarderOutput::Close { binding } => (at.as_millis(), "close", *binding),
            ForwarderOutput::Send(datagram) => (at.as_millis(), "send", datagram.binding),
        })
        .collect();
    assert_eq!(
        changes,
        [
            (0, "open", 2),
            (20, "send", 2),
            (5_000, "open", 3),
            (5_000, "close", 2),
            (5_010, "send", 3),
            (10_000, "open", 4),
            (10_000, "close", 3),
        ]
    );
    world.forward.handle_command(world.now, Command::Rebind);
    world.done.clear();
    world.turn();
    assert!(matches!(
        world.done[..],
        [
            (_, ForwarderOutput::Open { binding: 5, .. }),
            (_, ForwarderOutput::Close { binding: 4 })
        ]
    ));
    assert_eq!(world.forward.report().rebinds, 3);
    assert_eq!(world.forward.report().flows, 1);
}

#[test]
fn a_client_gets_a_new_address_every_time_it_is_due() {
    let mut world = World::new(|config| {
        config.rebind = Some(Rebind {
            kind: RebindKind::Address,
            every: Duration::from_secs(1),
        });
    });
    world.client_sends(1, b"a");
    world.until(Duration::from_secs(256));
    let octets: Vec<u8> = world
        .done
        .iter()
        .filter_map(|(_, order)| match order {
            ForwarderOutput::Open { address, .. } => match address.ip() {
                std::net::IpAddr::V4(ip) => Some(ip.octets()[3]),
                std::net::IpAddr::V6(_) => None,
            },
            ForwarderOutput::Close { .. } | ForwarderOutput::Send(_) => None,
        })
        .collect();
    assert_eq!(octets[..4], [1, 2, 3, 4]);
    // In the instant in which the client is forgotten it changes once more.
    assert_eq!(octets.len(), 181);
    assert_eq!(next_octet(254), 2);
}

#[test]
fn one_client_too_many_replaces_nobody_until_another_is_forgotten() {
    let mut world = World::new(|_| ());
    for port in 1..=FLOWS_MAX as u16 {
        world.client_sends(port, b"a");
    }
    assert_eq!(world.sent().len(), FLOWS_MAX);
    world.client_sends(1_000, b"one too many");
    assert_eq!(world.sent(), []);
    assert_eq!(world.forward.report().refused, 1);
    // Silence of the client alone is none: its server still speaks to it.
    world.until(FLOW_IDLE - milliseconds(1));
    world.client_sends(1, b"still here");
    world.receive(3, server(), b"and I answer client 2");
    world.done.clear();
    world.until(FLOW_IDLE);
    let closed = world.done.len();
    assert_eq!(closed, FLOWS_MAX - 2);
    world.client_sends(1_000, b"now there is room");
    world.client_sends(2, b"known");
    let by: Vec<_> = world.sent().iter().map(|sent| sent.1).collect();
    assert_eq!(by, [LISTENERS + FLOWS_MAX, 3]);
}

#[test]
fn what_is_on_its_way_has_a_limit_in_bytes() {
    let mut world = World::both_ways(Conditions {
        delay: Duration::from_secs(10),
        ..Conditions::default()
    });
    let datagram = vec![0; 60_000];
    let fit = QUEUE_BYTES_MAX / (60_000 + 128);
    for _ in 0..fit + 5 {
        world.client_sends(1, &datagram);
    }
    let (up, _) = world.counts();
    assert_eq!((up.overflowed, up.under_way), (5, fit as u64));
    world.until(Duration::from_secs(11));
    world.client_sends(1, &datagram);
    let (up, _) = world.counts();
    assert_eq!((up.overflowed, up.under_way), (5, 1));
}

#[test]
fn what_the_system_refuses_is_counted_and_the_client_begins_anew() {
    let mut world = World::new(|_| ());
    world.client_sends(1, b"a");
    world.forward.handle_open_failed(2);
    for (_, order) in std::mem::take(&mut world.done) {
        if let ForwarderOutput::Send(datagram) = order {
            world.forward.handle_unsent(&datagram);
        }
    }
    world.client_sends(1, b"b");
    assert_eq!(world.sent(), [(0, 3, server(), 1)]);
    let (up, _) = world.counts();
    assert_eq!((up.delivered, up.bytes_delivered, up.unsent), (1, 1, 1));
    assert_eq!(world.forward.report().sockets_failed, 1);
}

#[test]
fn conditions_change_for_what_comes_later() {
    let mut world = World::new(|_| ());
    world.client_sends(1, b"a");
    let deaf = Conditions {
        loss: 1.0,
        ..Conditions::default()
    };
    let conditions = Box::new((deaf, Conditions::default()));
    let now = world.now;
    world
        .forward
        .handle_command(now, Command::SetConditions(conditions));
    world.client_sends(1, b"b");
    world.receive(2, server(), b"c");
    let (up, down) = world.counts();
    assert_eq!((up.delivered, up.counts.lost, down.delivered), (1, 1, 1));
    assert!(!world.forward.is_finished());
    world.forward.handle_command(now, Command::Stop);
    assert!(world.forward.is_finished());
}

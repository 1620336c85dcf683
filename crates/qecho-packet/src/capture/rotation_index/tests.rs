//! Repeating and forgetting connections.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use super::{
    super::{packet, pcapng},
    *,
};
use crate::{
    Direction, ObservedDatagram, Side,
    protection::{Secret, Suite, unsealed::Unsealed},
    wire::{ConnectionId, Header, PacketType},
};

const SILENCE: Duration = Duration::from_secs(120);

struct Fixture {
    index: RotationIndex,
    now: Duration,
}

impl Fixture {
    fn new(bytes_max: usize) -> Self {
        let mut index = RotationIndex::new(bytes_max, SILENCE, SILENCE / 2);
        pcapng::split(&pcapng::opening("a test", None)).for_each(|block| index.see(block));
        Self {
            index,
            now: Duration::from_secs(1_000),
        }
    }

    fn pass(&mut self, direction: Direction, connection: u16, payload: &[u8]) {
        let passing = ObservedDatagram {
            at: self.now,
            direction,
            local: ([127, 0, 0, 1], 1).into(),
            remote: ([127, 0, 0, 2], connection).into(),
            ecn: 0,
            contents: payload,
            segment_size: None,
        };
        let mut block = Vec::new();
        pcapng::packet(&mut block, self.now, direction, None, |out| {
            packet::write(out, &passing, payload)
        });
        self.index.see(&block);
    }

    /// Writes the 1-RTT secrets of a connection.
    fn secrets(&mut self, connection: u16) {
        let secret = format!("{:02x}", connection as u8).repeat(32);
        let random = format!("{connection:04x}").repeat(16);
        let line = |end| format!("{end}_TRAFFIC_SECRET_0 {random} {secret}\n");
        let key_log = line("CLIENT") + &line("SERVER");
        self.index.see(&pcapng::secrets(&key_log));
    }

    /// Lets a client connect whose first packet is so long.
    fn connect(&mut self, connection: u16, length: usize) {
        self.secrets(connection);
        let first = initial(connection, length);
        self.pass(Direction::Received, connection, &first);
        self.send(connection, 0, &[1; 4]);
    }

    fn send(&mut self, connection: u16, number: u64, frames: &[u8]) {
        let packet = one_rtt(connection, number, frames);
        self.pass(Direction::Received, connection, &packet);
    }

    /// Returns the connections whose secrets are repeated, and how many
    /// packets.
    fn repeats(&mut self) -> (Vec<u16>, usize) {
        let repeated = self.index.repeat();
        let random = |line: &str| u16::from_str_radix(line.split(' ').nth(1)?.get(..4)?, 16).ok();
        let mut connections: Vec<_> = repeated.key_log.lines().filter_map(random).collect();
        connections.sort_unstable();
        connections.dedup();
        (connections, pcapng::split(&repeated.packets).count())
    }
}

/// A 1-RTT packet of a connection's client.
fn one_rtt(connection: u16, number: u64, frames: &[u8]) -> Vec<u8> {
    let secret = Secret::new(&[connection as u8; 32]).expect("a hash has this length");
    let unsealed = Unsealed {
        secret,
        suite: Suite::Aes128GcmSha256,
        updates: 0,
        header: Header::short(ConnectionId::new(&cid(connection)).expect("8 bytes")),
        number,
        number_length: 4,
        frames: frames.to_vec(),
    };
    unsealed.seal()
}

/// The first packet of a connection's client, of this length.
fn initial(connection: u16, length: usize) -> Vec<u8> {
    let id = ConnectionId::new(&cid(connection)).expect("8 bytes");
    let secret = Secret::initial(&id, Side::Client);
    let header = Header::long(PacketType::Initial, 1, id, ConnectionId::default());
    let mut head = Vec::new();
    header.write(&mut head);
    let random = connection.to_be_bytes().repeat(16);
    let mut frames = [&[6, 0, 38, 1, 0, 0, 34, 3, 3], &random[..]].concat();
    // The length, the number and the tag.
    frames.resize(length - head.len() - 2 - 4 - 16, 0);
    let unsealed = Unsealed {
        secret,
        suite: Suite::Aes128GcmSha256,
        updates: 0,
        header,
        number: 0,
        number_length: 4,
        frames,
    };
    unsealed.seal()
}

/// Returns the numbers of the packets that a reader of the next file opens
/// before and in these datagrams.
fn numbers_read(repeated: &Repeated, more: &[Vec<u8>]) -> Vec<u64> {
    let mut reader = Dissector::default();
    reader.add_secrets(&repeated.key_log);
    let mut section = Section::default();
    let opening = pcapng::opening("a test", None);
    let blocks = pcapng::split(&opening).chain(pcapng::split(&repeated.packets));
    let mut captured: Vec<_> = blocks
        .filter_map(|block| match section.read_back(block)? {
            Item::Datagram(captured) => Some(captured),
            other => panic!("{other:?}"),
        })
        .collect();
    for payload in more {
        let last = captured.last().expect("the client's").clone();
        let payload = payload.clone();
        captured.push(Captured { payload, ..last });
    }
    let mut numbers = Vec::new();
    for captured in captured {
        reader.datagram(&captured.datagram(), &mut |observation| {
            if let Observation::Datagram(datagram) = observation {
                let opened = datagram.packets.into_iter().filter_map(|one| one.decrypted);
                numbers.extend(opened.map(|opened| opened.number));
            }
        });
    }
    numbers
}

/// Returns the cost of all connections, one by one.
fn cost(index: &RotationIndex) -> usize {
    let connections = index.connections.values();
    connections.map(TrackedConnection::cost).sum()
}

fn cid(connection: u16) -> [u8; 8] {
    (1 << 63 | u64::from(connection)).to_be_bytes()
}

#[test]
fn a_live_connection_is_repeated_with_a_synthetic_packet_once_it_has_gone_on() {
    let mut fixture = Fixture::new(1 << 20);
    fixture.connect(1, 1_200);
    assert_eq!(fixture.repeats(), (vec![1], 2));
    for number in 1..300 {
        fixture.send(1, number, &[1; 4]);
    }
    assert_eq!(
        fixture.repeats(),
        (vec![1], 4),
        "three packets, one synthetic"
    );
    let repeated = fixture.index.repeat();
    let next = [one_rtt(1, 300, &[1; 4])];
    assert_eq!(numbers_read(&repeated, &next), [0, 0, 1, 299, 300]);
}

#[test]
fn connections_that_have_ended_are_forgotten() {
    let mut fixture = Fixture::new(1 << 20);
    for connection in 1..=3 {
        fixture.connect(connection, 1_200);
    }
    // CONNECTION_CLOSE
    fixture.send(1, 1, &[0x1d, 0, 0, 0]);
    assert_eq!(fixture.repeats().0, [1, 2, 3], "some packets may follow");
    fixture.now += CLOSED_LINGER;
    fixture.send(2, 1, &[1; 4]);
    fixture.now += Duration::from_secs(1);
    fixture.send(2, 2, &[1; 4]);
    assert_eq!(fixture.repeats().0, [2, 3]);
    fixture.now += SILENCE - Duration::from_secs(1);
    fixture.send(2, 3, &[1; 4]);
    assert_eq!(
        fixture.repeats().0,
        [2],
        "the other was silent for too long"
    );
    assert_eq!(fixture.index.forgotten, 0);
    fixture.now += SILENCE * 2;
    fixture.connect(4, 1_200);
    assert_eq!(fixture.repeats().0, [4]);
    let index = &fixture.index;
    assert_eq!(index.dissector.known(), [1; 3]);
    assert_eq!(index.cost, cost(index));
}

#[test]
fn what_is_repeated_has_a_bound_and_what_is_forgotten_is_counted() {
    let mut fixture = Fixture::new(128 << 10);
    let mut repeated = 0;
    for connection in 1..=500 {
        fixture.now += Duration::from_millis(1);
        fixture.connect(connection, 1_400);
        // It speaks all the time and is not forgotten.
        if connection % 3 == 0 {
            fixture.send(1, u64::from(connection), &[1; 4]);
        }
        let all = fixture.index.repeat();
        assert!(all.key_log.len() + all.packets.len() <= 128 << 10);
        assert!(fixture.index.cost <= 128 << 10);
        repeated = fixture.repeats().0.len();
    }
    assert!(repeated > 8, "{repeated}");
    let connections = fixture.repeats().0;
    assert_eq!((connections[0], connections[repeated - 1]), (1, 500));
    assert_eq!(fixture.index.forgotten + repeated as u64, 500);
    // Whoever never gets through does not drive out those who have, also where a first
    // flight has a 1-RTT packet behind its long headers.
    for connection in 1_000..2_000_u16 {
        fixture.secrets(connection);
        let flight = [initial(connection, 1_300), one_rtt(connection, 0, &[1; 4])].concat();
        fixture.pass(Direction::Received, connection, &flight);
    }
    assert!(fixture.index.cost <= 128 << 10);
    let through = fixture.repeats().0.into_iter().filter(|one| *one <= 500);
    assert!(through.count() >= repeated / 2);
}

#[test]
fn a_connection_is_followed_to_another_address() {
    let mut fixture = Fixture::new(1 << 20);
    fixture.connect(1, 1_200);
    let forged = [&[0x40], &cid(1)[..], &[7; 40]].concat();
    let rebound = one_rtt(1, 1, &[1; 4]);
    fixture.pass(Direction::Received, 66, &forged);
    assert_eq!(fixture.index.connections[&1].remote().port(), 1);
    fixture.pass(Direction::Received, 9, &rebound);
    assert_eq!(fixture.index.connections[&1].remote().port(), 9);
    assert_eq!(fixture.index.dissector.known(), [1, 1, 2]);
}

#[test]
fn no_datagram_of_a_stranger_costs_more_than_its_share() {
    let mut fixture = Fixture::new(128 << 10);
    let mut random = StdRng::seed_from_u64(7);
    fixture.connect(1, 1_200);
    for _ in 0..20_000 {
        let mut datagram = vec![0; random.random_range(0..100)];
        random.fill_bytes(&mut datagram);
        if random.random() && datagram.len() > 6 {
            // Half of them say that they are of version 1.
            datagram[..6].copy_from_slice(&[0xc0, 0, 0, 0, 1, 8]);
        }
        let direction = match random.random() {
            true => Direction::Received,
            false => Direction::Sent,
        };
        fixture.pass(direction, random.random_range(1..9), &datagram);
    }
    let index = &fixture.index;
    assert_eq!(index.cost, cost(index));
    assert!(index.cost <= 128 << 10);
    assert_eq!(index.dissector.known()[0], index.connections.len());
    assert_eq!(fixture.repeats().0, [1]);
}

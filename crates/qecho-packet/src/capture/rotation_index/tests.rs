//! What is repeated and what is forgotten.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use super::{
    super::{block::Blocks, direction::DirectionKeys, packet, pcapng},
    *,
};
use crate::{
    ObservedDatagram,
    protection::{Secret, Suite},
};

const SILENCE: Duration = Duration::from_secs(120);

struct Stage {
    journal: RotationIndex,
    now: Duration,
}

impl Stage {
    fn new(bytes_max: usize) -> Self {
        Self {
            journal: RotationIndex::new(bytes_max, SILENCE, SILENCE / 2),
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
        self.journal.see(&block);
    }

    /// Lets a client connect whose first packet is so long.
    fn connect(&mut self, connection: u16, length: usize) {
        let key_log: String = ["CLIENT", "SERVER"]
            .iter()
            .map(|end| {
                let secret = format!("{:02x}", connection as u8).repeat(32);
                format!("{end}_TRAFFIC_SECRET_0 {connection:04x} {secret}\n")
            })
            .collect();
        self.journal.see(&pcapng::secrets(&key_log));
        let mut initial = [&[0xc0, 0, 0, 0, 1, 8][..], &cid(connection), &[0]].concat();
        initial.resize(length, 0);
        self.pass(Direction::Received, connection, &initial);
        self.send(connection, 0, &[1; 4]);
    }

    fn send(&mut self, connection: u16, number: u64, frames: &[u8]) {
        let packet = direction(connection).sealed(&cid(connection), number, frames);
        self.pass(Direction::Received, connection, &packet);
    }

    /// Returns the connections whose secrets are repeated, and how many
    /// packets.
    fn repeats(&mut self) -> (Vec<u16>, usize) {
        let repeated = self.journal.repeat();
        let random = |line: &str| u16::from_str_radix(line.split(' ').nth(1)?, 16).ok();
        let mut connections: Vec<_> = repeated.key_log.lines().filter_map(random).collect();
        connections.sort_unstable();
        connections.dedup();
        (connections, Blocks(&repeated.packets).count())
    }
}

/// What a connection's client sends.
fn direction(connection: u16) -> DirectionKeys {
    let secret = Secret::new(&[connection as u8; 32]).expect("a hash has this length");
    DirectionKeys::new(Suite::Aes128GcmSha256, &secret)
}

fn cid(connection: u16) -> [u8; 8] {
    (1 << 63 | u64::from(connection)).to_be_bytes()
}

#[test]
fn a_live_connection_is_repeated_with_a_bookmark_once_it_has_gone_on() {
    let mut stage = Stage::new(1 << 20);
    stage.connect(1, 1_200);
    assert_eq!(stage.repeats(), (vec![1], 2));
    for number in 1..300 {
        stage.send(1, number, &[1; 4]);
    }
    assert_eq!(stage.repeats(), (vec![1], 4), "three packets, one bookmark");
    let repeated = stage.journal.repeat();
    let last = Blocks(&repeated.packets).last().expect("a block");
    let Content::Packet(bookmark) = content(last) else {
        panic!("no packet");
    };
    let mut reader = direction(1);
    assert!(reader.open(bookmark.payload, 8).is_some());
    let next = direction(1).sealed(&cid(1), 300, &[1; 4]);
    assert!(reader.open(&next, 8).is_some());
}

#[test]
fn connections_that_have_ended_are_forgotten() {
    let mut stage = Stage::new(1 << 20);
    for connection in 1..=3 {
        stage.connect(connection, 1_200);
    }
    // CONNECTION_CLOSE
    stage.send(1, 1, &[0x1d, 0, 0, 0]);
    assert_eq!(stage.repeats().0, [1, 2, 3], "some packets may follow");
    stage.now += CLOSED_LINGER;
    stage.send(2, 1, &[1; 4]);
    stage.now += Duration::from_secs(1);
    stage.send(2, 2, &[1; 4]);
    assert_eq!(stage.repeats().0, [2, 3]);
    stage.now += SILENCE - Duration::from_secs(1);
    stage.send(2, 3, &[1; 4]);
    assert_eq!(stage.repeats().0, [2], "the other was silent for too long");
    assert_eq!(stage.journal.forgotten, 0);
    stage.now += SILENCE * 2;
    stage.connect(4, 1_200);
    assert_eq!(stage.repeats().0, [4]);
    let journal = &stage.journal;
    assert_eq!(journal.by_addresses.len(), 1);
    assert_eq!(journal.by_cid.len(), 1);
    let left: usize = journal
        .connections
        .values()
        .map(TrackedConnection::cost)
        .sum();
    assert_eq!(journal.cost, left);
}

#[test]
fn what_is_repeated_has_a_bound_and_what_is_forgotten_is_counted() {
    let mut stage = Stage::new(128 << 10);
    let mut repeated = 0;
    for connection in 1..=500 {
        stage.now += Duration::from_millis(1);
        stage.connect(connection, 1_400);
        // It speaks all the time and is not forgotten.
        if connection % 3 == 0 {
            stage.send(1, u64::from(connection), &[1; 4]);
        }
        let all = stage.journal.repeat();
        assert!(all.key_log.len() + all.packets.len() <= 128 << 10);
        assert!(stage.journal.cost <= 128 << 10);
        repeated = stage.repeats().0.len();
    }
    assert!(repeated > 8, "{repeated}");
    let connections = stage.repeats().0;
    assert_eq!((connections[0], connections[repeated - 1]), (1, 500));
    assert_eq!(stage.journal.forgotten + repeated as u64, 500);
    // Whoever never gets through does not drive out those who have.
    for connection in 1_000..2_000_u16 {
        let mut initial = [&[0xc0, 0, 0, 0, 1, 8][..], &cid(connection), &[0]].concat();
        initial.resize(1_400, 0);
        stage.pass(Direction::Received, connection, &initial);
    }
    assert!(stage.journal.cost <= 128 << 10);
    assert!(stage.repeats().0.len() >= repeated / 2);
}

#[test]
fn a_connection_is_followed_to_another_address() {
    let mut stage = Stage::new(1 << 20);
    stage.connect(1, 1_200);
    let packet = |number| direction(1).sealed(&cid(1), number, &[1; 4]);
    let (forged, rebound) = ([&[0x40], &cid(1)[..], &[7; 40]].concat(), packet(1));
    stage.pass(Direction::Received, 66, &forged);
    assert_eq!(stage.journal.connections[&1].remote.port(), 1);
    stage.pass(Direction::Received, 9, &rebound);
    assert_eq!(stage.journal.connections[&1].remote.port(), 9);
    assert_eq!(stage.journal.by_addresses.len(), 1);
}

#[test]
fn no_datagram_of_a_stranger_costs_more_than_its_share() {
    let mut stage = Stage::new(128 << 10);
    let mut random = StdRng::seed_from_u64(7);
    stage.connect(1, 1_200);
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
        stage.pass(direction, random.random_range(1..9), &datagram);
    }
    let journal = &stage.journal;
    let cost: usize = journal
        .connections
        .values()
        .map(TrackedConnection::cost)
        .sum();
    assert_eq!(journal.cost, cost);
    assert!(cost <= 128 << 10);
    assert!(journal.by_cid.len() <= 16 * journal.connections.len());
    assert_eq!(stage.repeats().0, [1]);
}

//! Our own captures give back what they hold.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use qecho_packet::{
    Direction, ObservedDatagram,
    capture::{Capture, Captured, Item},
};

use crate::files::items;

/// A file in memory.
#[derive(Clone, Default)]
struct MemoryFile(Arc<Mutex<Vec<u8>>>);

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics with it").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An item without its place in the file.
fn placeless(item: Item) -> Item {
    match item {
        Item::Datagram(captured) => Item::Datagram(Captured {
            offset: 0,
            ..captured
        }),
        other => other,
    }
}

#[test]
fn what_was_written_is_read_again() {
    let content = MemoryFile::default();
    let capture = Capture::start(Box::new(content.clone()), "qecho", None).unwrap();
    let mut observer = capture.observer();
    let mut expected = Vec::new();
    let pairs = [
        ("192.0.2.1:4433", "198.51.100.2:50000"),
        ("[2001:db8::1]:4433", "[2001:db8::2]:1"),
    ];
    let payload: Vec<u8> = (0..=255).cycle().take(2_900).collect();
    for (round, (local, remote)) in (0..8).zip(pairs.iter().cycle()) {
        let (local, remote): (SocketAddr, SocketAddr) =
            (local.parse().unwrap(), remote.parse().unwrap());
        let direction = match round % 4 {
            0 | 1 => Direction::Received,
            _ => Direction::Sent,
        };
        let passing = ObservedDatagram {
            at: Duration::from_nanos(1_700_000_000_123_456_789 + round),
            direction,
            local,
            remote,
            ecn: (round % 4) as u8,
            contents: &payload[..2_900 - round as usize],
            segment_size: Some(1_200),
        };
        let log = capture.key_log();
        log.log("LABEL", &[round as u8; 32], &[0xab; 48]);
        let (random, secret) = (format!("{round:02x}").repeat(32), "ab".repeat(48));
        expected.push(Item::Secrets(format!("LABEL {random} {secret}\n")));
        observer.see(&passing);
        observer.flush();
        let (source, destination) = match direction {
            Direction::Received => (remote, local),
            Direction::Sent => (local, remote),
        };
        expected.extend(passing.datagrams().zip(1..).map(|(payload, place)| {
            Item::Datagram(Captured {
                at: passing.at,
                source,
                destination,
                ecn: passing.ecn,
                direction: Some(direction),
                payload: payload.to_vec(),
                cut: false,
                repeated: false,
                offset: 0,
                number: 3 * round + place,
            })
        }));
    }
    assert!(capture.finish().failure.is_none());
    let content = content.0.lock().expect("nobody panics with it");
    let read: Vec<_> = items(&content).into_iter().map(placeless).collect();
    assert_eq!(read, expected);
}

#[test]
fn the_longest_and_the_shortest_datagrams_come_back() {
    let content = MemoryFile::default();
    let capture = Capture::start(Box::new(content.clone()), "qecho", None).unwrap();
    let mut observer = capture.observer();
    let lengths = [0, 1, 2, 3, 4, 65_507];
    // An empty datagram has no piece to be shown; only the others are.
    for length in lengths {
        observer.see(&ObservedDatagram {
            at: Duration::ZERO,
            direction: Direction::Received,
            local: "127.0.0.1:1".parse().unwrap(),
            remote: "127.0.0.1:2".parse().unwrap(),
            ecn: 0,
            contents: &vec![7; length],
            segment_size: None,
        });
    }
    observer.flush();
    assert!(capture.finish().failure.is_none());
    let content = content.0.lock().expect("nobody panics with it");
    let read = items(&content).into_iter().map(|item| match item {
        Item::Datagram(captured) if !captured.cut => captured.payload.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(read.collect::<Vec<_>>(), lengths[1..]);
}

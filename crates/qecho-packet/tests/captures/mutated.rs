//! Files that somebody has tampered with: no panic, and a limit to the memory.

use std::io::{self, Read};

use qecho_packet::capture::{BLOCK_BYTES_MAX, CaptureReader, Item};
use qecho_testkit::{counting::live, seed::ShowsSeed};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use crate::files::{Order, Pcapng, RAW, TLS_KEY_LOG, pcap, v4_packet};

const SEEDS: u64 = 40_000;

/// Bytes that a small file may cost, whatever it claims.
const SMALL: isize = 100_000;

/// Lengths that parsers stumble over.
const NUMBERS: [u32; 16] = [
    0, 1, 7, 8, 12, 16, 28, 0xffff, 0x01000000, 0x01000001, 0x7fffffff, 0x80000000, 0xfffffff0,
    0xfffffffc, 0xfffffffe, 0xffffffff,
];

/// A file that sees how much memory is in use whenever it is read.
struct Watched<R> {
    file: R,
    most: isize,
}

impl<R: Read> Read for &mut Watched<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.most = self.most.max(live());
        self.file.read(bytes)
    }
}

/// Outcome of a file.
#[derive(Default)]
struct Counts {
    datagrams: usize,
    cut: usize,
    skipped: usize,
    secrets: usize,
    errors: usize,
}

impl Counts {
    /// Reads a file and returns the most bytes that were in use meanwhile.
    fn read(&mut self, file: impl Read) -> isize {
        let before = live();
        let mut watched = Watched { file, most: before };
        let mut last = (0, 0);
        let mut reader = match CaptureReader::new(&mut watched) {
            Ok(reader) => reader,
            Err(_) => {
                self.errors += 1;
                return watched.most - before;
            }
        };
        loop {
            let place = match reader.next() {
                Ok(Some(Item::Datagram(captured))) => {
                    self.datagrams += 1;
                    self.cut += usize::from(captured.cut);
                    (captured.number, captured.offset)
                }
                Ok(Some(Item::Skipped { number, offset, .. })) => {
                    self.skipped += 1;
                    (number, offset)
                }
                Ok(Some(Item::Secrets(_))) => {
                    self.secrets += 1;
                    continue;
                }
                Ok(None) => break,
                Err(_) => {
                    self.errors += 1;
                    break;
                }
            };
            assert!(place.0 > last.0 && place.1 > last.1, "{last:?} {place:?}");
            last = place;
        }
        drop(reader);
        watched.most - before
    }
}

/// Returns files with every kind of block, link and header.
fn samples() -> Vec<Vec<u8>> {
    let v4 = v4_packet(b"payload");
    let mut v6 = vec![0x60, 0, 0, 0, 0, 27, 0, 64];
    v6.extend([0x20; 32]);
    v6.extend([44, 0, 1, 4, 0, 0, 0, 0]);
    v6.extend([17, 0, 0, 0, 0, 0, 0, 1]);
    v6.extend([0, 1, 0, 2, 0, 11, 0, 0, 1, 2, 3]);
    let ethernet = |packet: &[u8]| [&[0xaa; 12][..], &[0x81, 0, 0, 1, 8, 0], packet].concat();
    let cooked = |packet: &[u8]| [&[0; 14][..], &[0x86, 0xdd], packet].concat();
    let newer = |packet: &[u8]| [&[8, 0][..], &[0; 18], packet].concat();
    let loopback = |packet: &[u8]| [&[2, 0, 0, 0][..], packet].concat();
    let mut files = vec![include_bytes!("dumpcap.pcapng").to_vec()];
    for order in Order::BOTH {
        let length = v4.len() as u32;
        let obsolete = [&order.u32s(&[0, 0, 0, length, length])[..], &v4].concat();
        let flags = order.u32(1);
        let pcapng = Pcapng::new(order)
            .interface(RAW, 0, &[(9, &[9]), (14, &[0; 8])])
            .interface(1, 96, &[(2, b"eth0")])
            .secrets(TLS_KEY_LOG, "LABEL 01 02\n")
            .packet(0, 1 << 60, &v6, &[(1, b"comment"), (2, &flags)])
            .packet(1, 2, &ethernet(&v4), &[])
            .block(2, &obsolete)
            .block(3, &[&order.u32(length)[..], &v4].concat())
            .block(0xbad, &[0; 8])
            .section(order)
            .interface(276, 0, &[])
            .packet(0, 3, &newer(&v4), &[(2, &flags)]);
        files.push(pcapng.bytes);
        let links = [
            (0, loopback(&v4)),
            (1, ethernet(&v4)),
            (101, v6.clone()),
            (113, cooked(&v6)),
            (276, newer(&v4)),
        ];
        for (link, packet) in links {
            files.push(pcap(order, 0xa1b2_3c4d, link, &[&packet[..]; 3]));
        }
    }
    files
}

/// Changes a file a little.
fn mutate(file: &mut Vec<u8>, random: &mut StdRng) {
    let at = random.random_range(0..file.len());
    match random.random_range(0..8) {
        0..=2 => file[at] = random.random(),
        3 | 4 => {
            let number = NUMBERS[random.random_range(0..NUMBERS.len())];
            let number = match random.random() {
                true => number.to_le_bytes(),
                false => number.to_be_bytes(),
            };
            let aligned = at & !3;
            for (byte, new) in file[aligned..].iter_mut().zip(number) {
                *byte = new;
            }
        }
        5 => file.truncate(at.max(1)),
        6 => {
            file.remove(at);
            file.push(0);
        }
        _ => {
            let repeated = file[at / 4 * 4..].to_vec();
            file.extend(repeated);
        }
    }
}

#[test]
fn a_file_that_was_tampered_with_neither_panics_nor_costs_memory() {
    let samples = samples();
    let mut tally = Counts::default();
    for seed in 0..SEEDS {
        let _shows_seed = ShowsSeed(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let mut file = samples[random.random_range(0..samples.len())].clone();
        for _ in 0..random.random_range(1..6) {
            mutate(&mut file, &mut random);
        }
        let most = tally.read(&file[..]);
        assert!(most <= SMALL, "{most} bytes for {}", file.len());
    }
    let all = [
        tally.datagrams,
        tally.cut,
        tally.skipped,
        tally.secrets,
        tally.errors,
    ];
    let enough = SEEDS as usize / 20;
    assert!(all.iter().all(|count| *count > enough), "{all:?}");
}

#[test]
fn bytes_at_random_after_a_good_beginning_do_no_harm() {
    let mut tally = Counts::default();
    for seed in 0..2_000 {
        let _shows_seed = ShowsSeed(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let mut packet = vec![0; random.random_range(0..200)];
        random.fill_bytes(&mut packet);
        for link in [0, 1, 101, 108, 113, 228, 229, 276] {
            let file = pcap(Order::Little, 0xa1b2_c3d4, link, &[&packet]);
            tally.read(&file[..]);
        }
    }
    assert_eq!(tally.datagrams + tally.skipped, 16_000);
    assert_eq!(tally.errors, 0);
}

#[test]
fn a_file_of_the_longest_blocks_costs_one_and_what_was_read_from_it() {
    let longest = BLOCK_BYTES_MAX - 12;
    let secrets = "A".repeat(longest - 8);
    let file = Pcapng::new(Order::Little)
        .secrets(TLS_KEY_LOG, &secrets)
        .block(0x1234, &vec![0; longest])
        .secrets(TLS_KEY_LOG, &secrets);
    let mut tally = Counts::default();
    let most = tally.read(&file.bytes[..]);
    assert_eq!((tally.secrets, tally.errors), (2, 0));
    let limit = BLOCK_BYTES_MAX as isize + SMALL;
    assert!(most <= limit, "{most} bytes");
    let one_more = Pcapng::new(Order::Little).block(0x1234, &vec![0; longest + 4]);
    tally.read(&one_more.bytes[..]);
    assert_eq!(tally.errors, 1);
}

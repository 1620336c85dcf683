//! Packets that bring a reader to where a connection stands.

use super::{opening::RANDOM, *};
use crate::{
    dissect::key_log::LABELS,
    protection::{Secret, Suite, unsealed::Unsealed},
    wire::{ConnectionId, Header},
};

/// A packet of the client after so many key updates, of this suite.
fn one_rtt(first: &Secret, suite: Suite, update: u64, number: u64) -> Vec<u8> {
    let destination = ConnectionId::new(&bytes(ORIGINAL_DESTINATION)).expect("8 bytes");
    let unsealed = Unsealed {
        secret: first.clone(),
        suite,
        updates: update,
        header: Header::short(destination),
        number,
        number_length: 4,
        frames: vec![1; 4],
    };
    unsealed.seal()
}

/// Returns number, generation and frames of the only packet of a datagram.
fn opened(dissector: &mut Dissector, payload: &[u8]) -> (u64, u64, Vec<u8>) {
    let packet = dissected(dissector, from_client(payload)).packets.remove(0);
    let opened = packet.decrypted.expect("it opens");
    (opened.number, opened.generation, opened.payload)
}

#[test]
fn a_reader_follows_synthetic_packets_to_any_number_and_key() {
    let destination = ConnectionId::new(&bytes(ORIGINAL_DESTINATION)).expect("8 bytes");
    for length in [32, 48] {
        let first = Secret::new(&vec![7; length]).expect("a hash has this length");
        for suite in first.suites() {
            let begun = || {
                let mut dissector = Dissector::default();
                let secret = "07".repeat(length);
                dissector.add_secrets(&format!("{} {RANDOM} {secret}", LABELS[2]));
                told(&mut dissector, &[from_client(&bytes(CLIENT_INITIAL))]);
                dissector
            };
            let (mut ahead, mut reader) = (begun(), begun());
            for update in 0..=5 {
                let packet = one_rtt(&first, *suite, update, 1_000_000 + update);
                let expected = (1_000_000 + update, update, vec![1; 4]);
                assert_eq!(opened(&mut ahead, &packet), expected);
            }
            opened(&mut reader, &one_rtt(&first, *suite, 0, 3));
            let synthetic =
                |known| ahead.synthetic_packets(1, Direction::Sent, &destination, known);
            let packets = synthetic(0);
            assert_eq!(packets.len(), 6);
            assert_eq!(synthetic(4), packets[4..]);
            for (update, packet) in (0..).zip(packets) {
                let expected = (1_000_005, update, vec![0; 4]);
                assert_eq!(opened(&mut reader, &packet), expected);
            }
            let other_way = Direction::Received;
            let none = ahead.synthetic_packets(1, other_way, &destination, 0);
            assert!(none.is_empty(), "nothing was seen of it");
        }
    }
}

//! Datagrams that were captured before they were cut apart.

use super::{
    opening::{answered, short, to_client},
    *,
};

/// A datagram with one packet that has this size: of the client, or of the
/// server, whose packets have a connection ID without bytes.
fn datagram(sender: Side, number: u64, size: usize) -> Vec<u8> {
    let mut unsealed = match sender {
        Side::Client => short(2, 0, number),
        Side::Server => to_client(number),
    };
    unsealed.frames = vec![1; 4];
    let around = unsealed.seal().len() - 4;
    unsealed.frames = vec![1; size - around];
    unsealed.seal()
}

/// Several, as a capture shows them that left at once.
fn batch(sender: Side, first: u64, sizes: &[usize]) -> Vec<u8> {
    let datagrams = (first..).zip(sizes);
    let datagrams = datagrams.map(|(number, size)| datagram(sender, number, *size));
    datagrams.collect::<Vec<_>>().concat()
}

/// Returns the sizes of the datagrams that one is told as, and how many of
/// their packets were opened.
fn sizes(dissector: &mut Dissector, sender: Side, payload: &[u8]) -> (Vec<usize>, usize) {
    let mut sizes = Vec::new();
    let mut opened = 0;
    let seen = match sender {
        Side::Client => from_client(payload),
        Side::Server => from_server(payload),
    };
    for observation in told(dissector, &[seen]) {
        let Observation::Datagram(datagram) = observation else {
            panic!("{observation:?}");
        };
        sizes.push(datagram.size);
        let packets = datagram.packets.iter();
        opened += packets.filter(|packet| packet.decrypted.is_some()).count();
    }
    (sizes, opened)
}

#[test]
fn a_batch_of_any_usual_or_smaller_size_is_cut_apart() {
    for sender in [Side::Client, Side::Server] {
        for size in [1_200, 1_201, 1_452, 1_500, 1_199, 700, 400] {
            let mut dissector = answered();
            for (first, last) in [(0, 39), (10, size)] {
                let all = [&[size; 4][..], &[last]].concat();
                let payload = batch(sender, first, &all);
                assert_eq!(sizes(&mut dissector, sender, &payload), (all, 5));
            }
        }
    }
}

#[test]
fn a_larger_size_is_known_by_connection_ids_or_from_a_datagram_that_had_it() {
    let mut dissector = answered();
    let all = [4_000, 4_000, 100];
    let payload = batch(Side::Client, 0, &all);
    let found = sizes(&mut dissector, Side::Client, &payload);
    assert_eq!(found, (all.to_vec(), 3));
    let mut found = |payload: &[u8]| sizes(&mut dissector, Side::Server, payload);
    assert_eq!(found(&batch(Side::Server, 0, &all)), (vec![8_100], 0));
    assert_eq!(found(&datagram(Side::Server, 3, 4_000)).1, 1);
    assert_eq!(found(&batch(Side::Server, 4, &all)), (all.to_vec(), 3));
}

#[test]
fn one_that_was_changed_does_not_hide_those_after_it() {
    let mut dissector = answered();
    let mut changed = batch(Side::Client, 2, &[1_300; 3]);
    changed[1_400] ^= 1;
    let found = sizes(&mut dissector, Side::Client, &changed);
    assert_eq!(found, (vec![1_300; 3], 2));
}

#[test]
fn sizes_are_not_tried_without_end() {
    let mut dissector = answered();
    let mut found = |payload: &[u8]| sizes(&mut dissector, Side::Server, payload);
    let garbage = [&datagram(Side::Server, 0, 100)[..9], &[7; 60_000]].concat();
    for _ in 0..100 {
        assert_eq!(found(&garbage), (vec![60_009], 0));
    }
    // It is taken for whole, for nobody looks any more.
    let all = [1_300; 3];
    assert_eq!(found(&batch(Side::Server, 0, &all)), (vec![3_900], 0));
    // Those that are known are tried all the same.
    assert_eq!(found(&datagram(Side::Server, 3, 1_300)).1, 1);
    assert_eq!(found(&batch(Side::Server, 4, &all)).1, 3);
}

#[test]
fn a_second_packet_of_an_earlier_level_begins_another_datagram() {
    let initial = bytes(CLIENT_INITIAL);
    let both = [&initial[..], &initial].concat();
    let mut dissector = Dissector::default();
    let told = told(&mut dissector, &[from_client(&both)]);
    let [
        _,
        Observation::Datagram(first),
        Observation::Datagram(second),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((first.size, second.size), (1_200, 1_200));
    assert!(second.packets[0].decrypted.is_some());
}

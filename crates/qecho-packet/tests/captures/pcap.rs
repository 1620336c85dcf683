//! Classic pcap files.

use std::time::Duration;

use qecho_packet::capture::{Captured, Item, SkipReason};

use crate::files::{Order, datagrams, items, pcap, refusal, v4_packet};

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const LINK_RAW: u32 = 101;

#[test]
fn a_classic_file_counts_micro_or_nanoseconds_in_either_byte_order() {
    let magics = [(MICROSECONDS, 7_000), (NANOSECONDS, 7)];
    for ((magic, nanoseconds), order) in magics
        .into_iter()
        .flat_map(|magic| Order::BOTH.map(|order| (magic, order)))
    {
        let packets = [&v4_packet(b"one")[..], &v4_packet(b"other")];
        let first = Captured {
            at: Duration::new(1, nanoseconds),
            source: "192.0.2.1:4433".parse().unwrap(),
            destination: "198.51.100.2:80".parse().unwrap(),
            ecn: 0,
            direction: None,
            payload: b"one".to_vec(),
            cut: false,
            repeated: false,
            offset: 24,
            number: 1,
        };
        let second = Captured {
            at: Duration::new(2, nanoseconds),
            payload: b"other".to_vec(),
            offset: 24 + 16 + 31,
            number: 2,
            ..first.clone()
        };
        let file = pcap(order, magic, LINK_RAW, &packets);
        assert_eq!(datagrams(&file), [first, second], "{order:?}");
    }
}

#[test]
fn flags_beside_the_link_type_do_not_count() {
    let link = 0xf400_0000 | LINK_RAW;
    let file = pcap(Order::Big, MICROSECONDS, link, &[&v4_packet(b"a")]);
    assert_eq!(datagrams(&file).len(), 1);
}

#[test]
fn a_record_may_keep_only_the_beginning_of_a_packet() {
    let mut packet = v4_packet(b"abcdef");
    let cut = |packet: &[u8], original: u8| {
        let mut file = pcap(Order::Little, MICROSECONDS, LINK_RAW, &[packet]);
        file[24 + 12] = original;
        let captured = datagrams(&file).remove(0);
        (captured.payload.len(), captured.cut)
    };
    assert_eq!(cut(&packet[..30], 34), (2, true));
    // Neither IP nor UDP tells a length.
    for at in [2, 3, 24, 25] {
        packet[at] = 0;
    }
    assert_eq!(cut(&packet, 34), (6, false));
    assert_eq!(cut(&packet, 35), (6, true));
}

#[test]
fn packets_that_are_not_shown_have_their_numbers_too() {
    let mut ping = v4_packet(b"ping");
    ping[9] = 1;
    let packets = [&ping[..], &v4_packet(b"a")];
    let file = pcap(Order::Little, MICROSECONDS, LINK_RAW, &packets);
    let [first, Item::Datagram(second)] = &items(&file)[..] else {
        panic!("not two packets");
    };
    let skipped = Item::Skipped {
        number: 1,
        offset: 24,
        why: SkipReason::Icmp,
    };
    assert_eq!((first, second.number), (&skipped, 2));
}

#[test]
fn an_unknown_link_type_is_named_as_the_reason() {
    let items = items(&pcap(Order::Little, NANOSECONDS, 105, &[&v4_packet(b"a")]));
    let [Item::Skipped { why, .. }] = items[..] else {
        panic!("{items:?}");
    };
    assert_eq!(why, SkipReason::LinkType(105));
}

#[test]
fn a_record_of_four_gigabytes_is_refused_where_it_begins() {
    let mut file = pcap(Order::Little, MICROSECONDS, LINK_RAW, &[&v4_packet(b"one")]);
    let at = file.len();
    file.extend([0; 8]);
    file.extend([0xff; 8]);
    let expected = format!("at byte {at}: a record of 4294967295 bytes is more than 16 MiB");
    assert_eq!(refusal(&file), expected);
}

#[test]
fn what_is_no_capture_is_told() {
    assert_eq!(refusal(b""), "is empty");
    assert_eq!(refusal(b"\n\r"), "is neither pcapng nor pcap");
    assert_eq!(refusal(b"GET / HTTP/1.1"), "is neither pcapng nor pcap");
    assert_eq!(refusal(&[0; 100]), "is neither pcapng nor pcap");
    let header = &pcap(Order::Little, MICROSECONDS, LINK_RAW, &[])[..23];
    assert_eq!(refusal(header), "cut off in the header at byte 0");
}

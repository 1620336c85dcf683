//! Pcapng files.

use std::time::Duration;

use qecho_packet::{
    Direction,
    capture::{Captured, Item, SkipReason},
};

use crate::files::{Order, Pcapng, RAW, TLS_KEY_LOG, datagrams, items, v4_packet};

const TIME_RESOLUTION: u16 = 9;
const TIME_OFFSET: u16 = 14;
const COMMENT: u16 = 1;
const FLAGS: u16 = 2;

#[test]
fn a_packet_has_what_its_block_and_interface_say() {
    for order in Order::BOTH {
        let offset = match order {
            Order::Little => 1_i64.to_le_bytes(),
            Order::Big => 1_i64.to_be_bytes(),
        };
        let clock: [(u16, &[u8]); 2] = [(TIME_RESOLUTION, &[9]), (TIME_OFFSET, &offset)];
        let flags = order.u32(0b10);
        let flags: [(u16, &[u8]); 2] = [(COMMENT, b"a comment"), (FLAGS, &flags)];
        let file = Pcapng::new(order)
            .interface(1, 0, &[])
            .interface(RAW, 0, &clock)
            .packet(1, 0x1_0000_0002, &v4_packet(b"abc"), &flags);
        let expected = Captured {
            at: Duration::from_nanos(0x1_0000_0002) + Duration::from_secs(1),
            source: "192.0.2.1:4433".parse().unwrap(),
            destination: "198.51.100.2:80".parse().unwrap(),
            ecn: 0,
            direction: Some(Direction::Sent),
            payload: b"abc".to_vec(),
            cut: false,
            repeated: false,
            offset: 28 + 24 + 44,
            number: 1,
        };
        assert_eq!(datagrams(&file.bytes), [expected], "{order:?}");
    }
}

#[test]
fn a_direction_is_known_only_if_it_is_told() {
    let flagged = |flags: u32| {
        let file = Pcapng::new(Order::Little).interface(RAW, 0, &[]);
        let flags = flags.to_le_bytes();
        file.packet(0, 0, &v4_packet(b"a"), &[(FLAGS, &flags)])
    };
    let direction = |flags| datagrams(&flagged(flags).bytes)[0].direction;
    assert_eq!(direction(0b1100), None);
    assert_eq!(direction(0b1101), Some(Direction::Received));
    assert_eq!(direction(0b1110), Some(Direction::Sent));
    assert_eq!(direction(0b1111), None);
}

#[test]
fn simple_packets_are_of_the_first_interface_and_have_no_stamp() {
    for order in Order::BOTH {
        let packet = v4_packet(b"abcdef");
        let body = |length: usize| [&order.u32(packet.len() as u32), &packet[..length]].concat();
        let whole = Pcapng::new(order)
            .interface(RAW, 0, &[])
            .interface(105, 0, &[])
            .block(3, &body(packet.len()));
        let snapped = Pcapng::new(order)
            .interface(RAW, 30, &[])
            .block(3, &body(30));
        let whole = &datagrams(&whole.bytes)[0];
        assert_eq!((whole.at, whole.cut), (Duration::ZERO, false));
        assert_eq!(whole.payload, b"abcdef");
        let snapped = &datagrams(&snapped.bytes)[0];
        assert_eq!((&snapped.payload[..], snapped.cut), (&b"ab"[..], true));
    }
}

#[test]
fn obsolete_packets_are_read_as_others() {
    for order in Order::BOTH {
        let packet = v4_packet(b"abcd");
        let length = packet.len() as u32;
        let mut body = [order.u16(1), order.u16(9)].concat();
        body.extend(order.u32s(&[0, 3, length, length]));
        body.extend(packet);
        body.extend([order.u16(FLAGS), order.u16(4)].concat());
        body.extend(order.u32(0b01));
        let file = Pcapng::new(order)
            .interface(105, 0, &[])
            .interface(RAW, 0, &[])
            .block(2, &body);
        let captured = &datagrams(&file.bytes)[0];
        assert_eq!(captured.payload, b"abcd");
        assert_eq!(captured.at, Duration::from_micros(3));
        assert_eq!(captured.direction, Some(Direction::Received));
    }
}

#[test]
fn a_section_forgets_the_interfaces_and_byte_order_of_the_one_before() {
    let packet = v4_packet(b"a");
    let file = Pcapng::new(Order::Big)
        .interface(105, 0, &[])
        .interface(RAW, 0, &[])
        .packet(1, 0, &packet, &[])
        .section(Order::Little)
        .interface(RAW, 0, &[])
        .packet(0, 0, &packet, &[])
        .packet(1, 0, &packet, &[]);
    let items = items(&file.bytes);
    let [
        Item::Datagram(_),
        Item::Datagram(second),
        Item::Skipped { number: 3, why, .. },
    ] = &items[..]
    else {
        panic!("{items:?}");
    };
    assert_eq!(second.number, 2);
    assert_eq!(*why, SkipReason::UnknownInterface);
}

#[test]
fn secrets_stand_where_they_stood_and_those_of_others_are_passed_over() {
    let packet = v4_packet(b"a");
    let file = Pcapng::new(Order::Big)
        .interface(RAW, 0, &[])
        .packet(0, 0, &packet, &[])
        .secrets(0x5747_4b4c, "wireguard")
        .secrets(TLS_KEY_LOG, "LABEL 01 02\n")
        .secrets(TLS_KEY_LOG, "é")
        .packet(0, 0, &packet, &[]);
    let secrets = |text: &str| Item::Secrets(text.to_owned());
    let items = items(&file.bytes);
    let [Item::Datagram(_), first, second, Item::Datagram(_)] = &items[..] else {
        panic!("{items:?}");
    };
    assert_eq!([first, second], [&secrets("LABEL 01 02\n"), &secrets("??")]);
}

#[test]
fn packets_are_numbered_as_wireshark_does() {
    let packet = v4_packet(b"a");
    let custom = 32_473_u32.to_le_bytes();
    let file = Pcapng::new(Order::Little)
        .interface(RAW, 0, &[])
        .interface(105, 0, &[])
        // Name resolution, statistics, and something unheard of.
        .block(4, &[0; 4])
        .block(5, &[0; 12])
        .block(0x1234, b"news")
        .packet(1, 0, &packet, &[])
        // Journal entries and custom blocks have a number.
        .block(9, b"MESSAGE=hello\n\n")
        .block(0xbad, &custom)
        .block(0x4000_0bad, &custom)
        .packet(0, 0, &packet, &[]);
    let items = items(&file.bytes);
    let [Item::Skipped { number: 1, .. }, Item::Datagram(last)] = &items[..] else {
        panic!("{items:?}");
    };
    assert_eq!(last.number, 5);
}

#[test]
fn a_packet_that_was_yet_to_be_divided_is_cut_where_the_capture_cuts_it() {
    let order = Order::Little;
    let mut packet = v4_packet(b"abc");
    // Neither IP nor UDP tells a length.
    for at in [2, 3, 24, 25] {
        packet[at] = 0;
    }
    let cut = |original| {
        let lengths = order.u32s(&[0, 0, 0, 31, original]);
        let file = Pcapng::new(order).interface(RAW, 0, &[]);
        let file = file.block(6, &[&lengths[..], &packet].concat());
        let captured = datagrams(&file.bytes).remove(0);
        assert_eq!(captured.payload, b"abc");
        captured.cut
    };
    assert_eq!((cut(31), cut(32), cut(0)), (false, true, false));
}

#[test]
fn nothing_is_an_option_after_their_end() {
    let end_and_flags: [(u16, &[u8]); 2] = [(0, b""), (FLAGS, &[1, 0, 0, 0])];
    let file = Pcapng::new(Order::Little).interface(RAW, 0, &[]);
    let file = file.packet(0, 0, &v4_packet(b"a"), &end_and_flags);
    assert_eq!(datagrams(&file.bytes)[0].direction, None);
}

#[test]
fn what_is_repeated_of_another_file_is_known_by_exactly_its_comments() {
    let repeated: &[u8] = b"repeated: so its connection began; it opens what follows";
    let never_sent: &[u8] =
        b"never sent: written here to tell a reader the packet numbers and keys of what follows";
    for order in Order::BOTH {
        for (comments, expected) in [
            (&[(1, repeated)][..], true),
            (&[(1, b"of a person's"), (1, never_sent)], true),
            (&[(1, b"repeated: so says a person")], false),
            (&[(4, repeated)], false),
            (&[], false),
        ] {
            let file = Pcapng::new(order).interface(RAW, 0, &[]);
            let file = file.packet(0, 1, &v4_packet(b"abc"), comments);
            assert_eq!(datagrams(&file.bytes)[0].repeated, expected, "{comments:?}");
        }
    }
}

#[test]
fn a_file_of_dumpcap_is_read_as_wireshark_reads_it() {
    let items = items(include_bytes!("dumpcap.pcapng"));
    let captured = |place, nanoseconds, source: &str, destination: &str, ecn, payload: &[u8]| {
        let (offset, number) = place;
        Item::Datagram(Captured {
            at: Duration::new(1_795_418_326, nanoseconds),
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            ecn,
            direction: None,
            payload: payload.to_vec(),
            cut: false,
            repeated: false,
            offset,
            number,
        })
    };
    let (near, far) = ("127.0.0.1:44331", "127.0.0.1:44330");
    let (near_v6, far_v6) = ("[::1]:44331", "[::1]:44330");
    let expected = [
        captured((376, 1), 345_502_657, near, far, 2, b"hello over 127.0.0.1"),
        captured((472, 2), 345_517_550, far, near, 0, b"hello back"),
        captured((556, 3), 345_618_403, near_v6, far_v6, 1, b"hello over ::1"),
    ];
    let key_log = format!("CLIENT_RANDOM {} {}\n", "00".repeat(32), "11".repeat(48));
    assert_eq!(items[0], Item::Secrets(key_log));
    assert_eq!(items[1..], expected);
}

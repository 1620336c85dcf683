//! The blocks of a pcapng file: how they follow one another, and what is wrong
//! with some.

use std::io::{self, Read};

use qecho_packet::capture::{CaptureReader, INTERFACES_MAX, Item, SkipReason};

use crate::files::{Order, Pcapng, RAW, TLS_KEY_LOG, datagrams, items, read, refusal, v4_packet};

const FLAGS: u16 = 2;

#[test]
fn a_packet_is_read_before_more_of_the_file_is_there() {
    struct Unfinished<'a>(&'a [u8]);
    impl Read for Unfinished<'_> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            assert!(!self.0.is_empty(), "nobody may wait for what comes later");
            self.0.read(bytes)
        }
    }
    let file = Pcapng::new(Order::Little)
        .interface(RAW, 0, &[])
        .packet(0, 0, &v4_packet(b"a"), &[])
        .packet(0, 0, &v4_packet(b"b"), &[]);
    let mut reader = CaptureReader::new(Unfinished(&file.bytes)).unwrap();
    for payload in [b"a", b"b"] {
        let Ok(Some(Item::Datagram(captured))) = reader.next() else {
            panic!("not a datagram");
        };
        assert_eq!(captured.payload, payload);
    }
}

#[test]
fn a_block_may_not_count_what_pads_it() {
    let order = Order::Little;
    let packet = v4_packet(b"a");
    let mut file = Pcapng::new(order)
        .interface(RAW, 0, &[])
        .block(6, &[&order.u32s(&[0, 0, 0, 29, 29])[..], &packet].concat());
    let length = order.u32(12 + 20 + 29);
    let end = file.bytes.len() - 4;
    let start = end - 20 - 32 - 4;
    file.bytes[start..start + 4].copy_from_slice(&length);
    file.bytes[end..].copy_from_slice(&length);
    let file = file.packet(0, 0, &packet, &[]);
    assert_eq!(datagrams(&file.bytes).len(), 2);
}

#[test]
fn a_packet_block_that_lies_spoils_nothing_after_it() {
    let order = Order::Little;
    let packet = v4_packet(b"abc");
    let lie = order.u32s(&[0, 0, 0, u32::MAX, u32::MAX]);
    let file = Pcapng::new(order)
        .interface(RAW, 0, &[])
        .block(6, &[0; 16])
        .block(2, &[0; 16])
        .block(3, &[])
        .block(6, &[&lie[..], &packet].concat())
        .packet(0, 0, &packet, &[(FLAGS, &[1])])
        .block(10, &order.u32s(&[TLS_KEY_LOG, u32::MAX, 0x4141_4141]));
    let items = items(&file.bytes);
    let too_short = items.iter().filter(|item| {
        matches!(
            item,
            Item::Skipped {
                why: SkipReason::BlockCut,
                ..
            }
        )
    });
    assert_eq!(too_short.count(), 3);
    let [
        _,
        _,
        _,
        Item::Datagram(lying),
        Item::Datagram(honest),
        Item::Secrets(secrets),
    ] = &items[..]
    else {
        panic!("{items:?}");
    };
    assert_eq!(lying.payload, b"abc");
    assert!(!lying.cut, "what its own headers promise is there");
    assert_eq!((&honest.payload[..], honest.direction), (&b"abc"[..], None));
    assert_eq!(secrets, "AAAA");
}

#[test]
fn broken_framing_is_refused_where_it_begins() {
    let file = Pcapng::new(Order::Little).interface(RAW, 0, &[]).bytes;
    let at = file.len();
    let check = |words: &str, block: &[&[u8]]| {
        let refusal = refusal(&[&file[..], &block.concat()].concat());
        assert_eq!(refusal, format!("at byte {at}: {words}"));
    };
    let kind = 6_u32.to_le_bytes();
    let words = "a block of 4294967295 bytes is more than 16 MiB";
    check(words, &[&kind, &[0xff; 4]]);
    for length in [0, 3, 7, 8] {
        let words = "a block of an impossible length";
        check(words, &[&kind, &[length, 0, 0, 0], &[0; 12]]);
    }
    let words = "a block that has two different lengths";
    check(words, &[&kind, &[16, 0, 0, 0], &[0; 4], &[12, 0, 0, 0]]);
    let section = [0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0];
    let words = "a section that tells no byte order";
    check(words, &[&section, &[1, 2, 3, 4]]);
    let mut version_2 = Pcapng::new(Order::Big).bytes;
    version_2[13] = 2;
    check("a section of a version that is unknown", &[&version_2]);
    let words = "an interface without its fields";
    check(
        words,
        &[&[1, 0, 0, 0, 16, 0, 0, 0], &[0; 4], &[16, 0, 0, 0]],
    );
}

#[test]
fn a_section_may_not_describe_interfaces_without_end() {
    let mut file = Pcapng::new(Order::Little);
    for _ in 0..INTERFACES_MAX {
        file = file.interface(RAW, 0, &[]);
    }
    let file = file.packet(0xffff, 0, &v4_packet(b"a"), &[]);
    let at = file.bytes.len();
    let (items, error) = read(&file.interface(RAW, 0, &[]).bytes[..]);
    assert!(matches!(items[..], [Item::Datagram(_)]), "{items:?}");
    assert_eq!(
        error.expect("one is too many").to_string(),
        format!("at byte {at}: more interfaces than a section may have")
    );
}

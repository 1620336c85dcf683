//! Packets of version 2 (RFC 9369).

use super::*;
use crate::wire::VERSION_2;

/// RFC 9369 §A.1 and §A.4.
#[test]
fn version_2_has_keys_and_retry_tags_of_its_own() {
    let original = original();
    let secrets = [
        (
            Side::Client,
            "14ec9d6eb9fd7af83bf5a668bc17a7e283766aade7ecd0891f70f9ff7f4bf47b",
            "8b1a0bc121284290a29e0971b5cd045d",
        ),
        (
            Side::Server,
            "0263db1782731bf4588e7e4d93b7463907cb8cd8200b5da55a8bd488eafc37c1",
            "82db637861d55e1d011f19ea71d5d2a7",
        ),
    ];
    for (side, secret, key) in secrets {
        let derived = Secret::initial_of(VERSION_2, &original, side);
        assert_eq!(derived.as_bytes(), bytes(secret));
        let mut expanded = [0; 16];
        derived.expand(SUITES[0], [b"quic key", &b"quicv2 key"[..]], &mut expanded);
        assert_eq!(expanded, *bytes(key));
    }
    let mut retry = Vec::new();
    let header = Header::long(
        PacketType::Retry,
        VERSION_2,
        ConnectionId::default(),
        server_id(),
    );
    let token = b"token".to_vec();
    Header { token, ..header }.write(&mut retry);
    assert_eq!(retry[..5], [0xc0, 0x6b, 0x33, 0x43, 0xcf]);
    retry[0] |= 0x0f;
    let tag = bytes("c8646ce8bfe33952d955543665dcc7b6");
    assert_eq!(retry_tag(&original, &retry), *tag);
}

/// RFC 9369 §3.2: only who asks for them reads packets of version 2.
#[test]
fn packets_of_version_2_are_taken_apart_for_who_knows_them() {
    let keys = SealingKeys::new(
        &Secret::initial_of(VERSION_2, &original(), Side::Client),
        SUITES[0],
    );
    let types = [
        (PacketType::Initial, 1),
        (PacketType::ZeroRtt, 2),
        (PacketType::Handshake, 3),
    ];
    for (packet_type, bits) in types {
        let header = Header::long(packet_type, VERSION_2, original(), original());
        let sealed = keys.seal_packet(&header, 7, 2, b"\x01");
        assert_eq!(sealed[0] >> 4 & 0x03, bits);
        let read = wire::packets(&sealed, 0).next();
        let read = read.expect("there is one").expect("it is well-formed");
        assert_eq!(read.header.packet_type, PacketType::Unknown);
        let known = wire::packets(&sealed, 0).knowing_version_2().next();
        let known = known.expect("there is one").expect("it is well-formed");
        assert_eq!(known.header, header);
    }
}

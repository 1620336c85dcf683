//! Headers and coalesced packets (RFC 8999, RFC 9000 §12.2 and §17, RFC 9001 §A).

use qecho_packet::wire::{Malformed, PacketType, Protected, packets};

use super::sample::{hex, id};

fn decode(datagram: &[u8]) -> Vec<Result<Protected<'_>, Malformed>> {
    packets(datagram, 8).collect()
}

fn one(datagram: &[u8]) -> Protected<'_> {
    let mut decoded = decode(datagram);
    assert_eq!(decoded.len(), 1, "{decoded:?}");
    decoded.remove(0).expect("it is a packet")
}

/// Returns where a datagram is malformed, and what is.
fn error(datagram: &[u8]) -> (usize, &'static str) {
    let last = decode(datagram).pop().expect("there is something");
    let Malformed { offset, what, .. } = last.expect_err("it is malformed");
    (offset, what)
}

/// RFC 9001 §A.2; what is under protection is left out.
fn client_initial() -> Vec<u8> {
    let mut packet = hex("c0 00000001 08 8394c8f03e515708 00 00 449e");
    packet.resize(1200, 0x7b);
    packet
}

/// RFC 9001 §A.3; likewise.
fn server_initial() -> Vec<u8> {
    let mut packet = hex("cf 00000001 00 08 f067a5502a4262b5 00 4075");
    packet.resize(18 + 0x75, 0xc0);
    packet
}

#[test]
fn the_client_initial_of_rfc_9001_appendix_a2_decodes() {
    let datagram = client_initial();
    let packet = one(&datagram);
    assert_eq!(packet.header.packet_type, PacketType::Initial);
    assert_eq!(packet.header.version, Some(1));
    assert_eq!(packet.header.destination, id(&hex("8394c8f03e515708")));
    assert_eq!(packet.header.source, Some(id(&[])));
    assert!(packet.header.token.is_empty());
    assert_eq!(packet.number_offset, 18);
    assert_eq!(packet.bytes, datagram);
}

#[test]
fn the_server_initial_of_rfc_9001_appendix_a3_decodes() {
    let datagram = server_initial();
    let packet = one(&datagram);
    assert_eq!(packet.header.packet_type, PacketType::Initial);
    assert_eq!(packet.header.destination, id(&[]));
    assert_eq!(packet.header.source, Some(id(&hex("f067a5502a4262b5"))));
    assert_eq!((packet.number_offset, packet.bytes.len()), (18, 135));
}

#[test]
fn the_retry_of_rfc_9001_appendix_a4_decodes() {
    let datagram =
        hex("ff 00000001 00 08 f067a5502a4262b5 746f6b656e 04a265ba2eff4d829058fb3f0f2496ba");
    let packet = one(&datagram);
    assert_eq!(packet.header.packet_type, PacketType::Retry);
    assert_eq!(packet.header.token, b"token");
    assert_eq!(packet.number_offset, 15);
    assert_eq!(packet.bytes, datagram);
}

#[test]
fn the_short_packet_of_rfc_9001_appendix_a5_decodes() {
    let datagram = hex("4cfe4189655e5cd55c41f69080575d7999c25a5bfb");
    let mut decoded = packets(&datagram, 0);
    let packet = decoded
        .next()
        .expect("there is one")
        .expect("it is a packet");
    assert_eq!(packet.header.packet_type, PacketType::OneRtt);
    assert_eq!((packet.header.version, packet.header.source), (None, None));
    assert_eq!(packet.header.destination, id(&[]));
    assert_eq!((packet.number_offset, packet.bytes.len()), (1, 21));
    assert!(decoded.next().is_none() && decoded.rest().is_empty());
}

#[test]
fn a_short_header_has_a_connection_id_of_the_length_that_is_known() {
    let datagram = hex("60 0102030405060708 99");
    let packet = one(&datagram);
    assert_eq!(packet.header.destination, id(&[1, 2, 3, 4, 5, 6, 7, 8]));
    assert!(packet.header.spin);
    assert_eq!(packet.number_offset, 9);
    assert_eq!(error(&datagram[..9]).1, "packet number");
    assert_eq!(error(&datagram[..8]).1, "destination connection ID");
}

#[test]
fn coalesced_packets_come_one_by_one() {
    let handshake = hex("e0 00000001 01aa 01bb 05 0102030405");
    let early = hex("d0 00000001 01aa 01bb 03 010203");
    let short = hex("40 0102030405060708 0102");
    let datagram = [server_initial(), early, handshake, short].concat();
    let decoded = decode(&datagram);
    let told: Vec<_> = decoded
        .iter()
        .map(|packet| packet.as_ref().expect("they are packets"))
        .map(|packet| {
            (
                packet.header.packet_type,
                packet.bytes.len(),
                packet.number_offset,
            )
        })
        .collect();
    let wanted = [
        (PacketType::Initial, 135, 18),
        (PacketType::ZeroRtt, 13, 10),
        (PacketType::Handshake, 15, 10),
        (PacketType::OneRtt, 11, 9),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn zero_bytes_behind_a_packet_are_what_is_left() {
    for length in [1, 20, 1_000] {
        let datagram = [server_initial(), vec![0; length]].concat();
        let mut decoded = packets(&datagram, 8);
        assert!(decoded.next().is_some_and(|packet| packet.is_ok()));
        assert!(decoded.next().is_none());
        assert_eq!(decoded.rest(), vec![0; length]);
        let junk = [server_initial(), vec![0; length], vec![1]].concat();
        assert_eq!(decode(&junk).len(), 2);
    }
    assert!(
        decode(&[0; 30])[0].is_ok(),
        "there is no packet before them"
    );
}

#[test]
fn an_error_behind_a_packet_tells_its_place_in_the_datagram() {
    let mut datagram = server_initial();
    datagram.extend(hex("e0 00000001 15"));
    let decoded = decode(&datagram);
    assert!(decoded[0].is_ok());
    let malformed = decoded[1].as_ref().expect_err("it is cut");
    assert_eq!(malformed.offset, 135 + 6);
    assert_eq!(decoded.len(), 2);
}

#[test]
fn long_headers_cut_anywhere_are_malformed_inside_their_datagram() {
    let token = hex("c3 00000001 04 01020304 02 0506 03 aabbcc 4004 00000000");
    let handshake = hex("e0 00000001 04 01020304 02 0506 04 00000000");
    let negotiation = hex("80 00000000 04 01020304 02 0506 00000001");
    for packet in [token, handshake, negotiation] {
        assert!(decode(&packet)[0].is_ok());
        for length in 1..packet.len() {
            // A Version Negotiation packet may end before each version.
            if length == packet.len() - 4 && packet[0] == 0x80 {
                continue;
            }
            let (offset, what) = error(&packet[..length]);
            assert!(offset <= length, "{length} bytes: {offset}");
            assert!(!what.is_empty());
        }
    }
}

#[test]
fn a_retry_without_a_whole_tag_is_malformed() {
    let retry = hex("f0 00000001 00 00 04a265ba2eff4d829058fb3f0f2496ba");
    assert!(one(&retry).header.token.is_empty());
    let malformed = error(&retry[..retry.len() - 1]);
    assert_eq!(malformed, (7, "Retry integrity tag"));
}

#[test]
fn version_negotiation_lists_its_versions() {
    let datagram = hex("ea 00000000 02 0102 00 00000001 6b3343cf 0a1a2a3a");
    let packet = one(&datagram);
    assert_eq!(packet.header.packet_type, PacketType::VersionNegotiation);
    assert_eq!(packet.header.versions, [1, 0x6b33_43cf, 0x0a1a_2a3a]);
    assert_eq!(packet.header.source, Some(id(&[])));
    let (_, what) = error(&datagram[..datagram.len() - 1]);
    assert_eq!(what, "list of versions");
}

#[test]
fn of_other_versions_only_what_all_have_in_common_is_read() {
    // RFC 8999 §5.1: connection IDs may have up to 255 bytes.
    let long = "07".repeat(255);
    for version in ["6b3343cf", "ff00001d", "00000000"] {
        let datagram = hex(&format!("c0 {version} ff {long} 01 09"));
        let packet = one(&datagram);
        assert_eq!(packet.header.destination, id(&[7; 20]));
        assert_eq!(packet.header.source, Some(id(&[9])));
        assert_eq!(packet.bytes, datagram);
    }
    // Until draft 22 both lengths shared a byte.
    let old = one(&hex("c3 51303436 50 0102030405060708 ffff")).header;
    assert_eq!(
        (old.destination, old.source),
        (id(&[1, 2, 3, 4, 5, 6, 7, 8]), Some(id(&[])))
    );
    let old = one(&hex("ff ff000015 12 01020304 0a0b0c0d0e ffff")).header;
    assert_eq!(
        (old.destination, old.source),
        (id(&[1, 2, 3, 4]), Some(id(&[10, 11, 12, 13, 14])))
    );
    let unknown = hex("c0 6b3343cf 00 00 ffffffff");
    assert_eq!(one(&unknown).header.packet_type, PacketType::Unknown);
}

#[test]
fn of_version_1_a_connection_id_of_more_than_20_bytes_is_malformed() {
    let longest = hex(&format!("e0 00000001 14 {} 00 01 00", "07".repeat(20)));
    assert_eq!(one(&longest).header.destination, id(&[7; 20]));
    let longer = hex(&format!("e0 00000001 15 {} 00 01 00", "07".repeat(21)));
    assert_eq!(error(&longer), (5, "destination connection ID"));
    let source = hex(&format!("e0 00000001 00 15 {} 01 00", "07".repeat(21)));
    assert_eq!(error(&source), (6, "source connection ID"));
}

#[test]
fn a_length_beyond_the_datagram_is_malformed_whatever_its_size() {
    for length in ["02", "4002", "80000002", "ffffffffffffffff"] {
        let datagram = hex(&format!("e0 00000001 00 00 {length} 00"));
        assert!(error(&datagram).1.contains("longer than its datagram"));
    }
    for length in ["03", "4003", "ffffffffffffffff"] {
        let datagram = hex(&format!("c0 00000001 00 00 {length} 0000"));
        assert_eq!(error(&datagram).1, "token");
    }
}

#[test]
fn every_kind_has_its_name() {
    let name = |datagram: &str| one(&hex(datagram)).header.packet_type.name();
    assert_eq!(name("c0 00000001 00 00 00 00"), "Initial");
    assert_eq!(name("d0 00000001 00 00 00"), "0-RTT");
    assert_eq!(name("e0 00000001 00 00 00"), "Handshake");
    assert_eq!(name("80 00000000 00 00"), "Version Negotiation");
    // The fixed bit may be greased (RFC 9287).
    assert_eq!(name("a0 00000001 00 00 00"), "Handshake");
    assert_eq!(name("00 0102030405060708 01"), "1-RTT");
}

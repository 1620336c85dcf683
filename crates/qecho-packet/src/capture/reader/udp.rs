//! The UDP datagram in an IP packet. Length fields decide what belongs to it;
//! checksums do not count, since network cards often fill them in later.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::SkipReason::{self, Fragment, HeadersCut, Icmp, Lengths, NotIp, NotUdp};

/// Protocol numbers (<https://www.iana.org/assignments/protocol-numbers>).
const UDP: u8 = 17;
const ICMP_V4: u8 = 1;
const ICMP_V6: u8 = 58;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT_HEADER: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// `More fragments` and the offset, of an IPv4 and an IPv6 header.
const FRAGMENT_V4: u16 = 0x3fff;
const FRAGMENT_V6: u16 = 0xfff9;

/// Bytes of headers.
const V4_HEADER: usize = 20;
const V6_HEADER: usize = 40;
const UDP_HEADER: usize = 8;

/// A datagram in the bytes of its packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Datagram<'a> {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) ecn: u8,
    pub(super) payload: &'a [u8],
    /// Whether the payload is shorter than it was.
    pub(super) cut: bool,
}

/// What an IP packet carries.
struct Packet<'a> {
    source: IpAddr,
    destination: IpAddr,
    ecn: u8,
    protocol: u8,
    content: Content<'a>,
}

#[derive(Clone, Copy)]
struct Content<'a> {
    bytes: &'a [u8],
    cut: bool,
}

impl<'a> Content<'a> {
    /// Keeps what a length field allows. Zero is of a packet that the network
    /// card was yet to divide, or of a jumbogram (RFC 2675): all of it is.
    fn limit(self, length: Option<usize>) -> Self {
        let Some(length) = length else { return self };
        match self.bytes.get(..length) {
            Some(bytes) => Self { bytes, cut: false },
            None => Self { cut: true, ..self },
        }
    }
}

/// Returns the datagram of an IP packet, or why there is none; `cut` tells
/// that the packet was longer than these bytes.
pub(super) fn datagram(bytes: &[u8], cut: bool) -> Result<Datagram<'_>, SkipReason> {
    let content = Content { bytes, cut };
    let packet = match bytes.first().ok_or(HeadersCut)? >> 4 {
        4 => v4(content)?,
        6 => v6(content)?,
        _ => return Err(NotIp),
    };
    match packet.protocol {
        UDP => udp(&packet),
        ICMP_V4 | ICMP_V6 => Err(Icmp),
        _ => Err(NotUdp),
    }
}

/// RFC 791 §3.1
fn v4(packet: Content<'_>) -> Result<Packet<'_>, SkipReason> {
    let header = packet.bytes.first_chunk::<V4_HEADER>().ok_or(HeadersCut)?;
    let header_length = usize::from(header[0] & 0x0f) * 4;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header_length < V4_HEADER || (1..header_length).contains(&length) {
        return Err(Lengths);
    }
    if u16::from_be_bytes([header[6], header[7]]) & FRAGMENT_V4 != 0 {
        return Err(Fragment);
    }
    let rest = Content {
        bytes: packet.bytes.get(header_length..).ok_or(HeadersCut)?,
        ..packet
    };
    let address = |at: usize| Ipv4Addr::from([0, 1, 2, 3].map(|byte| header[at + byte]));
    Ok(Packet {
        source: address(12).into(),
        destination: address(16).into(),
        ecn: header[1] & 0b11,
        protocol: header[9],
        content: rest.limit(length.checked_sub(header_length)),
    })
}

/// RFC 8200 §3
fn v6(packet: Content<'_>) -> Result<Packet<'_>, SkipReason> {
    let (header, bytes) = packet
        .bytes
        .split_first_chunk::<V6_HEADER>()
        .ok_or(HeadersCut)?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let rest = Content { bytes, ..packet };
    let content = rest.limit((length > 0).then_some(length));
    let (protocol, bytes) = after_extensions(header[6], content.bytes)?;
    let mut address = [0; 16];
    address.copy_from_slice(&header[8..24]);
    let source = Ipv6Addr::from(address);
    address.copy_from_slice(&header[24..]);
    let destination = Ipv6Addr::from(address);
    Ok(Packet {
        source: source.into(),
        destination: destination.into(),
        ecn: (header[1] >> 4) & 0b11,
        protocol,
        content: Content { bytes, ..content },
    })
}

/// Passes over extension headers (RFC 8200 §4) and returns the protocol and
/// what follows them. Those of mobility and its like carry no datagrams.
fn after_extensions(mut protocol: u8, mut bytes: &[u8]) -> Result<(u8, &[u8]), SkipReason> {
    while matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT_HEADER | AUTHENTICATION | DESTINATION
    ) {
        // Every one of them has eight bytes at least.
        let header = bytes.first_chunk::<8>().ok_or(HeadersCut)?;
        let length = match protocol {
            FRAGMENT_HEADER => {
                // One that is all of its packet is none (RFC 6946).
                if u16::from_be_bytes([header[2], header[3]]) & FRAGMENT_V6 != 0 {
                    return Err(Fragment);
                }
                8
            }
            // RFC 4302 §2.2 counts otherwise.
            AUTHENTICATION => (usize::from(header[1]) + 2) * 4,
            _ => (usize::from(header[1]) + 1) * 8,
        };
        protocol = header[0];
        bytes = bytes.get(length..).ok_or(HeadersCut)?;
    }
    Ok((protocol, bytes))
}

/// RFC 768
fn udp<'a>(packet: &Packet<'a>) -> Result<Datagram<'a>, SkipReason> {
    let (header, bytes) = packet
        .content
        .bytes
        .split_first_chunk::<UDP_HEADER>()
        .ok_or(HeadersCut)?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let length = usize::from(word(4));
    if (1..UDP_HEADER).contains(&length) {
        return Err(Lengths);
    }
    let rest = Content {
        bytes,
        ..packet.content
    };
    let content = rest.limit(length.checked_sub(UDP_HEADER));
    Ok(Datagram {
        source: SocketAddr::new(packet.source, word(0)),
        destination: SocketAddr::new(packet.destination, word(2)),
        ecn: packet.ecn,
        payload: content.bytes,
        cut: content.cut,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP_PAYLOAD: [u8; 13] = [0x11, 0x51, 0, 80, 0, 13, 0xff, 0xff, 1, 2, 3, 4, 5];

    fn v4_packet(length: u16, fragment: u16, protocol: u8, content: &[u8]) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let [flags, offset] = fragment.to_be_bytes();
        let start = [0x45, 0b11, high, low, 0, 0, flags, offset, 64, protocol];
        let end = [0, 0, 192, 0, 2, 1, 198, 51, 100, 2];
        [&start[..], &end, content].concat()
    }

    fn v6_packet(length: u16, next: u8, content: &[u8]) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut packet = vec![0x6f, 0xef, 0, 0, high, low, next, 64];
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        packet.extend(content);
        packet
    }

    /// Returns the payload and whether it is cut.
    fn read(packet: &[u8]) -> Result<(Vec<u8>, bool), SkipReason> {
        let datagram = datagram(packet, false)?;
        Ok((datagram.payload.to_vec(), datagram.cut))
    }

    fn whole() -> Result<(Vec<u8>, bool), SkipReason> {
        Ok((vec![1, 2, 3, 4, 5], false))
    }

    #[test]
    fn an_ipv4_datagram_has_its_addresses_ports_and_ecn() {
        let packet = v4_packet(33, 0x4000, UDP, &UDP_PAYLOAD);
        let expected = Datagram {
            source: "192.0.2.1:4433".parse().unwrap(),
            destination: "198.51.100.2:80".parse().unwrap(),
            ecn: 0b11,
            payload: &[1, 2, 3, 4, 5],
            cut: false,
        };
        assert_eq!(datagram(&packet, false), Ok(expected));
    }

    #[test]
    fn an_ipv6_datagram_has_its_addresses_ports_and_ecn() {
        let packet = v6_packet(13, UDP, &UDP_PAYLOAD);
        let expected = Datagram {
            source: "[2001:db8::1]:4433".parse().unwrap(),
            destination: "[2001:db8::2]:80".parse().unwrap(),
            ecn: 0b10,
            payload: &[1, 2, 3, 4, 5],
            cut: false,
        };
        assert_eq!(datagram(&packet, false), Ok(expected));
    }

    #[test]
    fn ipv4_options_are_passed_over() {
        let mut packet = v4_packet(37, 0, UDP, &[&[1; 4], &UDP_PAYLOAD[..]].concat());
        packet[0] = 0x46;
        assert_eq!(read(&packet), whole());
    }

    #[test]
    fn ipv6_extension_headers_are_passed_over() {
        let chain = [
            &[DESTINATION, 0, 1, 4, 0, 0, 0, 0][..],
            &[ROUTING, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[FRAGMENT_HEADER, 0, 4, 0, 0, 0, 0, 0],
            &[AUTHENTICATION, 0, 0, 0, 0, 0, 0, 7],
            &[UDP, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0],
            &UDP_PAYLOAD,
        ];
        let chain = chain.concat();
        let packet = v6_packet(chain.len() as u16, HOP_BY_HOP, &chain);
        assert_eq!(read(&packet), whole());
        for length in 40..packet.len() - UDP_PAYLOAD.len() + UDP_HEADER {
            assert_eq!(read(&packet[..length]), Err(HeadersCut), "{length}");
        }
    }

    #[test]
    fn what_pads_a_frame_is_no_payload() {
        let padded = [&UDP_PAYLOAD[..], &[0; 9]].concat();
        assert_eq!(read(&v4_packet(33, 0, UDP, &padded)), whole());
        assert_eq!(read(&v6_packet(13, UDP, &padded)), whole());
        let longer_than_udp = v4_packet(42, 0, UDP, &padded);
        assert_eq!(read(&longer_than_udp), whole());
    }

    #[test]
    fn a_snapped_packet_is_cut_unless_only_padding_is_missing() {
        let packet = v4_packet(33, 0, UDP, &UDP_PAYLOAD);
        assert_eq!(read(&packet[..30]), Ok((vec![1, 2], true)));
        assert_eq!(read(&packet[..28]), Ok((vec![], true)));
        for length in 0..28 {
            assert_eq!(read(&packet[..length]), Err(HeadersCut), "{length}");
        }
        let snapped = datagram(&packet, true).unwrap();
        assert!(!snapped.cut);
    }

    #[test]
    fn a_length_of_zero_leaves_it_to_what_was_captured() {
        let mut content = UDP_PAYLOAD;
        assert_eq!(read(&v4_packet(0, 0, UDP, &content)), whole());
        assert_eq!(read(&v6_packet(0, UDP, &content)), whole());
        content[5] = 0;
        let packet = v6_packet(0, UDP, &content);
        assert_eq!(read(&packet), whole());
        assert!(datagram(&packet, true).unwrap().cut);
    }

    #[test]
    fn lengths_that_contradict_one_another_are_told() {
        for length in 1..20 {
            let packet = v4_packet(length, 0, UDP, &UDP_PAYLOAD);
            assert_eq!(read(&packet), Err(Lengths), "{length}");
        }
        let mut short_header = v4_packet(33, 0, UDP, &UDP_PAYLOAD);
        short_header[0] = 0x44;
        assert_eq!(read(&short_header), Err(Lengths));
        let mut content = UDP_PAYLOAD;
        for length in 1..8 {
            content[5] = length;
            assert_eq!(read(&v4_packet(33, 0, UDP, &content)), Err(Lengths));
        }
        content[5] = 14;
        let longer_than_its_packet = v4_packet(33, 0, UDP, &content);
        let cut = Ok((vec![1, 2, 3, 4, 5], true));
        assert_eq!(read(&longer_than_its_packet), cut);
    }

    #[test]
    fn fragments_are_told_from_packets() {
        for fragment in [0x2000, 0x0001, 0x1fff] {
            let packet = v4_packet(33, fragment, UDP, &UDP_PAYLOAD);
            assert_eq!(read(&packet), Err(Fragment));
        }
        for fragment in [[0, 1], [0, 8], [0xff, 0xf8]] {
            let header = [UDP, 0, fragment[0], fragment[1], 0, 0, 0, 0];
            let content = [&header[..], &UDP_PAYLOAD].concat();
            let packet = v6_packet(21, FRAGMENT_HEADER, &content);
            assert_eq!(read(&packet), Err(Fragment));
        }
    }

    #[test]
    fn other_protocols_are_told() {
        assert_eq!(read(&v4_packet(33, 0, 1, &UDP_PAYLOAD)), Err(Icmp));
        assert_eq!(read(&v6_packet(13, 58, &UDP_PAYLOAD)), Err(Icmp));
        assert_eq!(read(&v4_packet(33, 0, 6, &UDP_PAYLOAD)), Err(NotUdp));
        assert_eq!(read(&v6_packet(0, 59, &[])), Err(NotUdp));
        assert_eq!(read(&[0x50; 60]), Err(NotIp));
    }
}

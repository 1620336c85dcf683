//! The UDP datagram in an IP packet. Length fields decide what belongs to it;
//! checksums do not count, since network cards often fill them in later.

use std::net::SocketAddr;

use etherparse::{
    LaxIpSlice, LenSource, UdpHeader, UdpHeaderSlice,
    err::{
        ip::{HeaderError, LaxHeaderSliceError},
        ipv6_exts::HeaderSliceError,
    },
    ip_number,
};

use super::skipped::SkipReason::{self, Fragment, HeadersCut, Icmp, Lengths, NotIp, NotUdp};

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

/// Returns the datagram of an IP packet, or why there is none; `cut` tells
/// that the packet was longer than these bytes.
///
/// A length of zero is of a packet that the network card was yet to divide, or
/// of a jumbogram (RFC 2675): all that was captured belongs to it.
pub(super) fn datagram(bytes: &[u8], cut: bool) -> Result<Datagram<'_>, SkipReason> {
    let (packet, stopped) = LaxIpSlice::from_slice(bytes).map_err(|error| match error {
        LaxHeaderSliceError::Len(_) => HeadersCut,
        LaxHeaderSliceError::Content(HeaderError::UnsupportedIpVersion { .. }) => NotIp,
        LaxHeaderSliceError::Content(_) => Lengths,
    })?;
    let ecn = match &packet {
        LaxIpSlice::Ipv4(packet) => {
            let header = packet.header();
            if (1..header.slice().len()).contains(&header.total_len().into()) {
                return Err(Lengths);
            }
            header.ecn()
        }
        LaxIpSlice::Ipv6(packet) => packet.header().ecn(),
    };
    let content = packet.payload();
    match stopped {
        // One that is all of its packet is none (RFC 6946).
        _ if content.fragmented => return Err(Fragment),
        Some((HeaderSliceError::Len(_), _)) => return Err(HeadersCut),
        Some((HeaderSliceError::Content(_), _)) => return Err(Lengths),
        None => {}
    }
    match content.ip_number {
        ip_number::UDP => {}
        ip_number::ICMP | ip_number::IPV6_ICMP => return Err(Icmp),
        _ => return Err(NotUdp),
    }
    let cut = content.incomplete || cut && content.len_source == LenSource::Slice;
    let header = UdpHeaderSlice::from_slice(content.payload).map_err(|_| HeadersCut)?;
    let rest = &content.payload[UdpHeader::LEN..];
    let (payload, cut) = match usize::from(header.length()).checked_sub(UdpHeader::LEN) {
        Some(length) => (&rest[..length.min(rest.len())], length > rest.len()),
        None if header.length() > 0 => return Err(Lengths),
        None => (rest, cut),
    };
    Ok(Datagram {
        source: SocketAddr::new(packet.source_addr(), header.source_port()),
        destination: SocketAddr::new(packet.destination_addr(), header.destination_port()),
        ecn: ecn.value(),
        payload,
        cut,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: u8 = 17;
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT_HEADER: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;

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
    fn a_datagram_has_its_addresses_ports_and_ecn() {
        let v4 = v4_packet(33, 0x4000, UDP, &UDP_PAYLOAD);
        let v6 = v6_packet(13, UDP, &UDP_PAYLOAD);
        for (packet, source, destination, ecn) in [
            (v4, "192.0.2.1:4433", "198.51.100.2:80", 0b11),
            (v6, "[2001:db8::1]:4433", "[2001:db8::2]:80", 0b10),
        ] {
            let expected = Datagram {
                source: source.parse().unwrap(),
                destination: destination.parse().unwrap(),
                ecn,
                payload: &[1, 2, 3, 4, 5],
                cut: false,
            };
            assert_eq!(datagram(&packet, false), Ok(expected));
        }
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
        for length in 40..packet.len() - UDP_PAYLOAD.len() + UdpHeader::LEN {
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

//! The IP and UDP headers that a datagram had on its way, as far as a socket
//! knows: the time to live is made up.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv4Header, Ipv6Header, UdpHeader};

use crate::ObservedDatagram;

/// Bytes of the longest headers.
pub(super) const HEADERS_MAX: usize = Ipv6Header::LEN + UdpHeader::LEN;

const TIME_TO_LIVE: u8 = 64;

/// Appends one of the datagrams that passed, with its headers.
pub(super) fn write(out: &mut Vec<u8>, passing: &ObservedDatagram<'_>, payload: &[u8]) {
    let (source, destination) = passing.direction.ends(passing.local, passing.remote);
    let length = (UdpHeader::LEN + payload.len()) as u16;
    // The UDP checksum counts the addresses, the protocol and the length, too
    // (RFC 768, RFC 8200 §8.1). Ours is twice as fast as that of etherparse.
    let mut sum = Checksum::default();
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut ip = Ipv4Header {
                ecn: passing.ecn.try_into().unwrap_or_default(),
                total_len: length.saturating_add(Ipv4Header::MIN_LEN_U16),
                dont_fragment: true,
                time_to_live: TIME_TO_LIVE,
                protocol: IpNumber::UDP,
                source: source.octets(),
                destination: destination.octets(),
                ..Ipv4Header::default()
            };
            ip.header_checksum = ip.calc_header_checksum();
            out.extend(ip.to_bytes());
            sum.add(&ip.source);
            sum.add(&ip.destination);
        }
        (source, destination) => {
            let ip = Ipv6Header {
                traffic_class: passing.ecn,
                payload_length: length,
                next_header: IpNumber::UDP,
                hop_limit: TIME_TO_LIVE,
                source: sixteen(source),
                destination: sixteen(destination),
                ..Ipv6Header::default()
            };
            out.extend(ip.to_bytes());
            sum.add(&ip.source);
            sum.add(&ip.destination);
        }
    }
    let mut udp = UdpHeader {
        source_port: source.port(),
        destination_port: destination.port(),
        length,
        checksum: 0,
    };
    sum.add(&[0, IpNumber::UDP.0]);
    sum.add(&length.to_be_bytes());
    sum.add(&udp.to_bytes());
    sum.add(payload);
    // Zero would mean that there is none.
    udp.checksum = match sum.value() {
        0 => u16::MAX,
        value => value,
    };
    out.extend(udp.to_bytes());
    out.extend(payload);
}

fn sixteen(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The Internet checksum (RFC 1071), in the byte order of this machine until
/// its end (§2B).
#[derive(Default)]
struct Checksum(u64);

impl Checksum {
    /// Adds bytes; only the last addition may be of an odd number.
    fn add(&mut self, bytes: &[u8]) {
        let mut quads = bytes.chunks_exact(4);
        for quad in &mut quads {
            let quad = u32::from_ne_bytes(quad.try_into().expect("a chunk has four bytes"));
            self.0 += u64::from(quad);
        }
        let mut last = [0; 4];
        let rest = quads.remainder();
        last[..rest.len()].copy_from_slice(rest);
        self.0 += u64::from(u32::from_ne_bytes(last));
    }

    fn value(&self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::from_be_bytes((!(sum as u16)).to_ne_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Direction;

    fn written(
        direction: Direction,
        local: &str,
        remote: &str,
        ecn: u8,
        payload: &[u8],
    ) -> Vec<u8> {
        let passing = ObservedDatagram {
            at: Duration::ZERO,
            direction,
            local: local.parse().expect(local),
            remote: remote.parse().expect(remote),
            ecn,
            contents: payload,
            segment_size: None,
        };
        let mut out = Vec::new();
        write(&mut out, &passing, payload);
        out
    }

    /// Sums up as a receiver does: the result over all must be 0xffff.
    fn receivers_sum(parts: &[&[u8]]) -> u16 {
        let bytes = parts.concat();
        let words = bytes.chunks(2).map(|pair| {
            let low = pair.get(1).copied().unwrap_or_default();
            u32::from(u16::from_be_bytes([pair[0], low]))
        });
        words.fold(0_u32, |sum, word| {
            let sum = sum + word;
            (sum & 0xffff) + (sum >> 16)
        }) as u16
    }

    #[test]
    fn an_ipv4_packet_is_right_to_the_bit() {
        let out = written(
            Direction::Sent,
            "192.0.2.1:4433",
            "198.51.100.2:80",
            0b10,
            b"abc",
        );
        let expected = [
            &[0x45, 2, 0, 31, 0, 0, 0x40, 0, 64, 17][..],
            &out[10..12],
            &[192, 0, 2, 1, 198, 51, 100, 2],
            &[0x11, 0x51, 0, 80, 0, 11],
            &out[26..28],
            b"abc",
        ]
        .concat();
        assert_eq!(out, expected);
        assert_eq!(receivers_sum(&[&out[..20]]), 0xffff);
        let pseudo = [&out[12..20], &[0, 17, 0, 11]].concat();
        assert_eq!(receivers_sum(&[&pseudo, &out[20..]]), 0xffff);
    }

    #[test]
    fn an_ipv6_packet_that_came_has_the_peer_as_its_source() {
        let out = written(
            Direction::Received,
            "[2001:db8::1]:1",
            "[2001:db8::2]:2",
            0b11,
            b"abcde",
        );
        assert_eq!(out.len(), HEADERS_MAX + 5);
        assert_eq!(out[..8], [0x60, 0x30, 0, 0, 0, 13, 17, 64]);
        assert_eq!((out[23], out[39]), (2, 1), "from the peer to us");
        assert_eq!(out[40..46], [0, 2, 0, 1, 0, 13]);
        let pseudo = [&out[8..40], &[0, 0, 0, 13, 0, 0, 0, 17]].concat();
        assert_eq!(receivers_sum(&[&pseudo, &out[40..]]), 0xffff);
    }

    #[test]
    fn a_checksum_of_zero_is_sent_as_all_ones() {
        let plain = written(Direction::Sent, "0.0.0.0:0", "0.0.0.0:0", 0, &[0, 0]);
        // What makes the sum come out as zero.
        let filling = [plain[26], plain[27]];
        let out = written(Direction::Sent, "0.0.0.0:0", "0.0.0.0:0", 0, &filling);
        assert_eq!(out[26..28], [0xff, 0xff]);
    }
}

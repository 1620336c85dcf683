//! The IP and UDP headers that a datagram had on its way, as far as a socket
//! knows: the time to live is made up.

use std::net::{IpAddr, SocketAddr};

use crate::{Direction, ObservedDatagram};

/// Bytes of the longest headers.
pub(super) const HEADERS_MAX: usize = 48;

const UDP: u8 = 17;
const UDP_HEADER: usize = 8;
const TIME_TO_LIVE: u8 = 64;
const DONT_FRAGMENT: u16 = 0x4000;

/// Appends one of the datagrams that passed, with its headers.
pub(super) fn write(out: &mut Vec<u8>, passing: &ObservedDatagram<'_>, payload: &[u8]) {
    let (source, destination) = match passing.direction {
        Direction::Received => (passing.remote, passing.local),
        Direction::Sent => (passing.local, passing.remote),
    };
    let length = (UDP_HEADER + payload.len()) as u16;
    let mut sum = Checksum::default();
    match (source.ip(), destination.ip()) {
        // RFC 791 §3.1
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let start = out.len();
            out.extend([0x45, passing.ecn]);
            out.extend((20 + length).to_be_bytes());
            out.extend([0; 2]);
            out.extend(DONT_FRAGMENT.to_be_bytes());
            out.extend([TIME_TO_LIVE, UDP, 0, 0]);
            out.extend(source.octets());
            out.extend(destination.octets());
            let mut header = Checksum::default();
            header.add(&out[start..]);
            out[start + 10..start + 12].copy_from_slice(&header.value().to_be_bytes());
            sum.add(&out[start + 12..]);
        }
        // RFC 8200 §3
        (source, destination) => {
            let start = out.len();
            out.extend([0x60, passing.ecn << 4, 0, 0]);
            out.extend(length.to_be_bytes());
            out.extend([UDP, TIME_TO_LIVE]);
            out.extend(sixteen(source));
            out.extend(sixteen(destination));
            sum.add(&out[start + 8..]);
        }
    }
    write_udp(out, source, destination, payload, sum);
}

/// Appends the UDP header and payload; `sum` has the addresses already
/// (RFC 768, RFC 8200 §8.1).
fn write_udp(
    out: &mut Vec<u8>,
    source: SocketAddr,
    destination: SocketAddr,
    payload: &[u8],
    mut sum: Checksum,
) {
    let length = ((UDP_HEADER + payload.len()) as u16).to_be_bytes();
    sum.add(&[0, UDP]);
    sum.add(&length);
    let start = out.len();
    out.extend(source.port().to_be_bytes());
    out.extend(destination.port().to_be_bytes());
    out.extend(length);
    out.extend([0; 2]);
    sum.add(&out[start..]);
    sum.add(payload);
    // Zero would mean that there is none.
    let value = match sum.value() {
        0 => u16::MAX,
        value => value,
    };
    out[start + 6..start + 8].copy_from_slice(&value.to_be_bytes());
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

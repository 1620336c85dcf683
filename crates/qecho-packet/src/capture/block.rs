//! Reads back the blocks that we have made, for those who write them.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::Direction;

use super::pcapng;

/// One block after another.
pub(super) struct Blocks<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Blocks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = word(self.0, 4)? as usize;
        let (block, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(block)
    }
}

/// What a block has that the next file may have to say again.
pub(super) enum Content<'a> {
    /// Lines of a key log.
    Secrets(&'a str),
    /// A datagram.
    Packet(Captured<'a>),
    /// Something else.
    Other,
}

/// A datagram as it stands in a block.
#[derive(Clone, Copy)]
pub(super) struct Captured<'a> {
    pub(super) at: Duration,
    pub(super) direction: Direction,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) payload: &'a [u8],
}

/// Reads one block.
pub(super) fn content(block: &[u8]) -> Content<'_> {
    let content = match word(block, 0) {
        Some(pcapng::DECRYPTION_SECRETS) => secrets(block).map(Content::Secrets),
        Some(pcapng::ENHANCED_PACKET) => packet(block).map(Content::Packet),
        _ => None,
    };
    content.unwrap_or(Content::Other)
}

fn secrets(block: &[u8]) -> Option<&str> {
    let length = word(block, 12)? as usize;
    std::str::from_utf8(block.get(16..16 + length)?).ok()
}

fn packet(block: &[u8]) -> Option<Captured<'_>> {
    let stamp = (u64::from(word(block, 12)?) << 32) | u64::from(word(block, 16)?);
    let length = word(block, 20)? as usize;
    let packet = block.get(28..28 + length)?;
    let (source, destination, udp) = match packet.first()? >> 4 {
        4 => (
            v4(packet.get(12..16)?)?,
            v4(packet.get(16..20)?)?,
            packet.get(20..)?,
        ),
        _ => (
            v6(packet.get(8..24)?)?,
            v6(packet.get(24..40)?)?,
            packet.get(40..)?,
        ),
    };
    let (ports, payload) = (udp.get(..4)?, udp.get(8..)?);
    let source = SocketAddr::new(source, u16::from_be_bytes([ports[0], ports[1]]));
    let destination = SocketAddr::new(destination, u16::from_be_bytes([ports[2], ports[3]]));
    // The direction is the last option that we write.
    let (direction, local, remote) = match word(block, block.len().checked_sub(12)?)? & 0b11 {
        0b01 => (Direction::Received, destination, source),
        _ => (Direction::Sent, source, destination),
    };
    Some(Captured {
        at: Duration::from_nanos(stamp),
        direction,
        local,
        remote,
        payload,
    })
}

fn v4(octets: &[u8]) -> Option<IpAddr> {
    Some(<[u8; 4]>::try_from(octets).ok()?.into())
}

fn v6(octets: &[u8]) -> Option<IpAddr> {
    let octets = <[u8; 16]>::try_from(octets).ok()?;
    Some(Ipv6Addr::from(octets).into())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use crate::ObservedDatagram;

    use super::{super::packet, *};

    #[test]
    fn what_was_written_is_read_back() {
        for (direction, local, remote) in [
            (Direction::Received, "192.0.2.1:1", "192.0.2.2:65535"),
            (Direction::Sent, "[2001:db8::1]:1", "[2001:db8::2]:2"),
        ] {
            let passing = ObservedDatagram {
                at: Duration::from_nanos(0x1_0000_0002),
                direction,
                local: local.parse().expect(local),
                remote: remote.parse().expect(remote),
                ecn: 0,
                contents: b"abcde",
                segment_size: None,
            };
            let mut out = pcapng::secrets("A 1 2\n");
            for comment in [None, Some("a comment")] {
                pcapng::packet(&mut out, passing.at, direction, comment, |out| {
                    packet::write(out, &passing, b"abcde")
                });
            }
            out.extend(pcapng::statistics(passing.at, 0, 0, None));
            let blocks: Vec<_> = Blocks(&out).collect();
            assert_eq!(blocks.len(), 4);
            assert!(matches!(content(blocks[0]), Content::Secrets("A 1 2\n")));
            for block in &blocks[1..3] {
                let Content::Packet(captured) = content(block) else {
                    panic!("no packet");
                };
                assert_eq!(captured.at, passing.at);
                assert_eq!(captured.direction, direction);
                assert_eq!(captured.local, passing.local);
                assert_eq!(captured.remote, passing.remote);
                assert_eq!(captured.payload, b"abcde");
            }
            assert!(matches!(content(blocks[3]), Content::Other));
        }
    }
}

//! Datagrams with long headers of which quinn-proto makes less than the RFCs ask for.

use qecho_packet::wire::{self, PacketType};

use crate::{connection_id, limits::INITIAL_DATAGRAM_MIN};

/// The version that we speak, and one that is reserved so that clients learn to ignore what
/// they do not know (RFC 9000 §15).
const VERSION_1: u32 = 1;
const RESERVED_VERSIONS: [u32; 2] = [0x0a1a_2a3a, 0x0a1a_2a4a];

/// Writes a Version Negotiation packet into `answer` if a datagram asks for one that the
/// state machine does not give: other versions may have connection IDs of up to 255 bytes
/// (RFC 8999 §5.1, §6; RFC 9000 §17.2.1). It is smaller than what it answers.
pub(super) fn negotiates(datagram: &[u8], answer: &mut Vec<u8>) -> bool {
    let Some((version, destination, source)) = invariants(datagram) else {
        return false;
    };
    let is_long = [destination, source].iter().any(|id| id.len() > 20);
    let is_small = datagram.len() < usize::from(INITIAL_DATAGRAM_MIN);
    if is_small || !is_long || matches!(version, 0 | VERSION_1) {
        return false;
    }
    // The bits after the first two are arbitrary.
    answer.push(0xc0);
    answer.extend(0_u32.to_be_bytes());
    for id in [source, destination] {
        answer.push(id.len() as u8);
        answer.extend_from_slice(id);
    }
    let reserved = RESERVED_VERSIONS.into_iter().find(|one| *one != version);
    for version in reserved.into_iter().chain([VERSION_1]) {
        answer.extend(version.to_be_bytes());
    }
    true
}

/// Returns the version and both connection IDs of a long header of any version (RFC 8999
/// §5.1).
fn invariants(datagram: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (version, rest) = datagram.get(1..)?.split_first_chunk()?;
    let (&length, rest) = rest.split_first()?;
    let (destination, rest) = rest.split_at_checked(length.into())?;
    let (&length, rest) = rest.split_first()?;
    let source = rest.get(..length.into())?;
    Some((u32::from_be_bytes(*version), destination, source))
}

/// Tells whether a datagram has an Initial packet with a token, which clients alone may send
/// (RFC 9000 §17.2.2).
pub(super) fn has_token(datagram: &[u8]) -> bool {
    wire::packets(datagram, connection_id::LENGTH)
        .flatten()
        .any(|packet| {
            packet.header.packet_type == PacketType::Initial && !packet.header.token.is_empty()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(version: u32, destination: usize, source: usize) -> Vec<u8> {
        let mut bytes = vec![0xc0];
        bytes.extend(version.to_be_bytes());
        for (length, byte) in [(destination, 0xdd), (source, 0x55)] {
            bytes.push(length as u8);
            bytes.resize(bytes.len() + length, byte);
        }
        bytes.resize(1_200, 0);
        bytes
    }

    #[test]
    fn connection_ids_of_every_length_are_sent_back_in_the_other_order() {
        for (destination, source) in [(21, 0), (0, 21), (30, 25), (255, 255)] {
            let mut answer = Vec::new();
            let asked = datagram(0x1a2a_3a4a, destination, source);
            assert!(negotiates(&asked, &mut answer));
            assert!(answer.len() < asked.len());
            let (version, to, from) = invariants(&answer).expect("it is whole");
            assert_eq!(version, 0);
            assert_eq!(to, vec![0x55; source]);
            assert_eq!(from, vec![0xdd; destination]);
            let versions = &answer[7 + destination + source..];
            assert_eq!(versions, [0x0a, 0x1a, 0x2a, 0x3a, 0, 0, 0, 1]);
        }
    }

    #[test]
    fn others_are_for_the_state_machine_or_for_nobody() {
        for (version, destination, source, size) in [
            (0x1a2a_3a4a, 20, 20, 1_200),
            (0x1a2a_3a4a, 21, 20, 1_199),
            (0, 30, 30, 1_200),
            (1, 30, 30, 1_200),
        ] {
            let mut asked = datagram(version, destination, source);
            asked.truncate(size);
            assert!(!negotiates(&asked, &mut Vec::new()));
        }
        let asked = datagram(2, 255, 255);
        for length in 0..asked.len() {
            assert!(!negotiates(&asked[..length], &mut Vec::new()));
        }
    }
}

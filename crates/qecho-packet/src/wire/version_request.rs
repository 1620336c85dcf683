//! Packets that a server can only answer with the versions that it speaks.

use super::{Header, PacketType};

/// A version that is reserved to provoke Version Negotiation (RFC 9000 §15).
const RESERVED_VERSION: u32 = 0x1a2a_3a4a;

/// A long header, with the bit that is fixed in version 1.
const FIRST_BYTE: u8 = 0xc0;

/// Bytes of a datagram that a server has to answer (RFC 9000 §14.1).
const DATAGRAM_SIZE: usize = 1_200;

/// Name of a request for the versions of a server (RFC 9000 §6): its connection IDs are made of
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRequest {
    /// Tells requests of one sender from those of another.
    pub nonce: u64,
    /// Number of the request.
    pub sequence: u64,
}

impl VersionRequest {
    /// Returns the datagram of the request: only what RFC 8999 says of long headers means
    /// anything in it.
    pub fn datagram(self) -> Vec<u8> {
        let mut packet = vec![FIRST_BYTE];
        packet.extend(RESERVED_VERSION.to_be_bytes());
        // The two must differ, and the server's part of them must be eight bytes
        // or more.
        for sequence in [!self.sequence, self.sequence] {
            packet.push(16);
            packet.extend(self.nonce.to_be_bytes());
            packet.extend(sequence.to_be_bytes());
        }
        packet.resize(DATAGRAM_SIZE, 0);
        packet
    }

    /// Returns the request that a packet is, if it is one of this `nonce`.
    pub fn asked_by(nonce: u64, header: &Header) -> Option<Self> {
        let sequence = sequence_in(nonce, header.source.as_ref()?)?;
        Some(Self { nonce, sequence })
    }

    /// Returns the request of this `nonce` that a packet answers, if it is Version Negotiation
    /// for one: it has both our connection IDs, the other way round (RFC 9000 §17.2.1).
    pub fn answered_by(nonce: u64, header: &Header) -> Option<Self> {
        if header.packet_type != PacketType::VersionNegotiation {
            return None;
        }
        let sequence = sequence_in(nonce, &header.destination)?;
        let source = header.source.as_ref()?;
        (sequence_in(nonce, source) == Some(!sequence)).then_some(Self { nonce, sequence })
    }
}

/// Returns the number that is behind the `nonce` in a connection ID of ours.
fn sequence_in(nonce: u64, id: &[u8]) -> Option<u64> {
    let (known, sequence) = id.split_first_chunk()?;
    let sequence = sequence.try_into().map(u64::from_be_bytes).ok()?;
    (*known == nonce.to_be_bytes()).then_some(sequence)
}

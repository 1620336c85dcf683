//! Packet headers (RFC 8999, RFC 9000 §17), and the packets that a datagram
//! carries (§12.2).

mod writing;

use super::{
    ConnectionId,
    reader::{Malformed, Reader},
    version::shares_lengths,
};

const LONG_HEADER: u8 = 0x80;
const FIXED_BIT: u8 = 0x40;
const SPIN_BIT: u8 = 0x20;
pub(crate) const KEY_PHASE: u8 = 0x04;
/// QUIC version 1 (RFC 9000 §15).
pub const VERSION_1: u32 = 1;
/// QUIC version 2 (RFC 9369 §3.1).
pub const VERSION_2: u32 = 0x6b33_43cf;

/// Bytes of the integrity tag that ends a Retry packet (RFC 9001 §5.8).
const RETRY_TAG: usize = 16;

/// The kinds of packets of version 1 (RFC 9000 §17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PacketType {
    /// §17.2.1
    VersionNegotiation,
    /// §17.2.2
    Initial,
    /// §17.2.3
    ZeroRtt,
    /// §17.2.4
    Handshake,
    /// §17.2.5
    Retry,
    /// §17.3.1
    OneRtt,
    /// A long header of another version; only RFC 8999 says what it means.
    Unknown,
}

impl PacketType {
    /// Returns the name that RFC 9000 gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::VersionNegotiation => "Version Negotiation",
            Self::Initial => "Initial",
            Self::ZeroRtt => "0-RTT",
            Self::Handshake => "Handshake",
            Self::Retry => "Retry",
            Self::OneRtt => "1-RTT",
            Self::Unknown => "unknown",
        }
    }

    /// Returns which packet number space it belongs to (RFC 9000 §12.3).
    pub(crate) fn space(self) -> usize {
        match self {
            Self::Initial => 0,
            Self::Handshake => 1,
            _ => 2,
        }
    }

    /// Tells whether its payload is frames, under protection.
    pub fn is_protected(self) -> bool {
        matches!(
            self,
            Self::Initial | Self::ZeroRtt | Self::Handshake | Self::OneRtt
        )
    }
}

/// The part of a packet's header that can be read without any key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The kind of packet.
    pub packet_type: PacketType,
    /// The version of a long header; `None` for a short one.
    pub version: Option<u32>,
    /// The receiver's connection ID.
    pub destination: ConnectionId,
    /// The sender's connection ID; long headers alone.
    pub source: Option<ConnectionId>,
    /// The token of an Initial packet, or the one that a Retry gives.
    pub token: Vec<u8>,
    /// The versions that a Version Negotiation packet offers.
    pub versions: Vec<u32>,
    /// The spin bit of a short header (§17.4).
    pub spin: bool,
}

impl Header {
    /// Returns a long header without token and versions.
    pub fn long(
        packet_type: PacketType,
        version: u32,
        destination: ConnectionId,
        source: ConnectionId,
    ) -> Self {
        Self {
            packet_type,
            version: Some(version),
            destination,
            source: Some(source),
            token: Vec::new(),
            versions: Vec::new(),
            spin: false,
        }
    }

    /// Returns a short header, whose spin bit is 0.
    pub fn short(destination: ConnectionId) -> Self {
        Self {
            packet_type: PacketType::OneRtt,
            version: None,
            destination,
            source: None,
            token: Vec::new(),
            versions: Vec::new(),
            spin: false,
        }
    }
}

/// The packet number in a header whose protection is removed
/// (RFC 9001 §5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketNumber {
    /// The number as it is on the wire.
    pub truncated: u32,
    /// Bytes in which it stands.
    pub length: usize,
    /// The key phase bit of a short header (RFC 9001 §6).
    pub key_phase: bool,
}

impl PacketNumber {
    /// Reads it from the unprotected first byte and the bytes where the number
    /// stands.
    pub fn read(first: u8, bytes: &[u8]) -> Option<Self> {
        let length = usize::from(first & 0x03) + 1;
        let number = bytes.get(..length)?;
        Some(Self {
            truncated: number
                .iter()
                .fold(0, |number, byte| number << 8 | u32::from(*byte)),
            length,
            key_phase: first & LONG_HEADER == 0 && first & KEY_PHASE != 0,
        })
    }

    /// Returns the whole number, given the one that is expected next (RFC 9000
    /// §A.3).
    pub fn expand(self, expected: u64) -> u64 {
        let window = 1_u64 << (8 * self.length);
        let candidate = expected & !(window - 1) | u64::from(self.truncated);
        if candidate + window / 2 <= expected && candidate < (1 << 62) - window {
            candidate + window
        } else if candidate > expected + window / 2 && candidate >= window {
            candidate - window
        } else {
            candidate
        }
    }
}

/// A packet as it is in its datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected<'a> {
    /// Its header.
    pub header: Header,
    /// All of its bytes.
    pub bytes: &'a [u8],
    /// Offset of its protected packet number; for packets without one, the end
    /// of the header.
    pub number_offset: usize,
}

impl Protected<'_> {
    /// Tells whether this packet, which stands behind one with the header `first`, may only
    /// look like one with a short header, as any bytes of no other form do.
    ///
    /// RFC 9000 §12.2: all packets of a datagram have the same destination. Where that has no
    /// bytes, the fixed bit tells (§17.3.1), unless it is greased (RFC 9287).
    pub fn is_doubtful_behind(&self, first: &Header) -> bool {
        let is_short = self.header.packet_type == PacketType::OneRtt;
        let is_fixed = self.bytes.first().is_some_and(|byte| byte & FIXED_BIT != 0);
        let is_same = self.header.destination == first.destination;
        is_short && (!is_same || first.destination.is_empty() && !is_fixed)
    }
}

/// The packets of one datagram, in their order.
///
/// Zero bytes behind the last one, which many senders fill a datagram with, are no packet:
/// they are the [`rest`](Self::rest).
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
    offset: usize,
    destination_length: usize,
    knows_version_2: bool,
}

/// Takes a datagram apart into its packets, as far as that goes without keys.
///
/// The fixed bit is not looked at: endpoints may agree to grease it (RFC 9287).
///
/// A short header does not tell the length of its connection ID: it is
/// `destination_length`.
pub fn packets(datagram: &[u8], destination_length: usize) -> Packets<'_> {
    Packets {
        rest: datagram,
        offset: 0,
        destination_length,
        knows_version_2: false,
    }
}

impl<'a> Packets<'a> {
    /// Takes apart packets of [`VERSION_2`], too, which are [`PacketType::Unknown`] otherwise.
    #[must_use]
    pub fn knowing_version_2(self) -> Self {
        Self {
            knows_version_2: true,
            ..self
        }
    }

    /// Returns the bytes that were not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Protected<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = *self.rest.first()?;
        let is_behind = self.offset > 0;
        if first == 0 && is_behind && self.rest.iter().all(|byte| *byte == 0) {
            return None;
        }
        let read = match first & LONG_HEADER {
            0 => short(self.rest, self.destination_length),
            _ => long(self.rest, self.knows_version_2),
        };
        Some(match read {
            Ok(packet) => {
                self.rest = &self.rest[packet.bytes.len()..];
                self.offset += packet.bytes.len();
                Ok(packet)
            }
            Err(malformed) => {
                self.rest = &[];
                let offset = self.offset + malformed.offset;
                Err(Malformed {
                    offset,
                    ..malformed
                })
            }
        })
    }
}

fn short(bytes: &[u8], destination_length: usize) -> Result<Protected<'_>, Malformed> {
    let mut reader = Reader::new(bytes);
    let first = reader.byte("first byte")?;
    let destination = reader.take(destination_length, "destination connection ID")?;
    let number_offset = reader.offset();
    reader.take(1, "packet number")?;
    Ok(Protected {
        header: Header {
            spin: first & SPIN_BIT != 0,
            ..Header::short(ConnectionId::new(destination).unwrap_or_default())
        },
        bytes,
        number_offset,
    })
}

/// By their bits in version 1 (RFC 9000 §17.2), which are one less than those of version 2 (RFC
/// 9369 §3.2).
const LONG_TYPES: [PacketType; 4] = [
    PacketType::Initial,
    PacketType::ZeroRtt,
    PacketType::Handshake,
    PacketType::Retry,
];

fn long(bytes: &[u8], knows_version_2: bool) -> Result<Protected<'_>, Malformed> {
    let mut reader = Reader::new(bytes);
    let first = reader.byte("first byte")?;
    let version = u32::from_be_bytes(reader.array("version")?);
    let [destination, source] = connection_ids(&mut reader, version)?;
    let bits = first >> 4 & 0x03;
    let packet_type = match version {
        0 => PacketType::VersionNegotiation,
        VERSION_1 => LONG_TYPES[usize::from(bits)],
        VERSION_2 if knows_version_2 => LONG_TYPES[usize::from(bits.wrapping_sub(1) & 0x03)],
        _ => PacketType::Unknown,
    };
    let mut header = Header::long(packet_type, version, destination, source);
    let mut number_offset = reader.offset();
    let mut length = bytes.len();
    match packet_type {
        PacketType::VersionNegotiation => {
            while !reader.is_empty() {
                let version = reader.array("list of versions")?;
                header.versions.push(u32::from_be_bytes(version));
            }
        }
        PacketType::Retry => {
            let short = reader.malformed("Retry integrity tag");
            let rest = reader.take_rest();
            let token_length = rest.len().checked_sub(RETRY_TAG);
            let token = token_length.and_then(|length| rest.get(..length));
            header.token = token.ok_or(short)?.to_vec();
        }
        PacketType::Initial | PacketType::ZeroRtt | PacketType::Handshake => {
            if packet_type == PacketType::Initial {
                header.token = reader.take_counted("token")?.to_vec();
            }
            let rest = reader.varint("length")?;
            number_offset = reader.offset();
            let rest = usize::try_from(rest).map_err(|_| reader.malformed("length"))?;
            reader.take(rest, "packet: it is longer than its datagram")?;
            length = reader.offset();
        }
        PacketType::OneRtt | PacketType::Unknown => {}
    }
    Ok(Protected {
        header,
        bytes: &bytes[..length],
        number_offset,
    })
}

/// Reads the receiver's and the sender's connection ID, with their lengths.
fn connection_ids(reader: &mut Reader<'_>, version: u32) -> Result<[ConnectionId; 2], Malformed> {
    const DESTINATION: &str = "destination connection ID";
    const SOURCE: &str = "source connection ID";
    if !shares_lengths(version) {
        return Ok([
            connection_id(reader, DESTINATION, version)?,
            connection_id(reader, SOURCE, version)?,
        ]);
    }
    // Four bits each; 0 stands for none, and others for three bytes more.
    let lengths = reader.byte(DESTINATION)?;
    let mut read = |length: u8, what| {
        let length = match length {
            0 => 0,
            length => usize::from(length) + 3,
        };
        let bytes = reader.take(length, what)?;
        Ok(ConnectionId::new(bytes).unwrap_or_default())
    };
    Ok([
        read(lengths >> 4, DESTINATION)?,
        read(lengths & 0x0f, SOURCE)?,
    ])
}

/// Reads a connection ID with its length; other versions may have longer ones,
/// of which the first bytes are kept.
fn connection_id(
    reader: &mut Reader<'_>,
    what: &'static str,
    version: u32,
) -> Result<ConnectionId, Malformed> {
    let begin = *reader;
    let length = usize::from(reader.byte(what)?);
    let bytes = reader.take(length, what)?;
    match ConnectionId::new(bytes) {
        Some(id) => Ok(id),
        None if version == VERSION_1 => Err(begin.malformed(what)),
        None => Ok(ConnectionId::new(&bytes[..ConnectionId::LENGTH_MAX]).unwrap_or_default()),
    }
}

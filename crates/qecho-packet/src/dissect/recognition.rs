//! Tells QUIC from the other UDP of a capture.

use std::{collections::HashMap, net::SocketAddr};

use super::{CLIENT_INITIAL_DATAGRAM_MIN, CapturedDatagram, ORIGINAL_DESTINATION_LENGTH_MIN};
use crate::{
    DecodedDatagram,
    wire::{ConnectionId, Header, PacketType, Reader, version_name},
};

/// Pairs of addresses that are remembered; the datagrams of others are judged one by one.
const FLOWS_MAX: usize = 65_536;

/// Datagrams that a pair of addresses exchanges, all with the form of short headers, before
/// they are taken for QUIC whose beginning is missing; and how many values of the bits that
/// are protected in the first byte they must have.
const LATE_MIN: u64 = 4;
const LATE_VALUES_MIN: u32 = 3;

/// One in so many of them has its fixed bit set, at least: where it is greased, chance sets it in
/// every second one.
const GREASED_RATIO: u64 = 8;

/// Bytes of the smallest packet with a short header: what is sampled for header protection ends
/// there (RFC 9001 §5.4.2).
const SHORT_LENGTH_MIN: usize = 21;

/// Bytes before the connection IDs of a long header (RFC 8999 §5.1).
const INVARIANT_HEAD: usize = 5;

/// Bytes of the smallest payload with its tag, and of a packet number.
const PROTECTED_LENGTH_MIN: u64 = 20;

/// First bits of a packet (RFC 9000 §17): the form of its header, and the fixed bit.
const LONG_HEADER: u8 = 0x80;
const FIXED_BIT: u8 = 0x40;

/// Bits of the first byte of a short header that are protected (RFC 9001 §5.4.1).
const PROTECTED_BITS: u8 = 0x1f;

/// Flags in the first byte of Google's QUIC before Q044: a version is there, behind a
/// connection ID of eight bytes.
const GOOGLE_FLAGS: u8 = 0x09;

/// Two addresses, in the order of their numbers.
type Flow = (SocketAddr, SocketAddr);

/// Protocol of a UDP datagram, as far as its bytes show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recognized {
    /// QUIC of version 1, or something about versions.
    Quic,
    /// QUIC of another version, whose long header can be shown.
    OtherVersion(u32),
    /// The same, of which nothing can be shown.
    Opaque(u32),
    /// Something else.
    Other,
}

/// Protocol between two addresses.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Quic,
    OtherVersion(u32),
    /// Datagrams that all have the form of short headers.
    Short(Short),
    Other,
}

/// Datagrams with the form of short headers.
#[derive(Clone, Copy, Debug, Default)]
struct Short {
    count: u64,
    /// Those whose fixed bit is 1: all, unless it is greased (RFC 9287).
    fixed: u64,
    /// A bit for each value of the protected bits of the first byte.
    values: u32,
}

impl Short {
    fn and(self, first: u8) -> Self {
        Self {
            count: self.count + 1,
            fixed: self.fixed + u64::from(first & FIXED_BIT != 0),
            values: self.values | 1 << (first & PROTECTED_BITS),
        }
    }

    fn may_be_quic(self) -> bool {
        self.count >= LATE_MIN
            && self.fixed * GREASED_RATIO >= self.count
            && self.values.count_ones() >= LATE_VALUES_MIN
    }
}

/// Tells QUIC from the other UDP of a capture, by what a datagram has and what was before it
/// between its addresses.
///
/// Nothing but its form speaks for a datagram that no secrets open, so this is a judgement: a
/// version that somebody speaks, lengths that fit (RFC 8999, RFC 9000 §17), and what other
/// protocols of a port leave to QUIC (RFC 9443).
#[derive(Debug, Default)]
pub struct Recognition {
    flows: HashMap<Flow, Kind>,
}

impl Recognition {
    /// Judges the next datagram, of which a [`Dissector`](super::Dissector) has told this.
    pub fn judge(&mut self, seen: &CapturedDatagram<'_>, datagram: &DecodedDatagram) -> Recognized {
        let (one, other) = (seen.source, seen.destination);
        let flow = (one.min(other), one.max(other));
        let known = self.flows.get(&flow).copied();
        let kind = match (datagram.connection, known) {
            (Some(_), _) => Kind::Quic,
            (None, Some(known @ (Kind::Quic | Kind::OtherVersion(_)))) => known,
            (None, known) => alone(seen, datagram, known),
        };
        if known.is_some() || self.flows.len() < FLOWS_MAX {
            self.flows.insert(flow, kind);
        }
        let header = header(datagram);
        match kind {
            Kind::Quic | Kind::OtherVersion(_)
                if header.is_some_and(|header| header.packet_type == PacketType::Unknown) =>
            {
                Recognized::OtherVersion(
                    header.and_then(|header| header.version).unwrap_or_default(),
                )
            }
            Kind::OtherVersion(version) if !is_long_of_version_1(header) => {
                Recognized::Opaque(version)
            }
            Kind::Quic | Kind::OtherVersion(_) => Recognized::Quic,
            Kind::Short(_) | Kind::Other => Recognized::Other,
        }
    }

    /// Returns how many datagrams that were taken for others may be of QUIC connections that
    /// began before the capture.
    pub fn perhaps_late(&self) -> u64 {
        let counts = self.flows.values().map(|kind| match kind {
            Kind::Short(short) if short.may_be_quic() => short.count,
            _ => 0,
        });
        counts.sum()
    }
}

fn header(datagram: &DecodedDatagram) -> Option<&Header> {
    datagram.packets.first()?.header.as_ref()
}

fn is_long_of_version_1(header: Option<&Header>) -> bool {
    header.is_some_and(|header| !matches!(header.packet_type, PacketType::OneRtt))
}

/// Judges a datagram between addresses that were not known to exchange QUIC.
fn alone(seen: &CapturedDatagram<'_>, datagram: &DecodedDatagram, known: Option<Kind>) -> Kind {
    let payload = seen.payload;
    let Some(first) = payload.first() else {
        return known.unwrap_or(Kind::Other);
    };
    if let Some(version) = google(payload) {
        return Kind::OtherVersion(version);
    }
    // RFC 9443 §3: other protocols of a port keep the second bit 0.
    let (is_long, is_fixed) = (first & LONG_HEADER != 0, first & FIXED_BIT != 0);
    match header(datagram) {
        Some(header) if is_long => match header.packet_type {
            PacketType::VersionNegotiation if is_negotiation(header) => Kind::Quic,
            PacketType::VersionNegotiation => Kind::Other,
            PacketType::Unknown if !is_fixed => Kind::Other,
            PacketType::Unknown => {
                let version = header.version.unwrap_or_default();
                match version_name(version).is_some() || begins_unknown(seen, known) {
                    true => Kind::OtherVersion(version),
                    false => Kind::Other,
                }
            }
            // Its lengths fit. A server may grease the bit from its first packet on (RFC 9287).
            _ => Kind::Quic,
        },
        None if seen.cut
            && is_fixed
            && payload.get(..5).is_some_and(|head| head[1..] == VERSION_1) =>
        {
            Kind::Quic
        }
        _ if !is_long && payload.len() >= SHORT_LENGTH_MIN => match known {
            None => Kind::Short(Short::default().and(*first)),
            Some(Kind::Short(short)) => Kind::Short(short.and(*first)),
            Some(known) => known,
        },
        _ => Kind::Other,
    }
}

/// Version 1, as it stands in long headers.
const VERSION_1: [u8; 4] = [0, 0, 0, 1];

/// Tells whether versions are negotiated, although nothing was seen that asks for it: the list
/// has a version that somebody speaks.
fn is_negotiation(header: &Header) -> bool {
    let mut versions = header.versions.iter();
    versions.any(|version| version_name(*version).is_some())
}

/// Returns the version of a packet of Google's first form.
fn google(payload: &[u8]) -> Option<u32> {
    let bytes = payload.get(9..13)?.try_into().ok()?;
    let version = u32::from_be_bytes(bytes);
    let is_one = payload[0] & (LONG_HEADER | GOOGLE_FLAGS) == GOOGLE_FLAGS;
    (is_one && payload[9] == b'Q' && version_name(version).is_some()).then_some(version)
}

/// Tells whether a client may begin so with a version that nobody knows (RFC 8999, RFC 9000
/// §7.2, §14.1): nothing else was exchanged before, and the lengths fit.
fn begins_unknown(seen: &CapturedDatagram<'_>, known: Option<Kind>) -> bool {
    let payload = seen.payload;
    if known.is_some() || payload.len() < CLIENT_INITIAL_DATAGRAM_MIN {
        return false;
    }
    let mut reader = Reader::new(&payload[INVARIANT_HEAD..]);
    let mut next_id = || {
        let id = reader.vector(1, "connection ID").ok()?;
        Some(id.len()).filter(|length| *length <= ConnectionId::LENGTH_MAX)
    };
    let destination = next_id().is_some_and(|length| length >= ORIGINAL_DESTINATION_LENGTH_MIN);
    destination && next_id().is_some() && fits(reader)
}

/// Tells whether what follows the connection IDs is nothing but zero bytes, or a token and a
/// packet as in version 1.
fn fits(mut reader: Reader<'_>) -> bool {
    let mut zeros = reader;
    zeros.skip_while(0);
    if zeros.is_empty() {
        return true;
    }
    let token = reader.take_counted("token");
    let length = token.and_then(|_| reader.varint("length"));
    let rest = reader.take_rest().len() as u64;
    length.is_ok_and(|length| (PROTECTED_LENGTH_MIN..=rest).contains(&length))
}

#[cfg(test)]
mod tests;

//! Transport parameters (QUIC events §5.3, RFC 9000 §18.2).

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeMap},
};

use super::value::{Hex, hex};
use crate::{
    TransportParameters,
    wire::{Malformed, Reader},
};

const PREFERRED_ADDRESS: u64 = 0x0d;

/// The parameters that qlog knows, each with its name and kind.
const KNOWN: [(u64, &str, Kind); 19] = [
    (0x00, "original_destination_connection_id", Kind::Bytes),
    (0x01, "max_idle_timeout", Kind::Integer),
    (0x02, "stateless_reset_token", Kind::Bytes),
    (0x03, "max_udp_payload_size", Kind::Integer),
    (0x04, "initial_max_data", Kind::Integer),
    (0x05, "initial_max_stream_data_bidi_local", Kind::Integer),
    (0x06, "initial_max_stream_data_bidi_remote", Kind::Integer),
    (0x07, "initial_max_stream_data_uni", Kind::Integer),
    (0x08, "initial_max_streams_bidi", Kind::Integer),
    (0x09, "initial_max_streams_uni", Kind::Integer),
    (0x0a, "ack_delay_exponent", Kind::Integer),
    (0x0b, "max_ack_delay", Kind::Integer),
    (0x0c, "disable_active_migration", Kind::Flag),
    (0x0e, "active_connection_id_limit", Kind::Integer),
    (0x0f, "initial_source_connection_id", Kind::Bytes),
    (0x10, "retry_source_connection_id", Kind::Bytes),
    // RFC 9221 §3
    (0x20, "max_datagram_frame_size", Kind::Integer),
    // RFC 9287 §3
    (0x2ab2, "grease_quic_bit", Kind::Flag),
    (PREFERRED_ADDRESS, "preferred_address", Kind::Address),
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Integer,
    Bytes,
    /// There or not, without a value.
    Flag,
    Address,
}

/// The data of `quic:parameters_set`.
pub(super) struct ParametersSet<'a> {
    pub(super) initiator: &'static str,
    pub(super) parameters: &'a TransportParameters,
}

#[derive(Serialize)]
struct UnknownParameter<'a> {
    id: u64,
    value: Hex<'a>,
}

#[derive(Serialize)]
struct PreferredAddress<'a> {
    ip_v4: Ipv4Addr,
    port_v4: u16,
    ip_v6: Ipv6Addr,
    port_v6: u16,
    connection_id: Hex<'a>,
    stateless_reset_token: Hex<'a>,
}

impl Serialize for ParametersSet<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("initiator", self.initiator)?;
        let mut unknown = Vec::new();
        // A name may stand once; a second parameter of its kind is among the
        // unknown ones.
        let mut seen = 0_u32;
        for (id, value) in self.parameters.iter() {
            let known = KNOWN.iter().position(|(known, ..)| *known == id);
            let fresh = known.filter(|index| seen & 1 << index == 0);
            let written = match fresh {
                Some(index) => write(index, value, &mut map)?,
                None => false,
            };
            if written {
                seen |= fresh.map_or(0, |index| 1 << index);
            } else {
                let value = hex(value);
                unknown.push(UnknownParameter { id, value });
            }
        }
        if !unknown.is_empty() {
            map.serialize_entry("unknown_parameters", &unknown)?;
        }
        map.end()
    }
}

/// Writes a parameter, unless its value is not what it should be.
fn write<M: SerializeMap>(index: usize, value: &[u8], map: &mut M) -> Result<bool, M::Error> {
    let (_, name, kind) = KNOWN
        .get(index)
        .ok_or_else(|| M::Error::custom("no such parameter"))?;
    match kind {
        Kind::Integer => match integer(value) {
            Some(integer) => map.serialize_entry(name, &integer)?,
            None => return Ok(false),
        },
        Kind::Bytes => map.serialize_entry(name, &hex(value))?,
        Kind::Flag => map.serialize_entry(name, &true)?,
        Kind::Address => match preferred_address(value) {
            Ok(address) => map.serialize_entry(name, &address)?,
            Err(_) => return Ok(false),
        },
    }
    Ok(true)
}

/// Reads a variable-length integer (RFC 9000 §16) that is all there is.
fn integer(value: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(value);
    let integer = reader.varint("integer").ok()?;
    reader.is_empty().then_some(integer)
}

/// Reads a preferred address (RFC 9000 §18.2).
fn preferred_address(value: &[u8]) -> Result<PreferredAddress<'_>, Malformed> {
    let mut reader = Reader::new(value);
    let address = PreferredAddress {
        ip_v4: reader.array::<4>("IPv4 address")?.into(),
        port_v4: u16::from_be_bytes(reader.array("port")?),
        ip_v6: reader.array::<16>("IPv6 address")?.into(),
        port_v6: u16::from_be_bytes(reader.array("port")?),
        connection_id: hex(reader.vector(1, "connection ID")?),
        stateless_reset_token: hex(reader.take(16, "stateless reset token")?),
    };
    match reader.is_empty() {
        true => Ok(address),
        false => Err(reader.malformed("preferred address")),
    }
}

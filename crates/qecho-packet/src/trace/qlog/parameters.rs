//! Transport parameters (QUIC events §5.3, RFC 9000 §18.2).

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::value::{hex, object};
use crate::{
    TransportParameters,
    wire::{Malformed, Reader, whole_integer},
};

/// The data of `quic:parameters_set`.
pub(super) struct ParametersSet<'a> {
    pub(super) initiator: &'static str,
    pub(super) parameters: &'a TransportParameters,
}

impl Serialize for ParametersSet<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("initiator", self.initiator)?;
        let mut unknown = Vec::new();
        // A name may stand once; a second parameter of its kind is among the
        // unknown ones.
        let mut seen = Vec::new();
        for (id, value) in self.parameters.iter() {
            if !seen.contains(&id) && write(id, value, &mut map)? {
                seen.push(id);
            } else {
                unknown.push(object! { id: id, value: hex(value) });
            }
        }
        if !unknown.is_empty() {
            map.serialize_entry("unknown_parameters", &unknown)?;
        }
        map.end()
    }
}

/// Writes a parameter, unless qlog does not know it or its value is not what it
/// should be.
fn write<M: SerializeMap>(id: u64, value: &[u8], map: &mut M) -> Result<bool, M::Error> {
    let Some(name) = TransportParameters::name(id) else {
        return Ok(false);
    };
    match id {
        0x00 | 0x02 | 0x0f | 0x10 => map.serialize_entry(name, &hex(value))?,
        0x01 | 0x03..=0x0b | 0x0e | 0x20 => match whole_integer(value) {
            Some(integer) => map.serialize_entry(name, &integer)?,
            None => return Ok(false),
        },
        // These have no value.
        0x0c | 0x2ab2 => map.serialize_entry(name, &true)?,
        0x0d => match preferred_address(value) {
            Ok(address) => map.serialize_entry(name, &address)?,
            Err(_) => return Ok(false),
        },
        _ => return Ok(false),
    }
    Ok(true)
}

/// Reads a preferred address (RFC 9000 §18.2).
fn preferred_address(value: &[u8]) -> Result<impl Serialize, Malformed> {
    let mut reader = Reader::new(value);
    let address = object! {
        ip_v4: Ipv4Addr::from(reader.array::<4>("IPv4 address")?),
        port_v4: u16::from_be_bytes(reader.array("port")?),
        ip_v6: Ipv6Addr::from(reader.array::<16>("IPv6 address")?),
        port_v6: u16::from_be_bytes(reader.array("port")?),
        connection_id: hex(reader.vector(1, "connection ID")?),
        stateless_reset_token: hex(reader.take(16, "stateless reset token")?),
    };
    match reader.is_empty() {
        true => Ok(address),
        false => Err(reader.malformed("preferred address")),
    }
}

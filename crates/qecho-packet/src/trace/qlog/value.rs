//! Values that several events have.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde::{Serialize, Serializer};

/// Bytes, as lowercase hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hex<'a>(&'a [u8]);

pub(super) fn hex(bytes: &[u8]) -> Hex<'_> {
    Hex(bytes)
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A version of QUIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version(pub(super) u32);

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:08x}", self.0))
    }
}

/// Lengths of something on the wire, and maybe its bytes (main schema §10).
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct RawInfo<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Hex<'a>>,
}

impl RawInfo<'_> {
    /// Of a whole thing.
    pub(super) fn of_length(length: usize) -> Self {
        Self {
            length: Some(length),
            ..Self::default()
        }
    }

    /// Of neighbouring PADDING frames (QUIC events §8.13.1).
    pub(super) fn of_padding(length: usize) -> Self {
        Self {
            length: Some(length),
            payload_length: Some(length),
            data: None,
        }
    }

    /// Of a frame with data: its Length field is `length` (QUIC events
    /// §8.13.7), not how long the whole frame is.
    pub(super) fn of_data(data: &[u8]) -> Self {
        Self {
            length: Some(data.len()),
            payload_length: Some(data.len()),
            data: None,
        }
    }
}

/// A token that proves an address (RFC 9000 §8.1).
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Token<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    raw: RawInfo<'a>,
}

impl<'a> Token<'a> {
    pub(super) fn new(kind: Option<&'static str>, token: &'a [u8]) -> Self {
        let raw = RawInfo {
            length: Some(token.len()),
            payload_length: None,
            data: Some(hex(token)),
        };
        Self { kind, raw }
    }
}

/// One end of a path.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct TupleEndpointInfo<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_v4: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port_v4: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_v6: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port_v6: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connection_ids: Option<[Hex<'a>; 1]>,
}

impl From<SocketAddr> for TupleEndpointInfo<'_> {
    fn from(address: SocketAddr) -> Self {
        let (ip, port) = (Some(address.ip()), Some(address.port()));
        match address {
            SocketAddr::V4(_) => Self {
                ip_v4: ip,
                port_v4: port,
                ..Self::default()
            },
            SocketAddr::V6(_) => Self {
                ip_v6: ip,
                port_v6: port,
                ..Self::default()
            },
        }
    }
}

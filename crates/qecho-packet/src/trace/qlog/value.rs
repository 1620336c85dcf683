//! Values that several events have.

use std::{fmt, net::SocketAddr};

use serde::{Serialize, Serializer};

/// Makes an object of members in this order; one with a `?` is an `Option`, and
/// left out if it is `None`.
macro_rules! object {
    (@type $name:ident) => { $name };
    (@type $name:ident ?) => { Option<$name> };
    ($($name:ident $(? $(@ $never:tt)?)?: $value:expr),+ $(,)?) => {{
        #[derive(serde::Serialize)]
        struct Object<$($name: serde::Serialize),+> {
            $(
                $(#[serde(skip_serializing_if = "Option::is_none")] $($never)?)?
                $name: object!(@type $name $(? $($never)?)?),
            )+
        }
        Object { $($name: $value),+ }
    }};
}
pub(super) use object;

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

/// Returns the lengths of something on the wire, as far as they can be told
/// (main schema §10).
pub(super) fn raw(length: usize, payload_length: Option<usize>) -> impl Serialize {
    object! { length: length, payload_length?: payload_length }
}

/// Returns a token that proves an address (RFC 9000 §8.1).
pub(super) fn token<'a>(kind: Option<&'static str>, token: &'a [u8]) -> impl Serialize + use<'a> {
    object! { r#type?: kind, raw: object! { length: token.len(), data: hex(token) } }
}

/// Returns one end of a path.
pub(super) fn endpoint(address: SocketAddr, connection_id: Option<&[u8]>) -> impl Serialize {
    let v4 = Some(address).filter(SocketAddr::is_ipv4);
    let v6 = Some(address).filter(SocketAddr::is_ipv6);
    object! {
        ip_v4?: v4.map(|address| address.ip()),
        port_v4?: v4.map(|address| address.port()),
        ip_v6?: v6.map(|address| address.ip()),
        port_v6?: v6.map(|address| address.port()),
        connection_ids?: connection_id.map(|id| [hex(id)]),
    }
}

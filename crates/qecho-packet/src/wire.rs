//! QUIC packets as they are on the wire: headers (RFC 9000 §17) and frames
//! (§19, RFC 9221), read by one decoder for everything that shows them.
//!
//! Nothing here trusts its input: whatever the bytes are, it costs no more
//! than their length and never panics.

mod connection_id;
mod frame;
mod header;
mod reader;
pub mod tls;
mod version;
mod version_request;

pub(crate) use self::reader::Reader;
pub use self::{
    connection_id::ConnectionId,
    frame::{Ack, EcnCounts, Frame, Frames, frames},
    header::{Header, PacketNumber, PacketType, Packets, Protected, packets},
    reader::{Malformed, whole_integer},
    version::version_name,
    version_request::VersionRequest,
};

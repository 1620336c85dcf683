//! QUIC packets as they are on the wire: headers (RFC 9000 §17) and frames
//! (§19, RFC 9221), read by one decoder for everything that shows them, and written.
//!
//! Nothing that reads trusts its input: whatever the bytes are, it costs no more
//! than their length and never panics. [`Header::write`] and [`Frame::write`] write
//! what is read the same again.

mod connection_id;
mod frame;
mod header;
mod reader;
pub mod tls;
mod version;
mod version_request;
mod writer;

pub use self::{
    connection_id::ConnectionId,
    frame::{Ack, EcnCounts, Frame, Frames, frames},
    header::{Header, PacketNumber, PacketType, Packets, Protected, VERSION_1, VERSION_2, packets},
    reader::{Malformed, Reader, whole_integer},
    version::version_name,
    version_request::VersionRequest,
    writer::{INTEGER_MAX, write_integer, write_integer_in},
};
pub(crate) use self::{header::KEY_PHASE, writer::write_counted};

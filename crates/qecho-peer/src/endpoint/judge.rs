//! The hook of rules: what a well-behaved endpoint refuses.

use qecho_packet::wire::Header;

use super::Endpoint;
use crate::{network::Received, received::ReceivedPacket, tls::Level};

/// Fault of something that came, and what the endpoint does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Code of RFC 9000 §20.1 to close with.
    pub code: u64,
    /// The type of the frame that is at fault, if one is.
    pub frame_type: Option<u64>,
    /// The reason that is told.
    pub reason: String,
    /// Whether the packet is discarded without a word, and the connection lives on.
    pub discard: bool,
}

/// Looks at all that comes before it is acted on. Without one, an endpoint takes everything.
///
/// It sees all that goes, too, and may keep what it needs to know of it. Of the rest the
/// endpoint tells.
pub trait Judge {
    /// Judges the header of a packet that is not opened yet, in its datagram.
    fn header(
        &mut self,
        endpoint: &Endpoint,
        header: &Header,
        datagram: &Received,
    ) -> Option<Violation>;

    /// Judges a packet that was opened and came for the first time.
    fn packet(&mut self, endpoint: &Endpoint, packet: &ReceivedPacket) -> Option<Violation>;

    /// Judges the peer's transport parameters, as they stand in their extension.
    fn parameters(&mut self, endpoint: &Endpoint, parameters: &[u8]) -> Option<Violation>;

    /// Learns what was sent.
    fn sent(&mut self, level: Level, number: u64, payload: &[u8]);
}

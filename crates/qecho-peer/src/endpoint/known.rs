//! Questions about a connection.

use std::ops::RangeInclusive;

use qecho_packet::{
    Side, StreamId, TransportParameters,
    wire::{ConnectionId, Frame, frames},
};

use super::{ConnectionIds, Ended, Endpoint, ReceivedStream, space_of};
use crate::{
    network::PathId,
    received::{Close, ReceivedPacket, Record},
    rules::Violation,
    tls::{ClientHello, Level, Negotiated, Session, TlsError},
};

impl Endpoint {
    /// Returns all that came and went.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Returns the packets that were opened.
    pub fn received(&self) -> &[ReceivedPacket] {
        &self.record.packets
    }

    /// Returns the first CONNECTION_CLOSE of the peer.
    pub fn closed(&self) -> Option<&Close> {
        self.closed.as_ref()
    }

    /// Returns how the connection has ended, once it has.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Returns what the rules have closed the connection for.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Returns what TLS found wrong.
    pub fn tls_error(&self) -> Option<&TlsError> {
        self.tls_error.as_ref()
    }

    /// Returns its role.
    pub fn side(&self) -> Side {
        self.side
    }

    /// Returns the version that it speaks.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns the path that it sends on.
    pub fn path(&self) -> PathId {
        self.paths.current
    }

    /// Tells whether the peer's address on a path is validated (RFC 9000 §8).
    pub fn is_validated(&self, path: PathId) -> bool {
        self.paths.is_validated(path)
    }

    /// Tells whether packets of a level can be sent.
    pub fn has_keys(&self, level: Level) -> bool {
        self.keys.can_seal(level)
    }

    /// Tells whether a level is over (RFC 9001 §4.9).
    pub fn is_discarded(&self, level: Level) -> bool {
        self.is_discarded[level as usize]
    }

    /// Tells whether the handshake is complete (RFC 9001 §4.1.1).
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Tells whether the handshake is confirmed (RFC 9001 §4.1.2).
    pub fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    /// Returns its own transport parameters; a server has them once a client came.
    pub fn parameters(&self) -> &TransportParameters {
        &self.parameters
    }

    /// Returns the peer's transport parameters, as far as they can be read.
    pub fn peer_parameters(&self) -> Option<&TransportParameters> {
        self.peer_parameters.as_ref()
    }

    /// Returns what TLS has agreed on; a server's TLS begins with its client.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.tls.negotiated()
    }

    /// Returns what a client has offered to this server.
    pub fn client_hello(&self) -> Option<&ClientHello> {
        self.tls.client_hello()
    }

    /// Returns what a client may resume the connection with.
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Returns the connection IDs of both sides.
    pub fn connection_ids(&self) -> &ConnectionIds {
        &self.ids
    }

    /// Returns the destination of the client's first Initial packet.
    pub fn original_destination(&self) -> ConnectionId {
        self.original_destination
    }

    /// Returns the source of the peer's first packet that was processed.
    pub fn first_source(&self) -> Option<ConnectionId> {
        self.first_source
    }

    /// Returns the source of the Retry, if there was one.
    pub fn retry_source(&self) -> Option<ConnectionId> {
        self.retry_source
    }

    /// Returns the token that a client's Initial packets carry.
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// Returns the number that the next packet of a level has.
    pub fn next_number(&self, level: Level) -> u64 {
        self.spaces[space_of(level)].next
    }

    /// Tells whether a packet of this number was sent.
    pub fn was_sent(&self, level: Level, number: u64) -> bool {
        self.spaces[space_of(level)].sent.contains(number)
    }

    /// Tells whether packets of all these numbers were sent.
    pub(crate) fn has_sent_all(&self, level: Level, numbers: &RangeInclusive<u64>) -> bool {
        self.spaces[space_of(level)].sent.contains_all(numbers)
    }

    /// Returns the frames of the packets of a level that were sent.
    pub(crate) fn sent_frames(&self, level: Level) -> impl Iterator<Item = Frame<'_>> {
        let sent = self.record.sent.iter();
        let sent = sent.filter(move |packet| packet.level == level);
        sent.flat_map(|packet| frames(&packet.payload).map_while(Result::ok))
    }

    /// Tells whether a frame was sent in a 1-RTT packet.
    pub(crate) fn has_sent(&self, frame: &Frame<'_>) -> bool {
        self.sent_frames(Level::OneRtt).any(|sent| sent == *frame)
    }

    /// Tells whether the peer has acknowledged a packet.
    pub fn is_acknowledged(&self, level: Level, number: u64) -> bool {
        self.spaces[space_of(level)].acknowledged.contains(number)
    }

    /// Returns how many key updates of its own there were.
    pub fn generation(&self) -> u64 {
        self.keys.generation()
    }

    /// Returns the CRYPTO bytes of a level that came without gaps.
    pub fn crypto_received(&self, level: Level) -> u64 {
        self.crypto[level as usize].received.offset()
    }

    /// Returns what came on a stream.
    pub fn stream(&self, id: StreamId) -> Option<&ReceivedStream> {
        self.streams.received(id)
    }

    /// Returns what came on all streams.
    pub fn streams(&self) -> impl Iterator<Item = (StreamId, &ReceivedStream)> {
        self.streams.all_received()
    }

    /// Returns the bytes that were written and wait to be sent.
    pub fn unsent(&self) -> usize {
        self.streams.unsent()
    }
}

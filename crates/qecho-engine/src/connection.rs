//! The view of one connection that an application gets.

mod meta;
mod outcome;
mod reading;

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use bytes::Bytes;
use quinn_proto::{VarInt, WriteError};

pub use self::meta::ConnectionKey;
pub(crate) use self::meta::ConnectionMeta;
pub use self::outcome::{Read, ReadEnd, SendDatagramError, Traffic, Written};
use self::reading::owned;
use crate::{
    handshake::Handshake,
    proto::{ToOurs, ToProto, recovery},
};
use qecho_packet::{Dir, RecoveryMetrics, Side, StreamId};

/// Transport parameter of the largest DATAGRAM frame (RFC 9221 §3), and the most bytes of its
/// header.
const MAX_DATAGRAM_FRAME_SIZE: u64 = 0x20;
const DATAGRAM_HEADER_MAX: usize = 9;

/// One connection during a turn.
///
/// Nothing here blocks: what cannot be done now is said, and an
/// [`Event`](crate::Event) tells when it can.
pub struct Connection<'a> {
    proto: &'a mut quinn_proto::Connection,
    meta: &'a mut ConnectionMeta,
    now: Instant,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(
        proto: &'a mut quinn_proto::Connection,
        meta: &'a mut ConnectionMeta,
        now: Instant,
    ) -> Self {
        Self { proto, meta, now }
    }

    /// Returns the time of this turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Returns when the peer's datagram was received that an event comes from: the time of
    /// this turn, unless the driver of the shard knows it better
    /// ([`Shard::handle_datagram_at`](crate::Shard::handle_datagram_at)).
    pub fn received_at(&self) -> Instant {
        self.meta.received_at.unwrap_or(self.now)
    }

    /// Returns what names this connection among all of the shard, for ever.
    pub fn key(&self) -> ConnectionKey {
        self.meta.key
    }

    /// Returns on which side of the connection we are.
    pub fn side(&self) -> Side {
        self.proto.side().to_ours()
    }

    /// Returns the peer's current address.
    pub fn remote_address(&self) -> SocketAddr {
        self.proto.remote_address()
    }

    /// Returns our address on this connection, where the system tells it.
    pub fn local_ip(&self) -> Option<IpAddr> {
        self.proto.local_ip()
    }

    /// Returns what the handshake agreed on, once it is complete.
    pub fn handshake(&self) -> Option<&Handshake> {
        self.meta.handshake.as_deref()
    }

    /// Tells whether a client's handshake is confirmed (RFC 9001 §4.1.2): until then
    /// the server may lack the end of it, and can open nothing that follows, not even
    /// a CONNECTION_CLOSE frame.
    pub fn is_confirmed(&self) -> bool {
        self.meta.is_confirmed
    }

    /// Tells whether a client can send now although its handshake is not
    /// complete: as 0-RTT, which an attacker can replay and the server reject
    /// ([`Handshake::early_data`] tells it).
    pub fn can_send_early(&self) -> bool {
        self.side() == Side::Client && self.meta.handshake.is_none() && self.proto.has_0rtt()
    }

    /// Returns when the connection began.
    pub fn began(&self) -> Instant {
        self.meta.began
    }

    /// Returns how many UDP datagrams of the peer were heard so far.
    pub fn datagrams_received(&self) -> u64 {
        self.proto.stats().udp_rx.datagrams
    }

    /// Returns how many STOP_SENDING frames the peer has sent. For a stream whose FIN it has
    /// acknowledged, no [`Event::Stopped`](crate::Event::Stopped) tells of one.
    pub fn stops_received(&self) -> u64 {
        self.proto.stats().frame_rx.stop_sending
    }

    /// Tells whether the peer has sent anything that only a peer of this connection can send.
    pub fn is_answered(&self) -> bool {
        let frames = self.proto.stats().frame_rx;
        frames.crypto + frames.acks > 0
    }

    /// Returns the smoothed round-trip time (RFC 9002 §5.3).
    pub fn smoothed_rtt(&self) -> Duration {
        self.proto.rtt()
    }

    /// Returns what the transport believes of the path (RFC 9002).
    pub fn recovery(&self) -> RecoveryMetrics {
        recovery(self.proto)
    }

    /// Returns what passed on this connection so far.
    pub fn traffic(&self) -> Traffic {
        let stats = self.proto.stats();
        Traffic {
            datagrams_sent: stats.udp_tx.datagrams,
            bytes_sent: stats.udp_tx.bytes,
            datagrams_received: stats.udp_rx.datagrams,
            bytes_received: stats.udp_rx.bytes,
            packets_sent: stats.path.sent_packets,
        }
    }

    /// Returns the number of this connection among all of its server, by which observations
    /// name it too; on a client there is one only if packets are traced.
    pub fn number(&self) -> Option<u64> {
        self.meta.number
    }

    /// Sends a PING frame (RFC 9000 §19.2) in the next packet: the peer must
    /// acknowledge it, and within its `max_ack_delay`.
    ///
    /// It is not sent again if it is lost. Calls before it is sent count as
    /// one. Probes for losses and the MTU are PING frames too: an observer tells them apart
    /// by their time and their padding.
    pub fn ping(&mut self) {
        self.proto.ping();
    }

    /// Takes the path for another one from now on (RFC 9000 §9.4): what was measured of it is
    /// forgotten, and the search for its MTU begins again, whose large datagrams let a server
    /// answer that does not know this address yet (RFC 9000 §8). What waits to be sent then, a
    /// [`ping`](Self::ping) for instance, passes the congestion window once: what is in flight by
    /// the old path fills the new one's.
    pub fn restart_path(&mut self) {
        self.proto.path_changed(self.now);
        self.meta.passes_window = true;
    }

    /// Opens a stream; `None` when the peer allows no more now
    /// ([`Event::StreamsAvailable`](crate::Event::StreamsAvailable) follows)
    /// or the connection is closed.
    pub fn open(&mut self, direction: Dir) -> Option<StreamId> {
        let id = self.proto.streams().open(direction.to_proto())?.to_ours();
        if direction == Dir::Bidirectional {
            self.meta.unanswered.insert(id);
        }
        Some(id)
    }

    /// Lets the peer come to have at most `most` streams of a direction open
    /// at once; what it was allowed already stays so.
    ///
    /// Streams that are left unread hold their share of the receive window:
    /// an application that leaves streams waiting says here how many.
    pub fn limit_streams(&mut self, direction: Dir, most: u64) {
        self.meta.limit_streams(direction, most);
        self.meta.allow_streams(self.proto, direction);
    }

    /// Writes to a stream as much as flow control and the send window take.
    pub fn write(&mut self, id: StreamId, data: Bytes) -> Written {
        if !self.sends(id) {
            return Written::Closed;
        }
        if data.is_empty() {
            return Written::All;
        }
        let length = data.len();
        let window = self.meta.send_window(length);
        self.proto.set_send_window(window);
        let mut rest = [data];
        loop {
            let mut stream = self.proto.send_stream(id.to_proto());
            match stream.write_chunks(&mut rest) {
                Ok(_) if rest[0].is_empty() => {
                    self.meta.progress.write(length);
                    return Written::All;
                }
                Ok(_) => {}
                Err(WriteError::Blocked) => {
                    let [rest] = rest;
                    self.meta.progress.write(length - rest.len());
                    return Written::Blocked(rest);
                }
                Err(WriteError::Stopped(code)) => return Written::Stopped(code.into_inner()),
                Err(WriteError::ClosedStream) => return Written::Closed,
            }
        }
    }

    /// Ends a stream with a FIN after what was written.
    pub fn finish(&mut self, id: StreamId) {
        if self.sends(id) {
            // A stream that the peer stopped or we reset needs no FIN.
            let _ = self.proto.send_stream(id.to_proto()).finish();
        }
    }

    /// Abandons sending on a stream (RESET_STREAM).
    pub fn reset(&mut self, id: StreamId, code: u64) {
        if self.sends(id) {
            let _ = self.proto.send_stream(id.to_proto()).reset(varint(code));
        }
    }

    /// Asks the peer to send no more on a stream (STOP_SENDING).
    pub fn stop(&mut self, id: StreamId, code: u64) {
        if self.receives(id) {
            let _ = self.proto.recv_stream(id.to_proto()).stop(varint(code));
            self.meta.unanswered.remove(&id);
        }
    }

    /// Sends a DATAGRAM frame, or says why not; never drops another for it.
    pub fn send_datagram(&mut self, data: Bytes) -> Result<(), SendDatagramError> {
        use quinn_proto::SendDatagramError as Refused;
        let sent = self.proto.datagrams().send(data, false);
        sent.map_err(|error| match error {
            Refused::UnsupportedByPeer | Refused::Disabled => SendDatagramError::Unsupported,
            Refused::TooLarge => SendDatagramError::TooLarge,
            Refused::Blocked(_) => SendDatagramError::Blocked,
        })
    }

    /// Takes the next received DATAGRAM frame.
    pub fn receive_datagram(&mut self) -> Option<Bytes> {
        let data = self.proto.datagrams().recv()?;
        Some(owned(data, self.meta.datagram_max))
    }

    /// Returns the largest DATAGRAM that fits now; `None` if the peer takes
    /// none.
    pub fn datagram_max(&mut self) -> Option<usize> {
        self.proto.datagrams().max_size()
    }

    /// Returns the largest DATAGRAM that may come to fit when the search for the path's MTU
    /// (RFC 8899) has ended; `None` if the peer takes none.
    pub fn datagram_max_possible(&mut self) -> Option<usize> {
        let now = self.datagram_max()?;
        let mtu = usize::from(self.proto.current_mtu());
        let on_the_path = now + self.meta.udp_payload_max().saturating_sub(mtu);
        // The peer's own limit is of the whole frame (RFC 9221 §3).
        let peer = self.meta.handshake.as_ref();
        let peer = peer.and_then(|peer| peer.peer_parameters.integer(MAX_DATAGRAM_FRAME_SIZE));
        let peer = peer.map_or(usize::MAX, |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
        Some(
            on_the_path
                .min(peer.saturating_sub(DATAGRAM_HEADER_MAX))
                .max(now),
        )
    }

    /// Asks for [`Event::TurnRequested`](crate::Event::TurnRequested) in the next turn, so
    /// that a long task is done in bounded steps.
    pub fn request_turn(&mut self) {
        self.meta.turn_requested = true;
    }

    /// Protects what is sent from now on with new keys (RFC 9001 §6), unless
    /// the last update is not acknowledged yet. Tells whether the handshake is
    /// confirmed; nothing happens before.
    pub fn update_keys(&mut self) -> bool {
        let confirmed = match self.side() {
            Side::Server => self.handshake().is_some(),
            Side::Client => self.proto.stats().frame_rx.handshake_done > 0,
        };
        if confirmed {
            self.proto.force_key_update();
        }
        confirmed
    }

    /// Closes the connection at once with an application code and words for
    /// the peer (RFC 9000 §10.2). What was not acknowledged may be lost.
    pub fn close(&mut self, code: u64, reason: &str) {
        self.meta.close_locally(qecho_packet::CloseReason::Local);
        let reason = Bytes::copy_from_slice(reason.as_bytes());
        self.proto.close(self.now, varint(code), reason);
    }

    /// Tells whether streams are open in either direction, or data of ours
    /// is not acknowledged.
    pub fn has_open_streams(&mut self) -> bool {
        let streams = self.proto.streams();
        !self.meta.unanswered.is_empty()
            || streams.remote_open_streams(quinn_proto::Dir::Bi) > 0
            || streams.remote_open_streams(quinn_proto::Dir::Uni) > 0
            || streams.send_streams() > 0
    }

    /// The state machine asserts directions, and takes calls for streams that
    /// the peer may open but has not, which it would call our error: check
    /// before every call.
    fn sends(&self, id: StreamId) -> bool {
        let ours = id.initiator() == self.side();
        ours || (id.direction() == Dir::Bidirectional && self.meta.accepted(id))
    }

    fn receives(&self, id: StreamId) -> bool {
        if id.initiator() == self.side() {
            return id.direction() == Dir::Bidirectional;
        }
        self.meta.accepted(id)
    }
}

/// Codes that a peer sent are valid by construction; our own are small.
fn varint(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

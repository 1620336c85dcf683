//! QUIC packets as the RFCs have them, without sockets and without an engine.
//!
//! [`wire`] reads headers and frames of bytes that nobody trusts, and writes them;
//! [`protection`] opens and seals packets, given the secrets. On them stand
//! captures ([`capture`]), a reader of captures of any make ([`dissect`]), and traces
//! ([`trace`]), which tell what was in packets, line by line or as qlog.
//! [`Observation`]s are what an endpoint that is watched tells of its packets.
//!
//! The frames of a packet that was opened:
//!
//! ```
//! use qecho_packet::wire::{Frame, frames};
//!
//! // PING, and a STREAM frame with two bytes of stream 0.
//! let payload = [0x01, 0x08, 0x00, b'h', b'i'];
//! let read: Vec<_> = frames(&payload).collect::<Result<_, _>>()?;
//! assert_eq!(read[0], Frame::Ping);
//! assert!(matches!(read[1], Frame::Stream { offset: 0, data: b"hi", .. }));
//! # Ok::<(), qecho_packet::wire::Malformed>(())
//! ```
//!
//! The first packet of a client, sealed as it is sent, and opened as a server does:
//!
//! ```
//! use qecho_packet::{
//!     Side,
//!     protection::{Numbers, OpeningKeys, SealingKeys, Secret, Suite},
//!     wire::{ConnectionId, Frame, Header, PacketType, packets},
//! };
//!
//! let destination = ConnectionId::new(b"original").expect("it is short enough");
//! let secret = Secret::initial(&destination, Side::Client);
//! let mut payload = Vec::new();
//! Frame::Ping.write(&mut payload);
//! Frame::Padding { length: 1_200 }.write(&mut payload);
//! let header = Header::long(PacketType::Initial, 1, destination, ConnectionId::default());
//! let keys = SealingKeys::new(&secret, Suite::Aes128GcmSha256);
//! let datagram = keys.seal_packet(&header, 0, 2, &payload);
//!
//! let packet = packets(&datagram, 0).next().expect("there is one")?;
//! assert_eq!(packet.header, header);
//! let mut keys = OpeningKeys::new(&secret, Suite::Aes128GcmSha256);
//! let opened = keys.open(&packet, Numbers::default()).expect("it is authentic");
//! assert_eq!((opened.number, opened.payload), (0, payload));
//! # Ok::<(), qecho_packet::wire::Malformed>(())
//! ```

pub mod capture;
pub mod close;
mod direction;
pub mod dissect;
mod key_log_file;
mod observation;
mod observer;
pub mod protection;
mod stream_id;
pub mod text;
pub mod trace;
mod transport_parameters;
pub mod wire;
mod writing_thread;

pub use self::{
    close::CloseReason,
    direction::Direction,
    key_log_file::{KEY_LOG_QUEUE_BYTES_MAX, KeyLogDestination, KeyLogFile, KeyLogReport},
    observation::{
        DecodedDatagram, DecodedPacket, DecryptedPacket, DropReason, Observation, RecoveryMetrics,
    },
    observer::{DatagramObserver, ObservedDatagram, Observers},
    stream_id::{Dir, Side, StreamId},
    transport_parameters::TransportParameters,
};

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

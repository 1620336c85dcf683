//! QUIC packets as the RFCs have them, without sockets and without an engine.
//!
//! [`wire`] reads headers and frames of bytes that nobody trusts. On it stand
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

pub mod capture;
pub mod close;
mod direction;
pub mod dissect;
mod key_log_file;
mod observation;
mod observer;
mod protection;
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

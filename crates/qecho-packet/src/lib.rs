//! QUIC packets as the RFCs have them, without sockets and without an engine.
//!
//! [`wire`] reads headers and frames of bytes that nobody trusts. On it stand
//! captures ([`capture`]), a reader of captures of any make ([`dissect`]), and traces
//! ([`trace`]), which tell what was in packets, line by line or as qlog.
//! [`Observation`]s are what an endpoint that is watched tells of its packets.

pub mod capture;
pub mod close;
pub mod dissect;
mod observation;
mod passage;
mod protection;
mod sight;
mod stream_id;
mod tap;
pub mod text;
pub mod trace;
mod transport_parameters;
pub mod wire;

pub use self::{
    close::CloseReason,
    observation::{Dissected, Observation, Opened, Packet, Recovery, Unprocessed},
    passage::Passage,
    sight::Sight,
    stream_id::{Direction, Side, StreamId},
    tap::{Passing, Tap},
    transport_parameters::TransportParameters,
};

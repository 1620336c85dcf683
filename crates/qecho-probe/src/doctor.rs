//! Finds out why QUIC does not work from here to there, or well.
//!
//! A ladder of [rungs](Rung) is climbed from this machine to a connection that stays. Each rung
//! asks the [`World`], keeps what it saw, and judges it by itself: evidence first, and the causes
//! that follow from it as [`Finding`]s. [`Report::verdict`] is the one to begin with.
//!
//! There is no clock and no socket here: whoever climbs brings a [`World`], as
//! the host itself is for the network, and a simulated one for tests.

mod cause;
mod connecting;
mod control;
mod finding;
mod handshake;
mod ladder;
mod machine;
mod names;
mod path;
mod reached;
mod report;
mod staying;
mod udp;
pub mod world;

pub use self::{
    cause::Cause,
    control::{FaultSide, compare},
    finding::Finding,
    ladder::{Door, Options, Progress, Target, climb},
    report::{Report, Rung, RungReport, RungResult},
    world::World,
};

//! Shared parts of the generators beside qecho's own: the command line and the report of
//! `qecho bench`, as far as they are used here, and bytes that can be told apart.

mod load;
mod meter;
mod pattern;

pub use self::{load::Load, meter::Meter};

//! Packets as a person reads them: a line for each packet or frame, a sequence diagram, and the
//! story of an echo.
//!
//! Each takes the events of [`qecho_packet::trace`] and writes into a writer that is given. A busy
//! endpoint has thousands of them a second, so that this is no part of the command line, which is
//! compiled to be small.

mod lines;
mod sequence;
mod story;

pub use self::{
    lines::{Detail, Layout, TraceText, version},
    sequence::Sequence,
    story::StoryText,
};

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

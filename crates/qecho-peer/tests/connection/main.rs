//! Connections of scripted endpoints, with one another and with the engine.

#![expect(clippy::unwrap_used, reason = "tests")]

mod any;
mod engine;
mod odd;
mod pair;
mod recovery;
mod world;

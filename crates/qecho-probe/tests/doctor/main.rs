//! The lower rungs of the doctor, in virtual time: sick networks whose cause it names, and healthy
//! ones, however ugly, of which it names none.

#![expect(clippy::unwrap_used, reason = "tests")]

mod certificates;
mod handshakes;
mod healthy;
mod promised;
mod servers;
mod sick;
mod silences;
mod world;

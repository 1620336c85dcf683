//! qecho: echo over pure QUIC. What a person types and sees is the crate `qecho-cli`.
//!
//! At the end all crates are optimised as one, at this package's level (`[profile.dist]`). That has
//! to be the highest, so that what is better small stays out of here.

use std::process::ExitCode;

/// A stream, a handshake and a packet each take memory and give it back; this
/// does so cheaper than the C library (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    qecho_cli::run()
}

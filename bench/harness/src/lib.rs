//! Builds other people's QUIC stacks, for whoever measures or judges them.
#![expect(
    clippy::print_stderr,
    reason = "its reader sits at a terminal: a build takes minutes"
)]

pub mod package;

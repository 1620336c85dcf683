//! `qecho demo`.

use clap::ValueEnum;

use super::{CaptureArguments, QlogArguments};

/// Options of `qecho demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArguments {
    /// The text to send, at most 1,000 bytes
    #[arg(default_value = "Hello, QUIC!")]
    pub(crate) text: String,

    #[command(flatten)]
    pub(crate) capture: CaptureArguments,

    /// Tell the story of the packets, step by step
    ///
    /// The story is on stdout. `--trace=handshake`, `packets` and `frames` show the packets on
    /// stderr, as the other commands do.
    #[arg(long, value_name = "DETAIL", value_enum, num_args = 0..=1, require_equals = true,
          default_missing_value = "story")]
    pub(crate) trace: Option<DemoTraceArgument>,

    #[command(flatten)]
    pub(crate) qlog: QlogArguments,
}

/// Form in which the packets are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoTraceArgument {
    /// What each step is for, with the section of the RFC
    Story,
    /// The handshake, and whatever goes wrong
    Handshake,
    /// A line for each packet
    Packets,
    /// A line for each frame too
    Frames,
}

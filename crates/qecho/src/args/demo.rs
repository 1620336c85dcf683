//! `qecho demo`.

use super::CaptureArguments;

/// Options of `qecho demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArguments {
    /// The text to send, at most 1,000 bytes
    #[arg(default_value = "Hello, QUIC!")]
    pub(crate) text: String,

    #[command(flatten)]
    pub(crate) capture: CaptureArguments,
}

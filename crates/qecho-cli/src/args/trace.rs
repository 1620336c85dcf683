//! `qecho trace`.

use std::path::PathBuf;

use super::{QlogArguments, TraceArgument};

/// Options of `qecho trace`.
#[derive(Debug, clap::Args)]
pub(crate) struct TraceFileArguments {
    /// The capture, pcapng or pcap; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Take the TLS secrets from FILE too; may be given more than once
    ///
    /// For captures that do not have them inside.
    #[arg(long = "keylog", value_name = "FILE")]
    pub(crate) key_logs: Vec<PathBuf>,

    /// How much of each packet to show
    #[arg(long, value_enum, default_value = "packets")]
    pub(crate) detail: TraceArgument,

    /// Draw who sent what to whom instead
    #[arg(long, conflicts_with = "detail")]
    pub(crate) sequence: bool,

    #[command(flatten)]
    pub(crate) qlog: QlogArguments,
}

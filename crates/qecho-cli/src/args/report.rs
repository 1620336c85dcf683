//! `qecho report`.

use std::path::PathBuf;

use super::bench;

/// Options of `qecho report`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArguments {
    /// Reports that `qecho bench --output FILE.json` has written
    #[arg(value_name = "FILE.json", required = true)]
    pub(crate) reports: Vec<PathBuf>,

    /// Make one report of all, which were parts of one load
    ///
    /// Counts are added, and percentiles are those of all messages together.
    #[arg(long)]
    pub(crate) merge: bool,

    /// The file to write: .html is a page; .json, with --merge, a report again
    ///
    /// The page needs no other file and no network.
    #[arg(long, value_name = "FILE", value_parser = bench::output)]
    pub(crate) output: PathBuf,
}

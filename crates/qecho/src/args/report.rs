//! `qecho report`.

use std::path::{Path, PathBuf};

/// Options of `qecho report`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArguments {
    /// Reports that `qecho bench --output FILE.json` has written
    #[arg(value_name = "FILE.json", required = true)]
    pub(crate) reports: Vec<PathBuf>,

    /// The page to write: it needs no other file and no network
    #[arg(long, value_name = "FILE.html", value_parser = page)]
    pub(crate) output: PathBuf,
}

fn page(text: &str) -> Result<PathBuf, String> {
    match Path::new(text).extension() {
        Some(ending) if ending == "html" => Ok(text.into()),
        _ => Err("name a file that ends in .html".into()),
    }
}

//! `cargo xtask dist`: what is too heavy for every run of the checks, and has to be right before
//! anybody gets a package.

mod prometheus;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::Outcome;
use crate::workspace::Profile;

/// Runs the command on what was typed.
pub(crate) fn command(arguments: &[String]) -> Result<Outcome> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let binary = match words[..] {
        ["prometheus"] => {
            Profile::Release.build()?;
            Profile::Release.binary()
        }
        ["prometheus", "--binary", file] => {
            fs::canonicalize(file).with_context(|| file.to_owned())?
        }
        _ => bail!("`dist` takes prometheus, and --binary FILE"),
    };
    Ok(prometheus::run(&binary)?.outcome(true))
}

//! `target/tools`: programs that cargo builds, each in one version.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::{process, workspace};

const BUILD_LIMIT: Duration = Duration::from_secs(1_800);
const QUESTION_LIMIT: Duration = Duration::from_secs(10);

/// Program from crates.io.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Its package, and its program.
    pub name: &'static str,
    /// The one that is built.
    pub version: &'static str,
    /// Words for cargo that leave out what we do not use, and takes long to build.
    pub features: &'static [&'static str],
}

/// Keeper of `deny.toml`.
pub const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    features: &[],
};
impl Tool {
    /// Returns the path of the program.
    pub fn path(self) -> PathBuf {
        workspace::target().join("tools/bin").join(self.name)
    }

    /// Builds the program unless it is there in this version; returns its path.
    pub fn obtain(self) -> Result<PathBuf> {
        let Self { name, version, .. } = self;
        if self.is_here() {
            return Ok(self.path());
        }
        println!("setup: building {name} {version} (a few minutes, once)");
        let mut install =
            workspace::cargo(&["install", "--quiet", "--locked", "--force", "--debug"]);
        install
            .args([name, "--version", version])
            .args(self.features)
            .arg("--root")
            .arg(workspace::target().join("tools"))
            // None of them has so much to do that it must be quick.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0");
        process::succeed(install, BUILD_LIMIT)?;
        Ok(self.path())
    }

    fn is_here(self) -> bool {
        let mut question = Command::new(self.path());
        question.arg("--version");
        let answer = process::answer(question, QUESTION_LIMIT).unwrap_or_default();
        let mut words = answer.split_whitespace();
        words.any(|word| word.trim_start_matches('v') == self.version)
    }
}

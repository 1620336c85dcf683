//! The workspace: its root, the target folder, the built program, cargo itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result};

use crate::process;

/// Time for everything to be built on a small machine that has much else to do.
pub const BUILD_LIMIT: Duration = Duration::from_secs(1_800);

/// Returns the root of the workspace.
pub fn root() -> PathBuf {
    // Cargo names the folder at run time too, so a tree that was moved after the build is found.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let mut above = package.ancestors();
    let root = above.find(|folder| folder.join("Cargo.lock").is_file());
    root.expect("a member lies below the root, which has the lock file")
        .to_path_buf()
}

/// Returns the folder for everything that is made here and may be deleted.
pub fn target() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// How the program is compiled; a profile of the workspace's Cargo.toml.
#[derive(Clone, Copy, Debug)]
pub enum Profile {
    /// Soon there: what people build who have cloned.
    Release,
    /// As it is in packages, and as it is measured.
    Dist,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dist => "dist",
        }
    }

    /// Returns the path of the program.
    pub fn binary(self) -> PathBuf {
        target().join(self.name()).join("qecho")
    }

    /// Builds the program.
    pub fn build(self) -> Result<()> {
        let build = cargo(&["build", "--profile", self.name(), "--locked", "--quiet"]);
        process::succeed(build, BUILD_LIMIT)
    }
}

/// Makes a folder that is empty.
pub fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Returns a cargo command that runs in the root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

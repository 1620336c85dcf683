//! Homes in which a program finds nobody's own settings.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::workspace;

const FOLDERS: [(&str, &str); 7] = [
    ("HOME", ""),
    ("XDG_DATA_HOME", "data"),
    ("XDG_CONFIG_HOME", "config"),
    ("XDG_CACHE_HOME", "cache"),
    ("XDG_STATE_HOME", "state"),
    ("CAROOT", "caroot"),
    ("QECHO_HOME", "qecho"),
];

/// A folder in which programs run, with a home in it.
#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
}

impl Home {
    /// Makes an empty one in `target/interop`.
    ///
    /// # Errors
    /// The folder cannot be made, or what lies there not be removed.
    pub fn new(name: &str) -> Result<Self> {
        let unfit = |char: char| !char.is_ascii_alphanumeric();
        let folder = workspace::target().join("interop");
        let folder = folder.join(name.replace(unfit, "-"));
        workspace::empty(&folder)?;
        workspace::empty(&folder.join("home"))?;
        Ok(Self { folder })
    }

    /// Returns the folder in which the programs run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lets a command see the folders of this home only, in place of the person's.
    pub fn confine(&self, command: &mut Command) {
        let home = self.folder.join("home");
        command.envs(FOLDERS.map(|(variable, folder)| (variable, home.join(folder))));
        command.env_remove("SSLKEYLOGFILE");
        command.current_dir(&self.folder);
    }
}

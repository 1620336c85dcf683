//! Systems to try packages in: bare Debians by debootstrap, and a container's root.
//!
//! Each trial has a fresh copy, in a network with nobody else in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xtask::setup::{self, Program};
use xtask::workspace;

use crate::{folder, logged};

/// Maker of bare Debians.
const DEBOOTSTRAP: Program = Program::on_path(&["debootstrap"], ["debootstrap", "debootstrap", ""]);

const BOOTSTRAP_LIMIT: Duration = Duration::from_secs(1_800);
const COPY_LIMIT: Duration = Duration::from_secs(300);
const TRIAL_LIMIT: Duration = Duration::from_secs(300);

/// Packages beside the least: what reads man pages and completions.
const PACKAGES: &str = "--include=man-db,bash-completion,ca-certificates";

/// Goes into a root that has a network of its own, with nothing but the loopback device. All that
/// a trial leaves running ends with it.
const ENTER: &str = "
mount -t proc proc \"$0/proc\"
ip link set lo up
exec chroot \"$0\" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 TERM=dumb \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -eu -c \"$1\"
";

/// A system that a trial may change.
#[derive(Debug)]
pub(crate) struct Root {
    name: String,
    folder: PathBuf,
}

impl Root {
    /// Returns a fresh copy of a bare Debian, which is fetched once.
    pub(crate) fn debian(suite: &str, trial: &str) -> Result<Self> {
        is_root()?;
        setup::obtain(&[DEBOOTSTRAP])?;
        let roots = folder().join("roots");
        let bare = roots.join(suite);
        if !bare.exists() {
            println!("dist: fetching a bare Debian {suite} (minutes, once)");
            // Only a whole one has the name that is looked for.
            let part = roots.join(format!("{suite}.part"));
            workspace::empty(&part)?;
            let mut bootstrap = Command::new("debootstrap");
            bootstrap
                .args(["--variant=minbase", PACKAGES, suite])
                .arg(&part);
            logged(trial, bootstrap, BOOTSTRAP_LIMIT)?;
            fs::rename(&part, &bare).context("cannot name the bare Debian")?;
        }
        Self::copy_of(&bare, trial)
    }

    /// Returns a copy of a folder as a system.
    pub(crate) fn copy_of(bare: &Path, trial: &str) -> Result<Self> {
        is_root()?;
        setup::obtain(&[setup::IP])?;
        let folder = folder().join("roots").join(format!("trial-{trial}"));
        workspace::empty(&folder)?;
        fs::remove_dir(&folder)?;
        let mut copy = Command::new("cp");
        copy.args(["--archive", "--reflink=auto"])
            .arg(bare)
            .arg(&folder);
        logged(trial, copy, COPY_LIMIT)?;
        let name = trial.to_owned();
        Ok(Self { name, folder })
    }

    /// Returns a place of the system as the outside sees it.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.join(inside.trim_start_matches('/'))
    }

    /// Runs a shell script inside, which must succeed; returns what it printed.
    pub(crate) fn run(&self, script: &str) -> Result<String> {
        let arguments = [self.folder.as_os_str().to_owned(), script.into()];
        logged(&self.name, isolated(ENTER, arguments), TRIAL_LIMIT)
    }

    /// Runs a shell script outside, in a network with nobody else in it; `$0` is the system.
    pub(crate) fn run_beside(&self, script: &str, argument: &Path) -> Result<String> {
        let arguments = [self.folder.as_os_str().to_owned(), argument.into()];
        let script = format!("mount -t proc proc /proc\nip link set lo up\n{script}");
        logged(&self.name, isolated(&script, arguments), TRIAL_LIMIT)
    }

    /// Removes the system.
    pub(crate) fn remove(self) -> Result<()> {
        let removed = fs::remove_dir_all(&self.folder);
        removed.with_context(|| format!("cannot remove {}", self.folder.display()))
    }
}

fn isolated(script: &str, arguments: [std::ffi::OsString; 2]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child"]);
    command.args(["sh", "-eu", "-c", script]).args(arguments);
    command
}

fn is_root() -> Result<()> {
    let is_root = rustix::process::geteuid().is_root();
    ensure!(is_root, "systems to try packages in are made by root alone");
    Ok(())
}

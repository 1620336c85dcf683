//! Builds the peers. One that cannot be built says why, and stops nobody else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, iter};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use xtask::workspace::{self, Profile};
use xtask::{process, setup};

use crate::catalogue::{Kind, Peer, Recipe};
use crate::workload::Workload;

/// BoringSSL alone takes minutes on a small machine.
const BUILD_LIMIT: Duration = Duration::from_secs(3_600);

/// Peer that can be measured, or a reason why not.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) peer: &'static Peer,
    /// Version of the stack, or why there is none.
    pub(crate) version: Result<String, String>,
}

impl Built {
    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.peer.name,
            "version": self.version.as_ref().ok(),
            "not_here": self.version.as_ref().err(),
            "settings": self.peer.settings,
        })
    }
}

/// Builds a peer and what it needs.
pub(crate) fn build(peer: &'static Peer) -> Built {
    let version = match peer.recipe {
        Recipe::Qecho => locked_version(&workspace::root(), "qecho"),
        Recipe::Cargo(package, library, needs) => {
            setup::obtain(needs).and_then(|()| cargo_build(package, library))
        }
        Recipe::Python(_) => setup::make_python().and_then(|()| setup::aioquic_version()),
    };
    let version = version.map_err(|error| format!("{error:#}"));
    if let Err(reason) = &version {
        eprintln!("{}: not here: {reason}", peer.name);
    }
    Built { peer, version }
}

/// Returns what starts a peer.
pub(crate) fn command_line(peer: &Peer) -> Vec<OsString> {
    match peer.recipe {
        Recipe::Qecho => {
            let options = ["server", "--shards", "1", "--messages", "never"];
            let program = Profile::Dist.binary().into_os_string();
            iter::once(program).chain(options.map(Into::into)).collect()
        }
        Recipe::Python(script) => {
            let script = workspace::root().join("bench/peers").join(script);
            vec![setup::python().into(), script.into()]
        }
        Recipe::Cargo(package, ..) => vec![binary(&format!("peer-{package}")).into()],
    }
}

/// Builds a generator beside qecho's own.
pub(crate) fn build_generator(package: &str) -> Result<()> {
    let built = cargo_build(package, package);
    built
        .map(drop)
        .with_context(|| format!("cannot build the generator on {package}"))
}

/// Returns what starts the generator for a peer under a workload.
pub(crate) fn generator(peer: &Peer, workload: &Workload) -> Vec<OsString> {
    let package = match (peer.kind, peer.recipe) {
        (Kind::Baseline, Recipe::Cargo(package, ..)) => package,
        _ => workload.generator,
    };
    match package {
        "" => vec![Profile::Dist.binary().into(), "bench".into()],
        package => vec![binary(&format!("generator-{package}")).into()],
    }
}

fn cargo_build(package: &str, library: &str) -> Result<String> {
    eprintln!("building peer-{package}");
    let folder = workspace::root().join("bench/peers").join(package);
    let mut command = workspace::cargo(&["build", "--release", "--locked"]);
    command.current_dir(&folder);
    command.env("CARGO_TARGET_DIR", target());
    let (ended, _, said) = process::capture(command, BUILD_LIMIT)?;
    if !ended.is_success() {
        let file = target().join(format!("build-{package}.log"));
        let (error, log) = (first_error(&said), file.display());
        fs::write(&file, &said).with_context(|| format!("cannot write {log}"))?;
        bail!("{error} ({ended}; all of it: {log})");
    }
    locked_version(&folder, library)
}

/// Returns the version of a crate in the lock file of a folder.
fn locked_version(folder: &Path, library: &str) -> Result<String> {
    let lock = folder.join("Cargo.lock");
    let text = fs::read_to_string(&lock);
    let text = text.with_context(|| format!("cannot read {}", lock.display()))?;
    version_in(&text, library).with_context(|| format!("{} has no {library}", lock.display()))
}

/// Returns the line that tells most of a failed build.
fn first_error(said: &str) -> String {
    let tells = |line: &&str| line.trim_start().to_lowercase().starts_with("error");
    let line = said.lines().find(tells).or_else(|| said.lines().last());
    line.unwrap_or("cargo says nothing").trim().to_owned()
}

/// Reads the version of a crate from a lock file.
fn version_in(lock: &str, library: &str) -> Option<String> {
    let name = format!("name = \"{library}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next()?.strip_prefix("version = ")?;
    Some(version.trim_matches('"').to_owned())
}

fn binary(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// Returns the folder that all peers are built in, so that they share what they depend on.
fn target() -> PathBuf {
    workspace::target().join("peers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_crate_itself() {
        let lock = "[[package]]\nname = \"quinn\"\nversion = \"0.11.12\"\n\n\
            [[package]]\nname = \"quinn-proto\"\nversion = \"0.11.19\"\n";
        assert_eq!(version_in(lock, "quinn").as_deref(), Some("0.11.12"));
        assert_eq!(version_in(lock, "quiche"), None);
    }

    #[test]
    fn of_a_failed_build_the_first_error_is_told() {
        let said = "   Compiling x\nwarning: y\nerror: no cmake\n  caused by: z\n";
        assert_eq!(first_error(said), "error: no cmake");
        assert_eq!(first_error("it\nbroke"), "broke");
    }
}

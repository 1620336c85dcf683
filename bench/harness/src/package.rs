//! Packages in `bench/peers`, each with a lock file of its own, and how they are built.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use xtask::setup::{CXX, Program};
use xtask::{process, setup, workspace};

/// BoringSSL alone takes minutes on a small machine.
const BUILD_LIMIT: Duration = Duration::from_secs(3_600);

/// Builder of the C and C++ parts of other people's stacks.
const CMAKE: Program = Program::on_path(&["cmake"], ["cmake"; 3]);
/// Brings libclang, by which Rust reads the headers of those parts.
const CLANG: Program = Program::on_path(&["clang"], ["clang", "clang", "llvm"]);
/// Configures quictls, which msquic stands on.
const PERL: Program = Program::on_path(&["perl"], ["perl", "perl", ""]);
/// Library that msquic links to learn which memory is near which core.
const LIBNUMA: Program =
    Program::library("libnuma", "numa.h", ["libnuma-dev", "numactl-devel", ""]);

/// quinn, on rustls.
pub const QUINN: Package = Package::of("quinn", "quinn", &[]);
/// s2n-quic, with its rustls provider.
pub const S2N_QUIC: Package = Package::of("s2n-quic", "s2n-quic", &[]);
/// quiche, with BoringSSL.
pub const QUICHE: Package = Package::of("quiche", "quiche", &[CMAKE, CXX, CLANG]);
/// tquic, with BoringSSL.
pub const TQUIC: Package = Package::of("tquic", "tquic", &[CMAKE, CXX]);
/// msquic, with quictls.
pub const MSQUIC: Package = Package::of("msquic", "msquic", &[CMAKE, CXX, LIBNUMA, PERL]);

/// Package in `bench/peers`.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    folder: &'static str,
    /// Crate whose version counts.
    library: &'static str,
    /// Programs that building it takes, beside Rust and a C compiler.
    needs: &'static [Program],
}

impl Package {
    /// Returns the package of a folder, on a crate, whose building takes these programs.
    pub const fn of(
        folder: &'static str,
        library: &'static str,
        needs: &'static [Program],
    ) -> Self {
        Self {
            folder,
            library,
            needs,
        }
    }

    /// Builds it; returns the version of its stack.
    ///
    /// # Errors
    /// Something is missing that it takes, or cargo fails.
    pub fn build(&self) -> Result<String> {
        setup::obtain(self.needs)?;
        let Self {
            folder, library, ..
        } = self;
        eprintln!("building peer-{folder}");
        let path = workspace::root().join("bench/peers").join(folder);
        let mut command = workspace::cargo(&["build", "--release", "--locked"]);
        command.current_dir(&path);
        command.env("CARGO_TARGET_DIR", target());
        let (ended, _, said) = process::capture(command, BUILD_LIMIT)?;
        if !ended.is_success() {
            let file = target().join(format!("build-{folder}.log"));
            let (error, log) = (first_error(&said), file.display());
            fs::write(&file, &said).with_context(|| format!("cannot write {log}"))?;
            bail!("{error} ({ended}; all of it: {log})");
        }
        locked_version(&path, library)
    }

    /// Returns the path of one of its programs: its `peer`, its `generator` or its `client`.
    pub fn binary(&self, role: &str) -> PathBuf {
        let name = format!("{role}-{}", self.folder);
        target().join("release").join(name)
    }
}

/// Returns the version of a crate in the lock file of a folder.
///
/// # Errors
/// There is no such file or crate.
pub fn locked_version(folder: &Path, library: &str) -> Result<String> {
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

//! The two programs that are packed: one for systems with a C library like ours, and one that
//! needs nothing of a system.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use xtask::report::Report;
use xtask::workspace::Profile;
use xtask::{process, workspace};

use crate::{QUICK, copy, folder, tried};

/// The platform's roots of trust, below `/`.
const ROOTS: &str = "etc/ssl/certs/ca-certificates.crt";
const BUILD_LIMIT: Duration = Duration::from_secs(3_600);
/// Bytes of a program; a new dependency that doubles it should not go unseen.
const BYTES_MAX: u64 = 15_000_000;

/// Returns the program that is linked with the system's C library, for packages of Debian.
pub(crate) fn shared() -> PathBuf {
    folder().join("shared/qecho")
}

/// Returns the folder that becomes the container's root: the program that has all it needs inside,
/// the platform's roots of trust, and an empty folder for the volume.
pub(crate) fn image() -> PathBuf {
    folder().join("image")
}

/// Returns the program that has all it needs inside, for any Linux.
pub(crate) fn all_inside() -> PathBuf {
    image().join("qecho")
}

/// Returns the name of the platform that is built for, as rustc has it.
pub(crate) fn target() -> String {
    format!("{}-unknown-linux-gnu", env::consts::ARCH)
}

/// Builds both, and looks whether they are what they are said to be.
pub(crate) fn run() -> Result<Report> {
    ensure!(cfg!(target_os = "linux"), "packages are made on Linux");
    workspace::empty(&folder().join("shared"))?;
    build(&[])?;
    copy(&Profile::Dist.binary(), &shared())?;
    workspace::empty(&image())?;
    build(&["-Ctarget-feature=+crt-static"])?;
    copy(&Profile::Dist.binary(), &all_inside())?;
    fs::create_dir(image().join("data"))?;
    let roots = image().join(ROOTS);
    fs::create_dir_all(roots.parent().context("the file lies in a folder")?)?;
    copy(&Path::new("/").join(ROOTS), &roots)?;
    for program in [&shared(), &all_inside()] {
        names_no_folder_of_ours(program)?;
        let bytes = program.metadata()?.len();
        println!("{}: {bytes} bytes", program.display());
        ensure!(
            bytes <= BYTES_MAX,
            "{bytes} bytes are more than {BYTES_MAX}"
        );
    }
    let mut question = Command::new("readelf");
    question.arg("--dynamic").arg(all_inside());
    let dynamic = process::answer(question, QUICK)?;
    ensure!(
        !dynamic.contains("(NEEDED)"),
        "it needs libraries:\n{dynamic}"
    );
    Ok(tried(2))
}

/// Builds the program with paths that say nothing of this machine. Only the program itself is
/// compiled with `flags`: how the C library is linked is decided at its end, and all that it stands
/// on is the same for both.
fn build(flags: &[&str]) -> Result<()> {
    let map = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let maps = [
        map(&workspace::root(), "/qecho"),
        map(&cargo_home()?, "/cargo"),
    ];
    let mut build = workspace::cargo(&["rustc", "--profile", "dist", "--locked", "--quiet"]);
    build
        .args(["--package", "qecho", "--bin", "qecho", "--"])
        .args(flags);
    // Apart by this character, since a path may have spaces.
    build.env("CARGO_ENCODED_RUSTFLAGS", maps.join("\u{1f}"));
    process::succeed(build, BUILD_LIMIT)
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("CARGO_HOME") {
        return Ok(folder.into());
    }
    let home = env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cargo"))
}

/// Refuses a program that tells where it was built: the next one would be another.
fn names_no_folder_of_ours(program: &Path) -> Result<()> {
    let bytes = fs::read(program)?;
    for folder in [workspace::root(), cargo_home()?] {
        let name = folder.to_string_lossy().into_owned();
        if bytes
            .windows(name.len())
            .any(|window| window == name.as_bytes())
        {
            bail!("{} names {name}", program.display());
        }
    }
    Ok(())
}

//! The package for Debian and what descends from it: made, judged by lintian, installed in a fresh
//! system, used, and removed without a trace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xtask::report::Report;
use xtask::setup::{self, Program, Tool};
use xtask::{process, workspace};

use crate::root::Root;
use crate::{
    QUICK, binaries, copy, folder, logged, pages, source_date_epoch, tried, version, write,
    write_checksums,
};

/// Judge of Debian packages.
const LINTIAN: Program = Program::on_path(&["lintian"], ["lintian", "", ""]);
/// Knows which packages of Debian a program needs.
const DPKG_SHLIBDEPS: Program = Program::on_path(&["dpkg-shlibdeps"], ["dpkg-dev", "dpkg-dev", ""]);
/// Maker of Debian packages.
const CARGO_DEB: Tool = Tool {
    name: "cargo-deb",
    version: "3.8.0",
    features: &[],
};

const PACK_LIMIT: Duration = Duration::from_secs(300);
const LINTIAN_LIMIT: Duration = Duration::from_secs(300);

/// The release of Debian that the package is built on, and for.
const SUITE: &str = "bookworm";

/// Where the files lie that the manifest's `assets` name, below the folder of packages.
const TREE: &str = "deb/tree";
/// Where cargo-deb finds the changelog.
const CHANGELOG: &str = "deb/changelog";
/// As the manifest has it.
const MAINTAINER: &str = "The qecho developers <qecho@users.noreply.github.com>";
/// Where the unit of systemd lies, if there is one, with the package's scripts, of which there are
/// none but those that cargo-deb makes for the unit.
const SCRIPTS: &str = "deb/scripts";

/// Files of a system, less those that every installation changes.
const FILES: &str = "find / -xdev \\( -path /proc -o -path /tmp -o -path /var/cache \
    -o -path /var/log -o -path /var/lib/dpkg \\) -prune -o -print | sort";

/// Uses the package as its user would.
const USE: &str = r#"
dpkg --install /tmp/qecho.deb
qecho --version
export QECHO_HOME=/tmp/home
qecho demo
qecho server >/tmp/server 2>&1 &
until grep --quiet --no-messages listening /tmp/server; do kill -0 $!; sleep 0.1; done
qecho client localhost -m "Hello, QUIC!" | tee /tmp/client
grep --quiet "Hello, QUIC!" /tmp/client
qecho ping localhost -n 3 -i 10ms
kill -TERM $!
wait $!
man qecho | grep --quiet QUIC
man qecho-server | grep --quiet -e --listen
for page in /usr/share/man/man1/qecho*; do man --warnings "$page" 2>&1 >/dev/null | tee /tmp/warned
    test ! -s /tmp/warned; done
bash -c '. /usr/share/bash-completion/completions/qecho; complete -p qecho'
"#;

/// Makes and tries it.
pub(crate) fn run() -> Result<Report> {
    setup::obtain(&[LINTIAN, DPKG_SHLIBDEPS])?;
    let package = pack()?;
    judge(&package)?;
    let root = Root::debian(SUITE, "deb")?;
    let before = root.run(FILES)?;
    copy(&package, &root.path("/tmp/qecho.deb"))?;
    root.run(USE)?;
    root.run("dpkg --purge qecho && test ! -e /usr/bin/qecho")?;
    let after = root.run(FILES)?;
    let left: Vec<&str> = after
        .lines()
        .filter(|&path| !before.lines().any(|it| it == path))
        .collect();
    ensure!(
        left.is_empty(),
        "after the purge there are still {}",
        left.join(", ")
    );
    root.remove()?;
    write_checksums()?;
    Ok(tried(4))
}

/// Makes the package; returns its path.
fn pack() -> Result<PathBuf> {
    let tree = folder().join(TREE);
    workspace::empty(&tree)?;
    pages::copy_all(&pages::manual(), &tree.join("usr/share/man/man1"))?;
    for (folder, name, installed) in [
        ("bash-completion/completions", "qecho.bash", "qecho"),
        ("zsh/vendor-completions", "_qecho", "_qecho"),
        ("fish/vendor_completions.d", "qecho.fish", "qecho.fish"),
    ] {
        let folder = tree.join("usr/share").join(folder);
        fs::create_dir_all(&folder)?;
        copy(&pages::completions().join(name), &folder.join(installed))?;
    }
    let documents = tree.join("usr/share/doc/qecho");
    fs::create_dir_all(&documents)?;
    let changelog_of_ours = workspace::root().join("CHANGELOG.md");
    for (file, name) in [
        (pages::licences(), "THIRD-PARTY-LICENCES.gz"),
        (changelog_of_ours, "changelog.gz"),
    ] {
        write(&documents.join(name), zipped(&file)?)?;
    }
    write(&folder().join(CHANGELOG), changelog()?)?;
    let scripts = folder().join(SCRIPTS);
    workspace::empty(&scripts)?;
    let packaging = workspace::root().join("packaging");
    if packaging.join("qecho.service").is_file() {
        let defaults = tree.join("etc/default");
        fs::create_dir_all(&defaults)?;
        copy(&packaging.join("qecho.default"), &defaults.join("qecho"))?;
        copy(
            &packaging.join("qecho.service"),
            &scripts.join("qecho.service"),
        )?;
    } else {
        println!("deb: no packaging/qecho.service, so the package has no unit of systemd");
    }
    for old in pages::files(&folder())?
        .iter()
        .filter(|file| is_package(file))
    {
        fs::remove_file(old)?;
    }
    let mut pack = workspace::cargo(&["deb", "--package", "qecho", "--profile", "dist"]);
    pack.args(["--no-build", "--no-strip", "--output"])
        .arg(folder());
    pack.env("SOURCE_DATE_EPOCH", source_date_epoch()?);
    pack.env("PATH", path_with(&CARGO_DEB.obtain()?)?);
    ensure!(binaries::shared().is_file(), "the program is not built");
    logged("deb", pack, PACK_LIMIT)?;
    let made = pages::files(&folder())?
        .into_iter()
        .find(|file| is_package(file));
    made.context("cargo-deb has made no package")
}

/// Returns Debian's own changelog, which has nothing to say but the version.
fn changelog() -> Result<String> {
    let mut date = Command::new("date");
    date.args(["--utc", "--rfc-email"])
        .arg(format!("--date=@{}", source_date_epoch()?));
    let (version, date) = (version()?, process::answer(date, QUICK)?);
    Ok(format!(
        "qecho ({version}-1) unstable; urgency=medium\n\n  * Release {version}; \
        changelog.gz beside this file says what is new.\n\n -- {MAINTAINER}  {date}"
    ))
}

fn zipped(file: &Path) -> Result<Vec<u8>> {
    let mut gzip = Command::new("gzip");
    gzip.args(["--best", "--no-name", "--stdout"]).arg(file);
    let output = gzip.output().context("cannot start gzip")?;
    ensure!(output.status.success(), "gzip: {}", output.status);
    Ok(output.stdout)
}

fn is_package(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "deb")
}

/// Returns the PATH with the folder of a tool, where cargo looks for its subcommands.
fn path_with(tool: &Path) -> Result<std::ffi::OsString> {
    let folder = tool.parent().context("a tool lies in a folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [folder.to_path_buf()]
        .into_iter()
        .chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders)?)
}

fn judge(package: &Path) -> Result<()> {
    let mut lintian = Command::new("lintian");
    lintian.args(["--fail-on", "error,warning", "--suppress-tags"]);
    // Nobody has asked Debian for a number, and the changelog is the project's own.
    lintian
        .arg("initial-upload-closes-no-bugs,no-changelog")
        .arg(package);
    logged("deb", lintian, LINTIAN_LIMIT).map(drop)
}

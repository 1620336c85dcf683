//! The archive for any Linux: the program with all it needs inside, its pages and licences.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xtask::report::Report;
use xtask::workspace;

use crate::root::Root;
use crate::{
    binaries, copy, folder, logged, pages, source_date_epoch, tried, version, write_checksums,
};

const PACK_LIMIT: Duration = Duration::from_secs(120);

/// Systems that it is tried in: one as it was built on, and one that is older by years.
const SUITES: [&str; 2] = ["bookworm", "bullseye"];

/// Files of the repository that go with the program.
const FILES: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Uses what was unpacked, as somebody without rights would, and looks names up by whatever the
/// system has for it.
const USE: &str = r#"
cd /tmp && sha256sum --check --ignore-missing SHA256SUMS && tar -xzf qecho.tar.gz --strip-components=1
export PATH=/tmp:$PATH HOME=/tmp/home XDG_DATA_HOME=/tmp/home
qecho --version
qecho demo
echo "127.0.0.1 named.test" >>/etc/hosts
for hosts in "files dns" "files mdns4_minimal [NOTFOUND=return] resolve myhostname dns"; do
    sed -i "s/^hosts:.*/hosts: $hosts/" /etc/nsswitch.conf
    rm -f /tmp/server
    qecho server --listen '*:4433' >/tmp/server 2>&1 &
    until grep --quiet --no-messages listening /tmp/server; do kill -0 $!; sleep 0.1; done
    qecho client localhost -m "Hello, QUIC!"
    qecho ping named.test -n 3 -i 10ms --over vn
    { qecho ping nowhere.test -n 1 --timeout 2s 2>&1 && exit 9; } | grep --quiet nowhere.test
    kill -TERM $!
    wait $!
done
rm /etc/nsswitch.conf /etc/resolv.conf || true
qecho demo
man -l man/qecho.1 | grep --quiet QUIC
"#;

/// Makes and tries it.
pub(crate) fn run() -> Result<Report> {
    let name = name(&version()?);
    let archive = pack(&name)?;
    let bytes = fs::read(&archive)?;
    ensure!(
        fs::read(pack(&name)?)? == bytes,
        "made again it has other bytes"
    );
    write_checksums()?;
    for suite in SUITES {
        let root = Root::debian(suite, &format!("tarball-{suite}"))?;
        copy(&archive, &root.path(&format!("/tmp/{name}.tar.gz")))?;
        copy(&folder().join("SHA256SUMS"), &root.path("/tmp/SHA256SUMS"))?;
        root.run(&format!("ln /tmp/{name}.tar.gz /tmp/qecho.tar.gz\n{USE}"))?;
        root.remove()?;
    }
    Ok(tried(1 + SUITES.len() as u64))
}

/// Returns the name of the archive's one folder, and of the archive without its ending.
fn name(version: &str) -> String {
    format!("qecho-{version}-{}-linux", std::env::consts::ARCH)
}

/// Makes the archive: the same bytes from the same files.
fn pack(name: &str) -> Result<PathBuf> {
    let tree = folder().join("tarball");
    workspace::empty(&tree)?;
    let inside = tree.join(name);
    pages::copy_all(&pages::manual(), &inside.join("man"))?;
    pages::copy_all(&pages::completions(), &inside.join("completions"))?;
    copy(&binaries::all_inside(), &inside.join("qecho"))?;
    copy(&pages::licences(), &inside.join("THIRD-PARTY-LICENCES"))?;
    for file in FILES {
        copy(&workspace::root().join(file), &inside.join(file))?;
    }
    let archive = folder().join(format!("{name}.tar"));
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--format=ustar",
        "--sort=name",
        "--owner=0",
        "--group=0",
    ])
    .args(["--numeric-owner", "--mode=go=rX,u+rw"])
    .arg(format!("--mtime=@{}", source_date_epoch()?))
    .arg("--file")
    .arg(&archive)
    .arg("--directory")
    .args([&tree, Path::new(name)]);
    logged("tarball", tar, PACK_LIMIT)?;
    let mut gzip = Command::new("gzip");
    gzip.args(["--best", "--no-name", "--force"]).arg(&archive);
    logged("tarball", gzip, PACK_LIMIT)?;
    fs::remove_dir_all(&tree).context("cannot remove what was packed")?;
    Ok(archive.with_extension("tar.gz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_binstall_looks_for_the_archive_by_its_name() {
        let manifest = include_str!("../../../crates/qecho/Cargo.toml");
        let folder = name("{ version }").replace(std::env::consts::ARCH, "x86_64");
        let archive = format!("/releases/download/v{{ version }}/{folder}.tar.gz\"");
        assert!(manifest.contains(&archive), "no {archive}");
        assert!(manifest.contains(&format!("bin-dir = \"{folder}/{{ bin }}\"")));
    }
}

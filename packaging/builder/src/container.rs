//! The container's image: the program and nothing else.
//!
//! buildah builds it, as an engine would, without a daemon; the trial of the server is in the same
//! root, where the network is its own.

use std::os::unix::fs::chown;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xtask::report::Report;
use xtask::setup::{self, Program};
use xtask::workspace;

use crate::root::Root;
use crate::{QUICK, binaries, logged, read, tried};

/// Builder of images that needs no daemon.
const BUILDAH: Program = Program::on_path(&["buildah"], ["buildah", "buildah", ""]);

const BUILD_LIMIT: Duration = Duration::from_secs(600);

/// Number of the user and group that the image runs as; the Dockerfile has it, too.
const USER: u32 = 65_532;

/// Runs the image's command as an engine does: as process 1 of its own, as a user without a name,
/// with no variable but that of the volume. `$0` is the image, `$1` the program outside.
const USE: &str = r#"
log=$0.log
# Engines give a /dev, which the program takes its first randomness from.
mkdir "$0/dev"
mount --bind /dev "$0/dev"
chroot=$(command -v chroot)
start() {
    rm -f "$log"
    env -i QECHO_HOME=/data unshare --pid --fork --kill-child \
        "$chroot" --userspec=65532:65532 "$0" /qecho server --listen '*:4433' >"$log" 2>&1 &
    until grep --quiet --no-messages listening "$log"; do kill -0 $!; sleep 0.1; done
    pin=$(grep --only-matching 'sha256:[0-9a-f]*' "$log" | head -n 1)
}
start "$0"
first=$pin
"$1" client 127.0.0.1 --pin "$pin" -m "Hello, QUIC!" | tee "$0.client"
grep --quiet "Hello, QUIC!" "$0.client"
"$1" ping 127.0.0.1 --pin "$pin" -n 3 -i 10ms
kill -TERM $(cat /proc/$!/task/$!/children)
wait $!
cat "$log"
start "$0"
test "$pin" = "$first"
kill -TERM $(cat /proc/$!/task/$!/children)
wait $!
test "$(cd "$0" && ls)" = "data
dev
etc
qecho"
"#;

/// Tries the image.
pub(crate) fn run() -> Result<Report> {
    let file = read(&workspace::root().join("Dockerfile"))?;
    for line in [
        &format!("USER {USER}:{USER}"),
        "ENV QECHO_HOME=/data",
        "CMD [\"server\", \"--listen\", \"*:4433\"]",
    ] {
        let has = file.lines().any(|it| it == line);
        ensure!(
            has,
            "the trial does what the Dockerfile said: it has no line {line:?}"
        );
    }
    setup::obtain(&[BUILDAH])?;
    let image = "qecho-trial";
    let mut build = buildah("build");
    build.args(["--build-arg", "ROOT=given", "--tag", image, "."]);
    build.current_dir(workspace::root());
    logged("container", build, BUILD_LIMIT)?;
    let mut made = buildah("from");
    made.args(["--name", image, image]);
    logged("container", made, QUICK)?;
    let mut run = buildah("run");
    run.args([image, "--", "/qecho", "--version"]);
    let said = logged("container", run, QUICK)?;
    ensure!(said.starts_with("qecho "), "the container says {said:?}");
    for what in ["rm", "rmi"] {
        let mut remove = buildah(what);
        remove.arg(image);
        logged("container", remove, QUICK)?;
    }
    let root = Root::copy_of(&binaries::image(), "container")?;
    let data = root.path("/data");
    chown(&data, Some(USER), Some(USER)).context("cannot give the volume to its user")?;
    root.run_beside(USE, &binaries::all_inside())?;
    root.remove()?;
    Ok(tried(2))
}

/// Returns a command of buildah that needs nothing of the machine: no daemon, no overlay.
fn buildah(what: &str) -> Command {
    let mut command = Command::new(BUILDAH.name());
    command.args(["--storage-driver", "vfs", what]);
    if ["build", "run"].contains(&what) {
        command.args(["--isolation", "chroot"]);
    }
    command
}

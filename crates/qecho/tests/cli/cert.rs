//! `qecho cert`, beside mkcert and OpenSSL.

mod authority;
mod bad;
mod before_us;
#[cfg(target_os = "linux")]
mod browsing;
mod inspecting;
mod installing;
mod keys;
mod making;
mod renewing;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{self, Command},
    time::Duration,
};

use crate::{
    cmd::{Cmd, Output},
    env::TestEnv,
};

/// Prepares `qecho cert` in a folder, with its arguments as they are.
fn cert_in(env: &TestEnv, folder: &Path, arguments: &[&str]) -> Cmd {
    let mut command = env.command(env!("CARGO_BIN_EXE_qecho"));
    command.arg("cert").args(arguments).current_dir(folder);
    Cmd::new(command)
}

/// Makes a folder beside the home.
fn folder(env: &TestEnv, name: &str) -> std::path::PathBuf {
    let path = env.path(name);
    fs::create_dir(&path).expect("the folder takes folders");
    path
}

/// Returns the files of a folder with their modes.
fn files(folder: &Path) -> BTreeMap<String, u32> {
    fs::read_dir(folder)
        .expect("it is a folder")
        .map(|entry| {
            let entry = entry.expect("it is ours");
            let name = entry.file_name().to_string_lossy().into_owned();
            let mode = entry.metadata().expect("it is there").permissions().mode();
            (name, mode & 0o777)
        })
        .collect()
}

/// Runs a program that we are held against.
fn oracle(command: &mut Command) -> process::Output {
    let program = command.get_program().to_owned();
    command.output().unwrap_or_else(|error| {
        panic!(
            "cannot run {}: {error}; run `cargo xtask setup`",
            program.display()
        )
    })
}

/// Runs mkcert in a folder.
pub(crate) fn mkcert_in(env: &TestEnv, folder: &Path, arguments: &[&str]) -> process::Output {
    oracle(env.command("mkcert").args(arguments).current_dir(folder))
}

/// Asks such a program something; tells whether it is content, and what it says.
fn asked(command: &mut Command) -> (bool, String) {
    let output = oracle(command);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

/// Asks OpenSSL something about files in a folder, with an argument for each word.
fn openssl_in(folder: &Path, arguments: impl AsRef<str>) -> (bool, String) {
    let arguments = arguments.as_ref().split_whitespace();
    asked(Command::new("openssl").args(arguments).current_dir(folder))
}

/// Has OpenSSL do something, which must go well.
#[track_caller]
fn openssl_does(folder: &Path, arguments: impl AsRef<str>) {
    let (done, said) = openssl_in(folder, arguments);
    assert!(done, "{said}");
}

/// Checks that OpenSSL finds a certificate of a folder signed by a CA.
#[track_caller]
fn openssl_verifies(folder: &Path, ca: &Path, certificate: &str) {
    openssl_does(
        folder,
        format!("verify -CAfile {} {certificate}", ca.display()),
    );
}

/// Makes a certificate in `NAME.pem` of the home as a thief of the loopback CA's key would,
/// with OpenSSL.
fn steal(env: &TestEnv, name: &str) {
    let forge = format!(
        "req -x509 -newkey rsa:2048 -nodes -subj /O=thief -days 30 \
         -addext subjectAltName=DNS:{name} -addext basicConstraints=CA:FALSE \
         -addext extendedKeyUsage=serverAuth -CA qecho/rootCA.pem \
         -CAkey qecho/rootCA-key.pem -keyout {name}-key.pem -out {name}.pem"
    );
    openssl_does(&env.home(), forge);
}

/// A script runs many programs: each is quick, on a machine that has nothing else to do.
const MOUNTED_LIMIT: Duration = Duration::from_secs(300);

/// Runs a shell script as root of mounts of its own: what it mounts is seen by
/// nobody else, and is gone when it ends.
pub(crate) fn among_mounts_of_its_own(env: &TestEnv, script: &str) -> Output {
    let mut command = env.command("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
        .args(["--mount", "sh", "-euc", script])
        .env("QECHO", env!("CARGO_BIN_EXE_qecho"))
        .current_dir(env.path(""));
    Cmd::new(command).start().done_within(MOUNTED_LIMIT)
}

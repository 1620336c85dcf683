//! The system programs that the checks call, and the packages that bring them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use super::folders;
use crate::process;

/// Package manager, in the order of a [`Program`]'s packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manager {
    Apt,
    Dnf,
    Brew,
}

const QUESTION_LIMIT: Duration = Duration::from_secs(3);

/// Program that a check calls.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name that a person would use.
    name: &'static str,
    proof: Proof,
    /// Packages of apt, dnf and brew that bring it, in this order; empty where there is none.
    packages: [&'static str; 3],
}

/// Evidence that a program is there.
#[derive(Clone, Debug)]
enum Proof {
    /// File of one of these names in the folders of PATH; each packager chooses.
    OnPath(&'static [&'static str]),
    /// File that C compilers find among the system's headers.
    Header(&'static str),
    /// Modules that Python can import; Debian packs them apart from Python.
    PythonModules(&'static str),
    /// Package in target/node that runs on this system; setup installs it itself.
    NodePackage(&'static str),
}

/// ngtcp2's client with GnuTLS.
pub const NGTCP2_CLIENT: Program = on_path(&["gtlsclient"], ["ngtcp2-client", "", ""]);
/// ngtcp2's server with GnuTLS.
pub const NGTCP2_SERVER: Program = on_path(&["gtlsserver"], ["ngtcp2-server", "", ""]);
/// Web server with HTTP/3, on quic-go.
pub const CADDY: Program = on_path(&["caddy"], ["caddy"; 3]);
/// Maker of certificates that are none of ours.
pub const OPENSSL: Program = on_path(&["openssl"], ["openssl"; 3]);
/// Captures, and takes apart what was captured.
pub const TSHARK: Program = on_path(&["tshark"], ["tshark", "wireshark-cli", "wireshark"]);
/// Counter of a program's instructions.
pub const VALGRIND: Program = on_path(&["valgrind"], ["valgrind", "valgrind", ""]);
/// Builder of the C and C++ parts of other people's stacks.
pub const CMAKE: Program = on_path(&["cmake"], ["cmake"; 3]);
/// Brings libclang, by which Rust reads the headers of those parts.
pub const CLANG: Program = on_path(&["clang"], ["clang", "clang", "llvm"]);
/// Configures quictls, which msquic stands on.
pub const PERL: Program = on_path(&["perl"], ["perl", "perl", ""]);
/// C++ compiler, which Rust does without.
pub const CXX: Program = on_path(&["c++"], ["g++", "gcc-c++", ""]);
/// Maker of bare Debians.
pub const DEBOOTSTRAP: Program = on_path(&["debootstrap"], ["debootstrap", "debootstrap", ""]);
/// Judge of Debian packages.
pub const LINTIAN: Program = on_path(&["lintian"], ["lintian", "", ""]);
/// Knows which packages of Debian a program needs.
pub const DPKG_SHLIBDEPS: Program = on_path(&["dpkg-shlibdeps"], ["dpkg-dev", "dpkg-dev", ""]);
/// Makes networks of a test's own, which are Linux's.
pub const IP: Program = on_path(&["ip"], ["iproute2", "iproute", ""]);
const PYTHON: Program = on_path(&["python3"], ["python3", "python3", "python"]);
const VENV: Program = Program {
    name: "python3's venv",
    proof: Proof::PythonModules("ensurepip, venv"),
    packages: ["python3-venv", "python3", "python"],
};
const NPM: Program = on_path(&["npm"], ["npm", "npm", "node"]);
/// What runs the tools that are written in Python or for Node.
pub const INTERPRETERS: [Program; 3] = [PYTHON, VENV, NPM];

/// Scrapes metrics.
pub const PROMETHEUS: Program = on_path(&["prometheus"], ["prometheus", "", "prometheus"]);
/// Checks metrics and alerts; comes with Prometheus.
pub const PROMTOOL: Program = on_path(&["promtool"], ["prometheus", "", "prometheus"]);

/// quiche, with BoringSSL, for Node.
pub const QUICHE_CLIENT: Program = Program {
    name: folders::QUIC,
    proof: Proof::NodePackage(folders::QUIC),
    packages: [""; 3],
};

/// Library that msquic links to learn which memory is near which core.
pub const LIBNUMA: Program = Program {
    name: "libnuma",
    proof: Proof::Header("numa.h"),
    packages: ["libnuma-dev", "numactl-devel", ""],
};

/// Programs that the checks call.
pub(super) const CHECKS: [Program; 15] = [
    PYTHON,
    VENV,
    NPM,
    TSHARK,
    on_path(&["mkcert"], ["mkcert"; 3]),
    on_path(&["certutil"], ["libnss3-tools", "nss-tools", "nss"]),
    on_path(&["curl"], ["curl"; 3]),
    // Reads the man pages.
    on_path(&["man"], ["man-db", "man-db", ""]),
    IP,
    // On macOS it asks the system, and so there is nothing to check.
    on_path(
        &["chromium", "google-chrome", "chromium-browser"],
        ["chromium", "chromium", ""],
    ),
    OPENSSL,
    NGTCP2_CLIENT,
    NGTCP2_SERVER,
    CADDY,
    VALGRIND,
];

const fn on_path(names: &'static [&'static str], packages: [&'static str; 3]) -> Program {
    Program {
        name: names[0],
        proof: Proof::OnPath(names),
        packages,
    }
}

impl Program {
    /// Returns what a person calls the program.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Tells whether the program is on this machine.
    pub fn is_here(&self) -> bool {
        match self.proof {
            Proof::OnPath(names) => names.iter().any(|name| find(name).is_some()),
            Proof::Header(name) => Path::new("/usr/include").join(name).is_file(),
            Proof::PythonModules(names) => {
                let mut question = Command::new("python3");
                question.args(["-c", &format!("import {names}")]);
                process::answer(question, QUESTION_LIMIT).is_ok()
            }
            Proof::NodePackage(name) => folders::has_native(name),
        }
    }

    /// Returns the name of the program's package, if there is one.
    pub(super) fn package(&self, manager: Manager) -> Option<&'static str> {
        Some(self.packages[manager as usize]).filter(|package| !package.is_empty())
    }
}

/// Returns the names of programs for a sentence.
pub(super) fn names(programs: &[Program]) -> String {
    let names: Vec<&str> = programs.iter().map(Program::name).collect();
    names.join(", ")
}

fn find(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|file| fs::metadata(file).is_ok_and(|metadata| metadata.is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_on_the_path_or_not_at_all() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-anywhere").is_none());
    }

    #[test]
    fn debian_has_a_package_for_everything() {
        let has_one = |program: &Program| program.package(Manager::Apt).is_some();
        assert!(CHECKS.iter().all(has_one));
    }
}

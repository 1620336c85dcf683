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
pub const NGTCP2_CLIENT: Program = Program::on_path(&["gtlsclient"], ["ngtcp2-client", "", ""]);
/// ngtcp2's server with GnuTLS.
pub const NGTCP2_SERVER: Program = Program::on_path(&["gtlsserver"], ["ngtcp2-server", "", ""]);
/// Web server with HTTP/3, on quic-go.
pub const CADDY: Program = Program::on_path(&["caddy"], ["caddy"; 3]);
/// Maker of certificates that are none of ours.
pub const OPENSSL: Program = Program::on_path(&["openssl"], ["openssl"; 3]);
/// Captures, and takes apart what was captured.
pub const TSHARK: Program = Program::on_path(&["tshark"], ["tshark", "wireshark-cli", "wireshark"]);
/// Counter of a program's instructions.
pub const VALGRIND: Program = Program::on_path(&["valgrind"], ["valgrind", "valgrind", ""]);
/// C++ compiler, which Rust does without.
pub const CXX: Program = Program::on_path(&["c++"], ["g++", "gcc-c++", ""]);
/// Makes networks of a test's own, which are Linux's.
pub const IP: Program = Program::on_path(&["ip"], ["iproute2", "iproute", ""]);
const PYTHON: Program = Program::on_path(&["python3"], ["python3", "python3", "python"]);
const VENV: Program = Program {
    name: "python3's venv",
    proof: Proof::PythonModules("ensurepip, venv"),
    packages: ["python3-venv", "python3", "python"],
};
const NPM: Program = Program::on_path(&["npm"], ["npm", "npm", "node"]);
/// What runs the tools that are written in Python or for Node.
pub const INTERPRETERS: [Program; 3] = [PYTHON, VENV, NPM];

/// quiche, with BoringSSL, for Node.
pub const QUICHE_CLIENT: Program = Program {
    name: folders::QUIC,
    proof: Proof::NodePackage(folders::QUIC),
    packages: [""; 3],
};

/// Programs that the checks call.
pub(super) const CHECKS: [Program; 16] = [
    PYTHON,
    VENV,
    NPM,
    TSHARK,
    Program::on_path(&["mkcert"], ["mkcert"; 3]),
    Program::on_path(&["certutil"], ["libnss3-tools", "nss-tools", "nss"]),
    Program::on_path(&["curl"], ["curl"; 3]),
    // Reads the man pages.
    Program::on_path(&["man"], ["man-db", "man-db", ""]),
    IP,
    // Rules of networks that are sick.
    Program::on_path(&["nft"], ["nftables", "nftables", ""]),
    // On macOS it asks the system, and so there is nothing to check.
    Program::on_path(
        &["chromium", "google-chrome", "chromium-browser"],
        ["chromium", "chromium", ""],
    ),
    OPENSSL,
    NGTCP2_CLIENT,
    NGTCP2_SERVER,
    CADDY,
    VALGRIND,
];

impl Program {
    /// Returns what is found by one of these names in the folders of PATH, and what apt, dnf and
    /// brew call the package that brings it; an empty name where there is none.
    pub const fn on_path(names: &'static [&'static str], packages: [&'static str; 3]) -> Self {
        Self {
            name: names[0],
            proof: Proof::OnPath(names),
            packages,
        }
    }

    /// Returns a library that C compilers find by this header, and its packages.
    pub const fn library(
        name: &'static str,
        header: &'static str,
        packages: [&'static str; 3],
    ) -> Self {
        Self {
            name,
            proof: Proof::Header(header),
            packages,
        }
    }

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

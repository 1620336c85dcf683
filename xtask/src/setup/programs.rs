//! The system programs that the checks call, and the packages that bring them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use super::node;
use super::platform::{Manager, Platform};
use crate::process;

const QUESTION_LIMIT: Duration = Duration::from_secs(3);

/// A program that a check calls.
#[derive(Clone, Debug)]
pub struct Program {
    /// What a person calls it.
    name: &'static str,
    proof: Proof,
    /// The package with it, where there is one.
    apt: Option<&'static str>,
    dnf: Option<&'static str>,
    brew: Option<&'static str>,
}

/// What shows that a program is there.
#[derive(Clone, Debug)]
enum Proof {
    /// A file of this name in one of the folders of PATH.
    OnPath(&'static str),
    /// A file of one of these names; who packs it chooses.
    OneOnPath(&'static [&'static str]),

    /// A file that C compilers find among the system's headers.
    Header(&'static str),
    /// Python can import these; Debian packs them apart from Python.
    PythonModules(&'static str),
    /// A package in target/node, which setup installs itself, runs on this system.
    NodePackage(&'static str),
}

/// ngtcp2's client with GnuTLS.
pub const NGTCP2_CLIENT: Program = Program {
    name: "gtlsclient",
    proof: Proof::OnPath("gtlsclient"),
    apt: Some("ngtcp2-client"),
    dnf: None,
    brew: None,
};

/// ngtcp2's server with GnuTLS.
pub const NGTCP2_SERVER: Program = Program {
    name: "gtlsserver",
    proof: Proof::OnPath("gtlsserver"),
    apt: Some("ngtcp2-server"),
    dnf: None,
    brew: None,
};

/// quiche, with BoringSSL, for Node.
pub const QUICHE_CLIENT: Program = Program {
    name: node::QUIC,
    proof: Proof::NodePackage(node::QUIC),
    apt: None,
    dnf: None,
    brew: None,
};

/// A web server with HTTP/3, on quic-go.
pub const CADDY: Program = Program {
    name: "caddy",
    proof: Proof::OnPath("caddy"),
    apt: Some("caddy"),
    dnf: Some("caddy"),
    brew: Some("caddy"),
};

/// Makes certificates that are none of ours.
pub const OPENSSL: Program = Program {
    name: "openssl",
    proof: Proof::OnPath("openssl"),
    apt: Some("openssl"),
    dnf: Some("openssl"),
    brew: Some("openssl"),
};

/// Captures, and takes apart what was captured.
pub const TSHARK: Program = Program {
    name: "tshark",
    proof: Proof::OnPath("tshark"),
    apt: Some("tshark"),
    dnf: Some("wireshark-cli"),
    brew: Some("wireshark"),
};

/// Counts the instructions of a program.
pub const VALGRIND: Program = Program {
    name: "valgrind",
    proof: Proof::OnPath("valgrind"),
    apt: Some("valgrind"),
    dnf: Some("valgrind"),
    brew: None,
};

/// Builds the C and C++ parts of other people's stacks.
pub const CMAKE: Program = Program {
    name: "cmake",
    proof: Proof::OnPath("cmake"),
    apt: Some("cmake"),
    dnf: Some("cmake"),
    brew: Some("cmake"),
};

/// Brings libclang, by which Rust reads the headers of those parts.
pub const CLANG: Program = Program {
    name: "clang",
    proof: Proof::OnPath("clang"),
    apt: Some("clang"),
    dnf: Some("clang"),
    brew: Some("llvm"),
};

/// Tells which memory is near which core: a library that msquic links.
pub const LIBNUMA: Program = Program {
    name: "libnuma",
    proof: Proof::Header("numa.h"),
    apt: Some("libnuma-dev"),
    dnf: Some("numactl-devel"),
    brew: None,
};

/// Configures quictls, which msquic stands on.
pub const PERL: Program = Program {
    name: "perl",
    proof: Proof::OnPath("perl"),
    apt: Some("perl"),
    dnf: Some("perl"),
    brew: None,
};

/// A C++ compiler, which Rust does without.
pub const CXX: Program = Program {
    name: "c++",
    proof: Proof::OnPath("c++"),
    apt: Some("g++"),
    dnf: Some("gcc-c++"),
    brew: None,
};

const PROGRAMS: [Program; 13] = [
    Program {
        name: "python3",
        proof: Proof::OnPath("python3"),
        apt: Some("python3"),
        dnf: Some("python3"),
        brew: Some("python"),
    },
    Program {
        name: "python3's venv",
        proof: Proof::PythonModules("ensurepip, venv"),
        apt: Some("python3-venv"),
        dnf: Some("python3"),
        brew: Some("python"),
    },
    Program {
        name: "npm",
        proof: Proof::OnPath("npm"),
        apt: Some("npm"),
        dnf: Some("npm"),
        brew: Some("node"),
    },
    TSHARK,
    Program {
        name: "mkcert",
        proof: Proof::OnPath("mkcert"),
        apt: Some("mkcert"),
        dnf: Some("mkcert"),
        brew: Some("mkcert"),
    },
    Program {
        name: "certutil",
        proof: Proof::OnPath("certutil"),
        apt: Some("libnss3-tools"),
        dnf: Some("nss-tools"),
        brew: Some("nss"),
    },
    Program {
        name: "curl",
        proof: Proof::OnPath("curl"),
        apt: Some("curl"),
        dnf: Some("curl"),
        brew: Some("curl"),
    },
    Program {
        name: "Chromium",
        proof: Proof::OneOnPath(&["chromium", "google-chrome", "chromium-browser"]),
        apt: Some("chromium"),
        dnf: Some("chromium"),
        // On macOS it asks the system, and so there is nothing to check.
        brew: None,
    },
    OPENSSL,
    NGTCP2_CLIENT,
    NGTCP2_SERVER,
    CADDY,
    VALGRIND,
];

impl Program {
    /// Returns what a person calls the program.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Tells whether the program is on this machine.
    pub fn is_here(&self) -> bool {
        match self.proof {
            Proof::OnPath(name) => find(name).is_some(),
            Proof::OneOnPath(names) => names.iter().any(|name| find(name).is_some()),

            Proof::Header(name) => Path::new("/usr/include").join(name).is_file(),
            Proof::PythonModules(names) => {
                let mut question = Command::new("python3");
                question.args(["-c", &format!("import {names}")]);
                process::capture(question, QUESTION_LIMIT)
                    .is_ok_and(|(ended, ..)| ended.is_success())
            }
            Proof::NodePackage(name) => node::has_native(name),
        }
    }

    /// Returns the name of the program's package.
    pub(super) fn package(&self, manager: Manager) -> Option<&'static str> {
        match manager {
            Manager::Apt => self.apt,
            Manager::Dnf => self.dnf,
            Manager::Brew => self.brew,
        }
    }
}

/// Returns what is not here and could be.
pub(super) fn missing(platform: &Platform) -> Vec<Program> {
    let obtainable = |program: &Program| program.package(platform.manager).is_some();
    PROGRAMS
        .into_iter()
        .filter(obtainable)
        .filter(|program| !program.is_here())
        .collect()
}

/// Returns the names of programs for a sentence.
pub(super) fn names(programs: &[Program]) -> String {
    programs
        .iter()
        .map(|program| program.name)
        .collect::<Vec<_>>()
        .join(", ")
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
        assert!(
            PROGRAMS
                .iter()
                .all(|program| program.package(Manager::Apt).is_some())
        );
    }
}

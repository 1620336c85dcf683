//! The package manager of this machine, and whether we may use it without asking.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::programs::{Manager, Program};
use crate::process;

/// sudo answers at once, unless it asks a server somewhere.
const SUDO_LIMIT: Duration = Duration::from_secs(1);
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Package manager of this machine, and whether we may use it.
#[derive(Debug)]
pub(super) struct Platform {
    pub(super) manager: Manager,
    is_root: bool,
}

impl Platform {
    /// Looks at the machine that we run on.
    pub(super) fn here() -> Self {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let manager = match cfg!(target_os = "macos") {
            true => Manager::Brew,
            false => manager_of(&release),
        };
        Self {
            manager,
            is_root: rustix::process::geteuid().is_root(),
        }
    }

    /// Returns those of `programs` that are not here and could be.
    pub(super) fn missing(&self, programs: &[Program]) -> Vec<Program> {
        let is_missing = |it: &&Program| it.package(self.manager).is_some() && !it.is_here();
        programs.iter().filter(is_missing).cloned().collect()
    }

    /// Tells whether packages can be installed with no question asked.
    pub(super) fn may_install(&self) -> bool {
        self.manager == Manager::Apt && (self.is_root || sudo_asks_nothing())
    }

    /// Returns one line for a shell that installs `programs`.
    pub(super) fn line_to_paste(&self, programs: &[Program]) -> String {
        let packages = self.packages(programs).join(" ");
        let sudo = if self.is_root { "" } else { "sudo " };
        match self.manager {
            Manager::Apt => format!("{sudo}apt-get update && {sudo}apt-get install -y {packages}"),
            Manager::Dnf => format!("{sudo}dnf install -y {packages}"),
            Manager::Brew => format!("brew install {packages}"),
        }
    }

    /// Installs with apt.
    pub(super) fn install(&self, programs: &[Program]) -> Result<()> {
        let packages = self.packages(programs);
        println!("setup: installing {}", packages.join(" "));
        self.apt_get(&["update", "--quiet"])?;
        let mut arguments = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
        arguments.extend(packages);
        self.apt_get(&arguments)
    }

    fn apt_get(&self, arguments: &[&str]) -> Result<()> {
        // `sudo` drops the environment, `env` behind it sets ours.
        let sudo: &[&str] = if self.is_root { &[] } else { &["sudo", "-n"] };
        let apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
        let words = [sudo, &apt, arguments].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        process::succeed(command, INSTALL_LIMIT)
    }

    fn packages(&self, programs: &[Program]) -> Vec<&'static str> {
        let programs = programs.iter();
        let packages = programs.filter_map(|program| program.package(self.manager));
        packages.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Reads os-release(5); apt where nothing is said, since most name its packages' names.
fn manager_of(release: &str) -> Manager {
    let value = |key: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(key));
        value.unwrap_or("").trim_matches('"')
    };
    let like = format!("{} {}", value("ID="), value("ID_LIKE="));
    let mut ids = like.split(' ');
    match ids.any(|id| matches!(id, "fedora" | "rhel" | "centos")) {
        true => Manager::Dnf,
        false => Manager::Apt,
    }
}

fn sudo_asks_nothing() -> bool {
    let mut question = Command::new("sudo");
    question.args(["-n", "true"]);
    process::answer(question, SUDO_LIMIT).is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::programs::{NGTCP2_CLIENT, OPENSSL};
    use super::*;

    #[test]
    fn the_package_manager_follows_the_distribution() {
        for (release, manager) in [
            ("ID=debian\n", Manager::Apt),
            ("NAME=x\nID=ubuntu\nID_LIKE=debian\n", Manager::Apt),
            ("ID=fedora\n", Manager::Dnf),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                Manager::Dnf,
            ),
        ] {
            assert_eq!(manager_of(release), manager, "{release}");
        }
    }

    #[test]
    fn what_is_printed_is_one_line_that_installs_what_is_missing() {
        let line = |manager, is_root| {
            Platform { manager, is_root }.line_to_paste(&[OPENSSL, NGTCP2_CLIENT, OPENSSL])
        };
        let apt = "sudo apt-get update && sudo apt-get install -y ngtcp2-client openssl";
        assert_eq!(line(Manager::Apt, false), apt);
        assert_eq!(line(Manager::Dnf, true), "dnf install -y openssl");
        assert_eq!(line(Manager::Brew, false), "brew install openssl");
    }
}

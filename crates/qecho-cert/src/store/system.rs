//! The stores of operating systems, each changed by its own tool.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustls_pki_types::CertificateDer;

use super::{AuthorityReference, StoreCommand};
use crate::credential_file::read_chain;

const NAMES: [(SystemStore, &str); 6] = [
    (SystemStore::Debian, "debian"),
    (SystemStore::Fedora, "fedora"),
    (SystemStore::Arch, "arch"),
    (SystemStore::OpenSuse, "opensuse"),
    (SystemStore::MacOs, "macos"),
    (SystemStore::Windows, "windows"),
];
const MACOS_KEYCHAIN: &str = "/Library/Keychains/System.keychain";

/// Trust store of a family of operating systems. Commands for others than Debian's were
/// never run there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SystemStore {
    /// Debian, Ubuntu and their kin.
    Debian,
    /// Fedora, Red Hat and their kin.
    Fedora,
    /// Arch.
    Arch,
    /// openSUSE.
    OpenSuse,
    /// macOS.
    MacOs,
    /// Windows; the store of the current user.
    Windows,
}

/// Error of parsing a [`SystemStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of debian, fedora, arch, opensuse, macos, windows")]
#[non_exhaustive]
pub struct UnknownSystemStore;

/// Folder of added CAs on a Linux system, and the bundle that is made of all CAs.
struct AnchorFolder {
    folder: &'static str,
    extension: &'static str,
    update: &'static [&'static str],
    update_after_removal: &'static [&'static str],
    bundle: &'static str,
}

impl SystemStore {
    /// Detects this machine's store by the folders that exist, in mkcert's order.
    pub fn detect(exists: &dyn Fn(&Path) -> bool) -> Option<Self> {
        if cfg!(windows) {
            return Some(Self::Windows);
        }
        if cfg!(target_os = "macos") {
            return Some(Self::MacOs);
        }
        [Self::Fedora, Self::Debian, Self::Arch, Self::OpenSuse]
            .into_iter()
            .find(|system| {
                let folder = |anchors: AnchorFolder| exists(Path::new(anchors.folder));
                system.anchors().is_some_and(folder)
            })
    }

    /// Returns the commands that make the system trust an authority.
    pub fn install(self, authority: &AuthorityReference) -> Vec<StoreCommand> {
        if let Some(anchors) = self.anchors() {
            let copy = StoreCommand::new("install")
                .args(["-m", "644"])
                .arg(&authority.path)
                .arg(anchors.file(authority));
            return vec![copy.with_root(true), anchors.update(anchors.update)];
        }
        let command = match self {
            Self::MacOs => StoreCommand::new("security")
                .args(["add-trusted-cert", "-d", "-r", "trustRoot", "-k"])
                .arg(MACOS_KEYCHAIN)
                .with_root(true),
            _ => StoreCommand::new("certutil").args(["-user", "-addstore", "Root"]),
        };
        vec![command.arg(&authority.path)]
    }

    /// Returns the commands that remove an authority.
    pub fn uninstall(self, authority: &AuthorityReference) -> Vec<StoreCommand> {
        if let Some(anchors) = self.anchors() {
            let remove = StoreCommand::new("rm")
                .arg("-f")
                .args(anchors.possible_files(authority));
            let update = anchors.update(anchors.update_after_removal);
            return vec![remove.with_root(true), update];
        }
        match self {
            Self::MacOs => {
                let security = || StoreCommand::new("security").with_root(true);
                let delete = ["delete-certificate", "-Z", &authority.sha1, MACOS_KEYCHAIN];
                vec![
                    security()
                        .args(["remove-trusted-cert", "-d"])
                        .arg(&authority.path),
                    security().args(delete),
                ]
            }
            _ => {
                let arguments = ["-user", "-delstore", "Root", &authority.sha1];
                vec![StoreCommand::new("certutil").args(arguments)]
            }
        }
    }

    /// Returns whether the system trusts a CA; `None` where no file says so.
    pub fn trusts(self, certificate: &CertificateDer<'_>) -> Option<bool> {
        let bundle = self.anchors()?.bundle;
        let chain = read_chain(Path::new(bundle)).unwrap_or_default();
        Some(chain.iter().any(|root| root == certificate))
    }

    /// Returns whether the system trusts an authority or has a file of it; `None` where no
    /// file says so.
    pub fn has_trace(
        self,
        authority: &AuthorityReference,
        certificate: &CertificateDer<'_>,
    ) -> Option<bool> {
        let mut files = self.anchors()?.possible_files(authority).into_iter();
        Some(files.any(|file| file.symlink_metadata().is_ok()) || self.trusts(certificate)?)
    }

    fn anchors(self) -> Option<AnchorFolder> {
        Some(match self {
            Self::Fedora => AnchorFolder {
                folder: "/etc/pki/ca-trust/source/anchors",
                extension: "pem",
                update: &["update-ca-trust", "extract"],
                update_after_removal: &["update-ca-trust", "extract"],
                bundle: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
            },
            Self::Debian => AnchorFolder {
                folder: "/usr/local/share/ca-certificates",
                extension: "crt",
                update: &["update-ca-certificates"],
                // Else links by the hash of what is gone may stay.
                update_after_removal: &["update-ca-certificates", "--fresh"],
                bundle: "/etc/ssl/certs/ca-certificates.crt",
            },
            Self::Arch => AnchorFolder {
                folder: "/etc/ca-certificates/trust-source/anchors",
                extension: "crt",
                update: &["update-ca-trust", "extract"],
                update_after_removal: &["update-ca-trust", "extract"],
                bundle: "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
            },
            Self::OpenSuse => AnchorFolder {
                // Packages have theirs below /usr, which may be read-only.
                folder: "/etc/pki/trust/anchors",
                extension: "pem",
                update: &["update-ca-certificates"],
                update_after_removal: &["update-ca-certificates"],
                bundle: "/var/lib/ca-certificates/ca-bundle.pem",
            },
            Self::MacOs | Self::Windows => return None,
        })
    }
}

impl AnchorFolder {
    fn file(&self, authority: &AuthorityReference) -> PathBuf {
        self.file_named(&authority.nickname())
    }

    /// Returns the files in which an authority may be: ours, and mkcert's if it exists.
    fn possible_files(&self, authority: &AuthorityReference) -> Vec<PathBuf> {
        let mkcerts = authority.mkcerts_nickname();
        let mkcerts = mkcerts.map(|name| self.file_named(&name.replace(' ', "_")));
        let mkcerts = mkcerts.filter(|file| file.symlink_metadata().is_ok());
        std::iter::once(self.file(authority))
            .chain(mkcerts)
            .collect()
    }

    fn file_named(&self, name: &str) -> PathBuf {
        Path::new(self.folder).join(format!("{name}.{}", self.extension))
    }

    fn update(&self, command: &'static [&'static str]) -> StoreCommand {
        let (program, arguments) = command.split_first().expect("there is a program");
        StoreCommand::new(program).args(arguments).with_root(true)
    }
}

impl FromStr for SystemStore {
    type Err = UnknownSystemStore;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = NAMES.iter().find(|(_, name)| *name == text);
        found.map(|(system, _)| *system).ok_or(UnknownSystemStore)
    }
}

impl fmt::Display for SystemStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMES.iter().find(|(system, _)| system == self);
        f.write_str(named.map_or("", |(_, name)| name))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_known_by_its_folder_and_mkcerts_order_decides() {
        let detect = |folders: &[&str]| {
            SystemStore::detect(&|path| folders.iter().any(|own| path == Path::new(own)))
        };
        let (fedora, debian) = (
            "/etc/pki/ca-trust/source/anchors",
            "/usr/local/share/ca-certificates",
        );
        assert_eq!(detect(&[debian]), Some(SystemStore::Debian));
        assert_eq!(detect(&[debian, fedora]), Some(SystemStore::Fedora));
        assert_eq!(
            detect(&["/etc/ca-certificates/trust-source/anchors"]),
            Some(SystemStore::Arch)
        );
        assert_eq!(
            detect(&["/etc/pki/trust/anchors"]),
            Some(SystemStore::OpenSuse)
        );
        assert_eq!(detect(&[]), None);
    }
}

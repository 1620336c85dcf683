//! The stores of operating systems, each changed by its own tool.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustls_pki_types::CertificateDer;

use super::{AsOsString, AuthorityReference, StoreCommand};
use crate::identity::read_chain;

const MACOS_KEYCHAIN: &str = "/Library/Keychains/System.keychain";

/// A family of systems that keep their roots in the same way. What is made for others
/// than Debian's was never run there.
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
    /// Windows; the store of the one user.
    Windows,
}

/// A system of this kind is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of debian, fedora, arch, opensuse, macos, windows")]
pub struct UnknownSystemStore;

/// Where a Linux system keeps what is added, and what it makes of all.
struct Anchors {
    folder: &'static str,
    extension: &'static str,
    update: &'static [&'static str],
    update_after_removal: &'static [&'static str],
    bundle: &'static str,
}

impl SystemStore {
    /// Finds out which system this is, by the folders that are there, in mkcert's order.
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
                let folder = |anchors: Anchors| exists(Path::new(anchors.folder));
                system.anchors().is_some_and(folder)
            })
    }

    /// Returns what makes the system trust an authority.
    pub fn install(self, candidate: &AuthorityReference) -> Vec<StoreCommand> {
        let ca = &candidate.path;
        if let Some(anchors) = self.anchors() {
            let target = anchors.file(candidate);
            return vec![
                StoreCommand::new("install", &[&"-m", &"644", ca, &target]).by_root(),
                anchors.update(anchors.update),
            ];
        }
        match self {
            Self::MacOs => {
                let arguments: [&dyn AsOsString; 7] = [
                    &"add-trusted-cert",
                    &"-d",
                    &"-r",
                    &"trustRoot",
                    &"-k",
                    &MACOS_KEYCHAIN,
                    ca,
                ];
                vec![StoreCommand::new("security", &arguments).by_root()]
            }
            _ => vec![StoreCommand::new(
                "certutil",
                &[&"-user", &"-addstore", &"Root", ca],
            )],
        }
    }

    /// Returns what leaves no trace of an authority.
    pub fn uninstall(self, candidate: &AuthorityReference) -> Vec<StoreCommand> {
        if let Some(anchors) = self.anchors() {
            let mut remove: Vec<&dyn AsOsString> = vec![&"-f"];
            let files = anchors.traces(candidate);
            remove.extend(files.iter().map(|file| file as &dyn AsOsString));
            return vec![
                StoreCommand::new("rm", &remove).by_root(),
                anchors.update(anchors.update_after_removal),
            ];
        }
        match self {
            Self::MacOs => vec![
                StoreCommand::new(
                    "security",
                    &[&"remove-trusted-cert", &"-d", &candidate.path],
                )
                .by_root(),
                StoreCommand::new(
                    "security",
                    &[
                        &"delete-certificate",
                        &"-Z",
                        &candidate.sha1,
                        &MACOS_KEYCHAIN,
                    ],
                )
                .by_root(),
            ],
            _ => vec![StoreCommand::new(
                "certutil",
                &[&"-user", &"-delstore", &"Root", &candidate.sha1],
            )],
        }
    }

    /// Tells whether the system's programs find an authority among its roots; `None`
    /// where that is not in a file.
    pub fn trusts(self, authority: &CertificateDer<'_>) -> Option<bool> {
        let bundle = self.anchors()?.bundle;
        let chain = read_chain(Path::new(bundle)).unwrap_or_default();
        Some(chain.iter().any(|root| root == authority))
    }

    /// Tells whether there is anything of an authority; `None` where that is not in a
    /// file.
    pub fn has_trace(
        self,
        candidate: &AuthorityReference,
        authority: &CertificateDer<'_>,
    ) -> Option<bool> {
        let mut files = self.anchors()?.traces(candidate).into_iter();
        Some(files.any(|file| file.symlink_metadata().is_ok()) || self.trusts(authority)?)
    }

    fn anchors(self) -> Option<Anchors> {
        Some(match self {
            Self::Fedora => Anchors {
                folder: "/etc/pki/ca-trust/source/anchors",
                extension: "pem",
                update: &["update-ca-trust", "extract"],
                update_after_removal: &["update-ca-trust", "extract"],
                bundle: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
            },
            Self::Debian => Anchors {
                folder: "/usr/local/share/ca-certificates",
                extension: "crt",
                update: &["update-ca-certificates"],
                // Else links by the hash of what is gone may stay.
                update_after_removal: &["update-ca-certificates", "--fresh"],
                bundle: "/etc/ssl/certs/ca-certificates.crt",
            },
            Self::Arch => Anchors {
                folder: "/etc/ca-certificates/trust-source/anchors",
                extension: "crt",
                update: &["update-ca-trust", "extract"],
                update_after_removal: &["update-ca-trust", "extract"],
                bundle: "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
            },
            Self::OpenSuse => Anchors {
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

impl Anchors {
    fn file(&self, candidate: &AuthorityReference) -> PathBuf {
        self.file_named(&candidate.nickname())
    }

    /// Returns where an authority may be: our file, and mkcert's if there is one.
    fn traces(&self, candidate: &AuthorityReference) -> Vec<PathBuf> {
        let mkcerts = candidate.mkcerts_nickname();
        let mkcerts = mkcerts.map(|name| self.file_named(&name.replace(' ', "_")));
        let mkcerts = mkcerts.filter(|file| file.symlink_metadata().is_ok());
        std::iter::once(self.file(candidate))
            .chain(mkcerts)
            .collect()
    }

    fn file_named(&self, name: &str) -> PathBuf {
        Path::new(self.folder).join(format!("{name}.{}", self.extension))
    }

    fn update(&self, command: &'static [&'static str]) -> StoreCommand {
        let (program, arguments) = command.split_first().expect("there is a program");
        StoreCommand {
            program,
            arguments: arguments.iter().map(Into::into).collect(),
            as_root: true,
        }
    }
}

impl FromStr for SystemStore {
    type Err = UnknownSystemStore;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "debian" => Self::Debian,
            "fedora" => Self::Fedora,
            "arch" => Self::Arch,
            "opensuse" => Self::OpenSuse,
            "macos" => Self::MacOs,
            "windows" => Self::Windows,
            _ => return Err(UnknownSystemStore),
        })
    }
}

impl fmt::Display for SystemStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debian => "debian",
            Self::Fedora => "fedora",
            Self::Arch => "arch",
            Self::OpenSuse => "opensuse",
            Self::MacOs => "macos",
            Self::Windows => "windows",
        })
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

//! Folders of qecho and of mkcert.
//!
//! The environment is an argument, so that nothing here depends on the process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Reads one environment variable by name.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads a variable of this process; the argument for the functions here.
///
/// ```
/// use qecho_cert::folder;
/// let folder = folder::data_folder(&folder::process_variable);
/// ```
pub fn process_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Returns qecho's own data folder, or `None` where no home is known.
///
/// The folder is `$QECHO_HOME` as it is; else `qecho` below the folder in which the
/// system keeps a user's data (mkcert's choice, too). Nothing is created.
pub fn data_folder(variables: Environment<'_>) -> Option<PathBuf> {
    Platform::current().folder(variables, "QECHO_HOME", "qecho")
}

/// Returns the folder for what qecho remembers between two runs, such as the lines typed at a
/// prompt, or `None` where no home is known.
///
/// The folder is `$QECHO_HOME` as it is; else `qecho` below `$XDG_STATE_HOME`, which is
/// `~/.local/state` unless it is set; on macOS and Windows [`data_folder`]. Nothing is created.
pub fn state_folder(variables: Environment<'_>) -> Option<PathBuf> {
    Platform::current().state_folder(variables)
}

/// Returns the folder of the user's own CA, which signs what `qecho cert new` asks for:
/// `ca` below [`data_folder`], where the one for loopback is.
pub fn user_authority_folder(variables: Environment<'_>) -> Option<PathBuf> {
    Some(data_folder(variables)?.join("ca"))
}

/// Returns the folder in which mkcert keeps its CA (`$CAROOT` as it is; else as
/// [`data_folder`] chooses, ending in `mkcert`), or `None` where no home is known.
pub fn mkcert_folder(variables: Environment<'_>) -> Option<PathBuf> {
    Platform::current().folder(variables, "CAROOT", "mkcert")
}

/// Returns `user@host`, as far as files and variables say; a new authority has it in its
/// name.
pub fn owner(variables: Environment<'_>) -> Option<String> {
    let text = |name| non_empty(variables, name)?.into_string().ok();
    let user = text("USER").or_else(|| text("USERNAME"))?;
    let host = std::fs::read_to_string("/etc/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .or_else(|| text("COMPUTERNAME"))
        .or_else(|| text("HOSTNAME"));
    Some(match host {
        Some(host) => format!("{user}@{host}"),
        None => user,
    })
}

/// Convention of an operating system for a user's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Platform {
    Windows,
    MacOs,
    Other,
}

impl Platform {
    fn current() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Other
        }
    }

    fn folder(self, variables: Environment<'_>, whole: &str, name: &str) -> Option<PathBuf> {
        if let Some(folder) = non_empty(variables, whole) {
            return Some(folder.into());
        }
        Some(self.user_data(variables)?.join(name))
    }

    fn state_folder(self, variables: Environment<'_>) -> Option<PathBuf> {
        let (qecho, home) = (non_empty(variables, "QECHO_HOME"), "XDG_STATE_HOME");
        match (qecho, non_empty(variables, home)) {
            (None, Some(folder)) if self != Self::Windows => {
                Some(PathBuf::from(folder).join("qecho"))
            }
            (None, None) if self == Self::Other => {
                let home = PathBuf::from(non_empty(variables, "HOME")?);
                Some(home.join(".local/state/qecho"))
            }
            _ => self.folder(variables, "QECHO_HOME", "qecho"),
        }
    }

    // The order is mkcert's: on Windows $XDG_DATA_HOME is not looked at, on macOS
    // it wins over ~/Library.
    fn user_data(self, variables: Environment<'_>) -> Option<PathBuf> {
        if self == Self::Windows {
            return non_empty(variables, "LocalAppData").map(PathBuf::from);
        }
        if let Some(folder) = non_empty(variables, "XDG_DATA_HOME") {
            return Some(folder.into());
        }
        let home = PathBuf::from(non_empty(variables, "HOME")?);
        Some(home.join(match self {
            Self::MacOs => Path::new("Library/Application Support"),
            Self::Windows | Self::Other => Path::new(".local/share"),
        }))
    }
}

/// Reads a variable; an empty one counts as unset.
pub(crate) fn non_empty(variables: Environment<'_>, name: &str) -> Option<OsString> {
    variables(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            Some(value.into())
        }
    }

    #[test]
    fn each_system_has_its_own_place_and_variables_win() {
        let (qecho, xdg) = (("QECHO_HOME", "/q"), ("XDG_DATA_HOME", "/x"));
        let (home, local) = (("HOME", "/h"), ("LocalAppData", "/local"));
        let (unset_qecho, unset_xdg) = (("QECHO_HOME", ""), ("XDG_DATA_HOME", ""));
        let in_library = "/h/Library/Application Support/qecho";
        let below_home = ["/local/qecho", in_library, "/h/.local/share/qecho"];
        for (variables, expected) in [
            (&[qecho, xdg, home, local][..], ["/q"; 3].map(Some)),
            (&[home, local], below_home.map(Some)),
            (&[unset_qecho, unset_xdg, home, local], below_home.map(Some)),
            // On Windows it is not looked at.
            (
                &[xdg, home, local],
                ["/local/qecho", "/x/qecho", "/x/qecho"].map(Some),
            ),
            (&[], [None; 3]),
        ] {
            let systems = [Platform::Windows, Platform::MacOs, Platform::Other];
            let found =
                systems.map(|system| system.folder(&read_from(variables), "QECHO_HOME", "qecho"));
            assert_eq!(found, expected.map(|folder| folder.map(PathBuf::from)));
        }
    }

    #[test]
    fn what_is_remembered_lies_where_each_system_keeps_state() {
        let (qecho, state) = (("QECHO_HOME", "/q"), ("XDG_STATE_HOME", "/s"));
        let home = [("HOME", "/h"), ("LocalAppData", "/local")];
        let in_library = "/h/Library/Application Support/qecho";
        let both = [&[state][..], &home].concat();
        for (variables, expected) in [
            (&[qecho, state][..], ["/q"; 3].map(Some)),
            (
                &home,
                ["/local/qecho", in_library, "/h/.local/state/qecho"].map(Some),
            ),
            (&both, ["/local/qecho", "/s/qecho", "/s/qecho"].map(Some)),
            (&[], [None; 3]),
        ] {
            let systems = [Platform::Windows, Platform::MacOs, Platform::Other];
            let found = systems.map(|system| system.state_folder(&read_from(variables)));
            assert_eq!(found, expected.map(|folder| folder.map(PathBuf::from)));
        }
    }

    #[test]
    fn mkcert_keeps_its_ca_where_caroot_says_or_beside_ours() {
        assert_eq!(
            mkcert_folder(&read_from(&[("CAROOT", "/ca")])),
            Some("/ca".into())
        );
        let home = [("HOME", "/h"), ("LocalAppData", "/h")];
        let ours = data_folder(&read_from(&home)).unwrap();
        let theirs = mkcert_folder(&read_from(&home)).unwrap();
        assert_eq!(theirs, ours.with_file_name("mkcert"));
    }

    #[test]
    fn the_owner_is_left_out_where_no_user_is_known() {
        assert_eq!(owner(&read_from(&[])), None);
        let owner = owner(&read_from(&[("USER", "ada")])).unwrap();
        assert!(owner == "ada" || owner.starts_with("ada@"), "{owner}");
    }
}

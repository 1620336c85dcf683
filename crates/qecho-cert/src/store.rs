//! Trust stores of a machine, and the commands that change them.
//!
//! Nothing is run here, so the commands of each system can be shown on every other.

mod nss;
mod system;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::details::CertificateDetails;

pub use nss::{NssProfile, NssProfiles, StoredAuthority, nss_profiles};
pub use system::SystemStore;

/// Characters of a fingerprint that tell one authority from another.
const ID_CHARACTERS: usize = 16;

/// Certificate file of an authority, with the identifiers that stores know it by.
#[derive(Clone, Debug)]
pub struct AuthorityReference {
    path: PathBuf,
    id: String,
    sha1: String,
    /// Serial number in decimal digits, which mkcert's nickname ends in.
    serial: Option<String>,
}

/// A command that changes or lists a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreCommand {
    /// The program's name.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Only root may run the command.
    pub as_root: bool,
}

impl AuthorityReference {
    /// Identifies an authority by the file of its certificate; the path should be absolute.
    pub fn new(path: &Path, details: &CertificateDetails) -> Self {
        Self {
            path: path.into(),
            id: details.sha256.chars().take(ID_CHARACTERS).collect(),
            sha1: details.sha1.clone(),
            serial: decimal(&details.serial),
        }
    }

    /// Returns the name under which stores keep the authority.
    fn nickname(&self) -> String {
        format!("qecho_{}", self.id)
    }

    /// Returns the name under which mkcert would have put the authority there; `None` for
    /// a serial number that is not mkcert's.
    fn mkcerts_nickname(&self) -> Option<String> {
        Some(format!("mkcert development CA {}", self.serial.as_ref()?))
    }
}

/// Writes a hexadecimal number as mkcert writes its serial numbers, which have at most
/// 128 bits.
fn decimal(hexadecimal: &str) -> Option<String> {
    let digits = hexadecimal.trim_start_matches('0');
    Some(u128::from_str_radix(digits, 16).ok()?.to_string())
}

impl StoreCommand {
    fn new(program: &'static str) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            as_root: false,
        }
    }

    fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().into());
        self
    }

    fn args<T: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = T>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    fn with_root(self, as_root: bool) -> Self {
        Self { as_root, ..self }
    }
}

/// Written as a person would type it into a shell.
impl fmt::Display for StoreCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        for argument in &self.arguments {
            let text = argument.to_string_lossy();
            let plain = |c: char| c.is_alphanumeric() || "-_./:,=@+".contains(c);
            match !text.is_empty() && text.chars().all(plain) {
                true => write!(f, " {text}")?,
                false => write!(f, " '{}'", text.replace('\'', r"'\''"))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_written_as_mkcert_writes_it() {
        assert_eq!(decimal("00ff").as_deref(), Some("255"));
        assert_eq!(decimal("00"), None);
        assert_eq!(decimal(&"f".repeat(33)), None);
    }

    #[test]
    fn a_step_is_written_as_a_shell_takes_it() {
        let step = StoreCommand::new("rm").args(["-f", "/a b/it's", "", "sql:/x"]);
        assert_eq!(step.to_string(), r"rm -f '/a b/it'\''s' '' sql:/x");
    }
}

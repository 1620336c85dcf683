//! NSS: the stores of Firefox and Chromium, one for each profile.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{AuthorityReference, StoreCommand};
use crate::folder::{Environment, non_empty};

/// The store that all users share, where there is one.
const SHARED: &str = "/etc/pki/nssdb";
/// Below the home: stores themselves. Chromium 146 and later makes its own below the
/// folder of a user's data, unless the older one is there.
const STORES: [&str; 8] = [
    ".pki/nssdb",
    ".local/share/pki/nssdb",
    "snap/chromium/current/.pki/nssdb",
    "snap/chromium/current/.local/share/pki/nssdb",
    ".var/app/org.chromium.Chromium/.pki/nssdb",
    ".var/app/org.chromium.Chromium/data/pki/nssdb",
    ".var/app/com.google.Chrome/.pki/nssdb",
    ".var/app/com.google.Chrome/data/pki/nssdb",
];
/// Below the home: folders with a profile in each folder, or with a `profiles.ini` that
/// tells where they are.
const FIREFOX: [&str; 7] = [
    ".mozilla/firefox",
    ".config/mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/config/mozilla/firefox",
    "Library/Application Support/Firefox/Profiles",
    "Library/Application Support/Firefox",
];
/// The same below the folders that a variable names instead of those in the home.
const DATA: (&str, &str) = ("XDG_DATA_HOME", "pki/nssdb");
const CONFIGURATION: (&str, &str) = ("XDG_CONFIG_HOME", "mozilla/firefox");
/// No user has more profiles than this.
const PROFILES_MAX: usize = 200;
/// Firefox's list of that many profiles is smaller.
const LIST_BYTES_MAX: u64 = 64 << 10;

/// An NSS store of one profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NssProfile {
    folder: PathBuf,
    as_root: bool,
}

/// Stores that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NssProfiles {
    /// Stores that can be changed.
    pub profiles: Vec<NssProfile>,
    /// Folders with a store in the form from before 2018 alone (`cert8.db`), which today's
    /// NSS cannot read: a browser of today makes a new one beside it when it starts.
    pub outdated: Vec<PathBuf>,
}

/// Finds the stores below a user's home and the other folders that the environment
/// names, those that Firefox has elsewhere, and the one that all users share.
pub fn nss_profiles(variables: Environment<'_>) -> NssProfiles {
    let home = non_empty(variables, "HOME").map(PathBuf::from);
    let below_home = |places: &'static [&str]| {
        let home = home.clone();
        places
            .iter()
            .filter_map(move |place| Some(home.as_ref()?.join(place)))
    };
    let named = |(variable, place)| {
        let folder = non_empty(variables, variable)?;
        Some(Path::new(&folder).join(place))
    };
    let stores = below_home(&STORES).chain(named(DATA));
    let firefox = below_home(&FIREFOX).chain(named(CONFIGURATION));
    let firefox = firefox.flat_map(|place| [folders(&place), listed(&place)].concat());
    let mut seen = BTreeSet::new();
    let folders = stores
        .chain(firefox)
        .filter(|folder| seen.insert(folder.clone()))
        .map(|folder| (folder, false))
        .chain([(SHARED.into(), true)]);
    let mut found = NssProfiles::default();
    for (folder, as_root) in folders {
        let holds = |file| folder.join(file).is_file();
        if found.profiles.len() + found.outdated.len() >= PROFILES_MAX {
            break;
        } else if holds("cert9.db") {
            found.profiles.push(NssProfile { folder, as_root });
        } else if holds("cert8.db") {
            found.outdated.push(folder);
        }
    }
    found
}

/// Returns the profiles that Firefox's `profiles.ini` in a folder names: below that folder,
/// or anywhere.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let mut list = String::new();
    let read = File::open(folder.join("profiles.ini"))
        .and_then(|file| file.take(LIST_BYTES_MAX).read_to_string(&mut list));
    if read.is_err() {
        return Vec::new();
    }
    // A path that is not relative replaces the folder, whatever IsRelative says.
    let paths = list.lines().filter_map(|line| line.strip_prefix("Path="));
    paths.map(|path| folder.join(path.trim_end())).collect()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

impl NssProfile {
    /// Returns the folder with the store.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the command that lists the store; [`StoredAuthority::parse`] reads its output.
    pub fn list(&self) -> StoreCommand {
        self.certutil("-L")
    }

    /// Returns the command that makes the store trust an authority.
    pub fn install(&self, authority: &AuthorityReference) -> StoreCommand {
        self.certutil("-A")
            .args(["-t", "C,,", "-n", &authority.nickname(), "-i"])
            .arg(&authority.path)
            .with_root(self.as_root)
    }

    /// Returns the commands that remove an authority's entries.
    pub fn uninstall(&self, found: &StoredAuthority) -> Vec<StoreCommand> {
        let remove = |nickname| {
            self.certutil("-D")
                .args(["-n", nickname])
                .with_root(self.as_root)
        };
        let nicknames = found.nicknames.iter().map(String::as_str);
        nicknames.map(remove).collect()
    }

    fn certutil(&self, action: &str) -> StoreCommand {
        StoreCommand::new("certutil")
            .args([action, "-d"])
            .arg(self.store())
    }

    fn store(&self) -> OsString {
        let mut store = OsString::from("sql:");
        store.push(&self.folder);
        store
    }
}

/// Entries of one authority in an NSS store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredAuthority {
    /// Nicknames of the authority: ours, mkcert's, or both.
    nicknames: Vec<String>,
    /// The authority is trusted for servers. NSS may know an authority and not trust it,
    /// as when the password of a profile was wrong.
    trusted: bool,
}

impl StoredAuthority {
    /// Returns the entry that is assumed where the store cannot be listed: under our name.
    pub fn assumed(authority: &AuthorityReference) -> Self {
        Self {
            nicknames: vec![authority.nickname()],
            trusted: true,
        }
    }

    /// Parses the output of [`NssProfile::list`]: a nickname and its trust on each line.
    pub fn parse(listing: &str, authority: &AuthorityReference) -> Self {
        let known = [Some(authority.nickname()), authority.mkcerts_nickname()];
        let mut found = Self::default();
        for line in listing.lines() {
            let Some((nickname, trust)) = line.trim_end().rsplit_once(char::is_whitespace) else {
                continue;
            };
            let nickname = nickname.trim_end();
            if known.iter().flatten().any(|own| own == nickname) {
                let for_servers = trust.split(',').next().unwrap_or_default();
                found.trusted |= for_servers.contains('C');
                found.nicknames.push(nickname.to_owned());
            }
        }
        found
    }

    /// Returns whether the store has an entry of the authority.
    pub fn is_present(&self) -> bool {
        !self.nicknames.is_empty()
    }

    /// Returns whether the authority is trusted for servers.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_tells_who_is_there_and_who_is_trusted() {
        let authority = AuthorityReference {
            path: "/ca".into(),
            id: "0123".into(),
            sha1: String::new(),
            serial: Some("255".into()),
        };
        let found = |lines: &str| {
            let head = "\nCertificate Nickname      Trust Attributes\n   SSL,S/MIME,JAR/XPI\n\n";
            let found = StoredAuthority::parse(&format!("{head}{lines}"), &authority);
            (found.nicknames.len(), found.is_trusted())
        };
        assert_eq!(found(""), (0, false));
        assert_eq!(found("qecho_0123          C,,  \n"), (1, true));
        assert_eq!(found("qecho_0123          ,,   \n"), (1, false));
        assert_eq!(found("qecho_01234         C,,  \n"), (0, false));
        assert_eq!(found("mkcert development CA 255     CT,C,C\n"), (1, true));
        assert_eq!(found("mkcert development CA 256     C,,\n"), (0, false));
        let both = "qecho_0123   ,,   \nmkcert development CA 255  C,, \n";
        assert_eq!(found(both), (2, true));
    }

    #[test]
    fn profiles_are_found_in_all_their_places() {
        let home = tempfile::tempdir().unwrap();
        let places = [
            ".pki/nssdb/cert9.db",
            ".local/share/pki/nssdb/cert9.db",
            "snap/chromium/current/.pki/nssdb/cert9.db",
            ".var/app/com.google.Chrome/data/pki/nssdb/cert9.db",
            "elsewhere/pki/nssdb/cert9.db",
            ".mozilla/firefox/a.default/cert9.db",
            ".config/mozilla/firefox/c.default/cert9.db",
            "snap/firefox/common/.mozilla/firefox/d.default/cert9.db",
            ".var/app/org.mozilla.firefox/.mozilla/firefox/e.default/cert9.db",
            "moved away/f.default/cert9.db",
            ".mozilla/firefox/below/g.default/cert9.db",
            ".mozilla/firefox/b.old/cert8.db",
            ".mozilla/firefox/no-profile/other.db",
        ];
        for place in places {
            let path = home.path().join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let list = format!(
            "[Profile0]\r\nName=a\r\nIsRelative=1\r\nPath=a.default\r\n\r\n[Profile1]\nName=f\n\
             IsRelative=0\nPath={}\n[Profile2]\nIsRelative=1\nPath=below/g.default\n",
            home.path().join("moved away/f.default").display()
        );
        fs::write(home.path().join(".mozilla/firefox/profiles.ini"), list).unwrap();
        let variables = |name: &str| {
            let place = match name {
                "HOME" => "",
                "XDG_DATA_HOME" => "elsewhere",
                // Where it would be anyway: nothing is found twice.
                "XDG_CONFIG_HOME" => ".config",
                _ => return None,
            };
            Some(home.path().join(place).into())
        };
        let found = nss_profiles(&variables);
        let old = home.path().join(".mozilla/firefox/b.old");
        assert_eq!(found.outdated, [old]);
        let mut found: Vec<_> = found
            .profiles
            .into_iter()
            .filter(|profile| !profile.as_root)
            .map(|profile| profile.store().to_string_lossy().into_owned())
            .collect();
        let mut expected: Vec<_> = places[..11]
            .iter()
            .map(|place| {
                let (folder, _) = place.rsplit_once('/').unwrap();
                format!("sql:{}", home.path().join(folder).display())
            })
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}

//! NSS: the stores of Firefox and Chromium, one for each profile.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Candidate, Step};

const PROGRAM: &str = "certutil";
/// The store that all users share, where there is one.
const SHARED: &str = "/etc/pki/nssdb";
/// Below the home: stores themselves.
const STORES: [&str; 3] = [
    ".pki/nssdb",
    ".local/share/pki/nssdb",
    "snap/chromium/current/.pki/nssdb",
];
/// Below the home: folders with a profile in each folder.
const FIREFOX: [&str; 6] = [
    ".mozilla/firefox",
    ".config/mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/config/mozilla/firefox",
    "Library/Application Support/Firefox/Profiles",
];
/// More profiles than this are nobody's.
const PROFILES_MAX: usize = 200;

/// A store of NSS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    folder: PathBuf,
    form: &'static str,
    as_root: bool,
}

/// Finds the stores below a home, and the one that all users share.
pub fn profiles(home: &Path) -> Vec<Profile> {
    let stores = STORES.iter().map(|place| home.join(place));
    let firefox = FIREFOX.iter().flat_map(|place| folders(&home.join(place)));
    stores
        .chain(firefox)
        .filter_map(|folder| Profile::at(folder, false))
        .chain(Profile::at(SHARED.into(), true))
        .take(PROFILES_MAX)
        .collect()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

impl Profile {
    fn at(folder: PathBuf, as_root: bool) -> Option<Self> {
        let forms = [("cert9.db", "sql"), ("cert8.db", "dbm")];
        let (_, form) = forms
            .into_iter()
            .find(|(file, _)| folder.join(file).is_file())?;
        Some(Self {
            folder,
            form,
            as_root,
        })
    }

    /// Returns the folder with the store.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns what tells by its exit code whether the store has an authority.
    pub fn look(&self, candidate: &Candidate) -> Step {
        let nickname = candidate.nickname();
        Step::new(PROGRAM, &[&"-L", &"-d", &self.store(), &"-n", &nickname])
    }

    /// Returns what makes it trust an authority.
    pub fn install(&self, candidate: &Candidate) -> Step {
        let nickname = candidate.nickname();
        let arguments: [&dyn super::AsOsString; 9] = [
            &"-A",
            &"-d",
            &self.store(),
            &"-t",
            &"C,,",
            &"-n",
            &nickname,
            &"-i",
            &candidate.path,
        ];
        self.with_rights(Step::new(PROGRAM, &arguments))
    }

    /// Returns what leaves no trace of an authority.
    pub fn uninstall(&self, candidate: &Candidate) -> Step {
        let nickname = candidate.nickname();
        self.with_rights(Step::new(
            PROGRAM,
            &[&"-D", &"-d", &self.store(), &"-n", &nickname],
        ))
    }

    fn store(&self) -> std::ffi::OsString {
        let mut store = std::ffi::OsString::from(format!("{}:", self.form));
        store.push(&self.folder);
        store
    }

    fn with_rights(&self, step: Step) -> Step {
        match self.as_root {
            true => step.by_root(),
            false => step,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_found_in_all_their_places() {
        let home = tempfile::tempdir().unwrap();
        let places = [
            ".pki/nssdb/cert9.db",
            "snap/chromium/current/.pki/nssdb/cert9.db",
            ".mozilla/firefox/a.default/cert9.db",
            ".mozilla/firefox/b.old/cert8.db",
            ".config/mozilla/firefox/c.default/cert9.db",
            "snap/firefox/common/.mozilla/firefox/d.default/cert9.db",
            ".var/app/org.mozilla.firefox/.mozilla/firefox/e.default/cert9.db",
            ".mozilla/firefox/no-profile/other.db",
        ];
        for place in places {
            let path = home.path().join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found: Vec<_> = profiles(home.path())
            .into_iter()
            .filter(|profile| !profile.as_root)
            .map(|profile| profile.store().to_string_lossy().into_owned())
            .collect();
        let expected: Vec<_> = places[..7]
            .iter()
            .map(|place| {
                let (folder, file) = place.rsplit_once('/').unwrap();
                let form = if file == "cert9.db" { "sql" } else { "dbm" };
                format!("{form}:{}", home.path().join(folder).display())
            })
            .collect();
        assert_eq!(found, expected);
    }
}

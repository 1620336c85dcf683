//! The authority's folder: made once, never overwritten, whatever happens.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use qecho_cert::{Authority, AuthorityError, AuthorityOrigin};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use crate::issue::{Issuing, file, key, self_signed, server};
use crate::process::{at_once, running};
use crate::wire::{DAY, now};

const FOLDER: &str = "QECHO_TEST_FOLDER";

#[test]
fn the_certificate_says_loopback_and_nothing_else() {
    let authority = Authority::ephemeral(now()).unwrap();
    let (_, certificate) = X509Certificate::from_der(authority.certificate_der()).unwrap();
    let basic = certificate.basic_constraints().unwrap().unwrap();
    assert!(basic.critical && basic.value.ca);
    assert_eq!(basic.value.path_len_constraint, Some(0));
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.flags, 1 << 5 | 1 << 6, "certSign and cRLSign");
    let constraints = certificate.name_constraints().unwrap().unwrap();
    assert!(constraints.critical);
    assert!(constraints.value.excluded_subtrees.is_none());
    let permitted = constraints.value.permitted_subtrees.as_ref().unwrap();
    let permitted: Vec<_> = permitted.iter().map(|subtree| &subtree.base).collect();
    let loopback_v6 = [Ipv6Addr::LOCALHOST.octets(), [0xff; 16]].concat();
    assert_eq!(
        permitted,
        [
            &GeneralName::DNSName("localhost"),
            &GeneralName::IPAddress(&[127, 0, 0, 0, 255, 0, 0, 0]),
            &GeneralName::IPAddress(&loopback_v6),
        ]
    );
    assert!(certificate.extensions().iter().any(|extension| matches!(
        extension.parsed_extension(),
        ParsedExtension::SubjectKeyIdentifier(_)
    )));
    assert_eq!(
        certificate.subject().to_string(),
        "O=qecho local CA (loopback only)"
    );
    let days = (authority.expires() - time::OffsetDateTime::from(now())).whole_days();
    assert_eq!(days, 3652, "ten years");
}

#[test]
fn a_new_authority_bears_its_owners_name() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, _) =
        Authority::open_or_create(folder.path(), Some("ada@engine"), now()).unwrap();
    let (_, certificate) = X509Certificate::from_der(authority.certificate_der()).unwrap();
    assert_eq!(
        certificate.subject().to_string(),
        "O=qecho local CA (loopback only), CN=qecho ada@engine"
    );
}

#[test]
fn an_ephemeral_authority_has_no_file() {
    let authority = Authority::ephemeral(now()).unwrap();
    assert_eq!(authority.certificate_path(), None);
    assert!(
        authority
            .certificate_pem()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
}

#[test]
fn the_second_start_finds_what_the_first_one_made() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("a/b/qecho");
    let (made, origin) = open(&folder).unwrap();
    assert_eq!(origin, AuthorityOrigin::Created);
    let before = contents(&folder);
    let (found, origin) = open(&folder).unwrap();
    assert_eq!(origin, AuthorityOrigin::Existing);
    assert_eq!(found.certificate_der(), made.certificate_der());
    assert_eq!(found.certificate_pem(), made.certificate_pem());
    assert_eq!(found.expires(), made.expires());
    assert_eq!(found.certificate_path(), Some(&*folder.join("rootCA.pem")));
    assert_eq!(contents(&folder), before);
    assert_eq!(before.len(), 2, "a certificate, a key, and no draft");
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_key() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("qecho");
    open(&folder).unwrap();
    // What this process's umask leaves of the rights everybody could have.
    fs::write(home.path().join("file"), "").unwrap();
    fs::create_dir(home.path().join("folder")).unwrap();
    let allowed = mode(&home.path().join("file"));
    assert_eq!(mode(&folder.join("rootCA-key.pem")), 0o400);
    assert_eq!(mode(&folder.join("rootCA.pem")), 0o644 & allowed);
    assert_eq!(mode(&folder), 0o755 & mode(&home.path().join("folder")));
}

#[test]
fn threads_that_start_at_once_agree_on_one_authority() {
    let folder = tempfile::tempdir().unwrap();
    let opened = at_once(16, || open(folder.path()).unwrap());
    let made = |(_, origin): &&(_, _)| *origin == AuthorityOrigin::Created;
    assert_eq!(opened.iter().filter(made).count(), 1);
    let certificates: HashSet<_> = opened
        .iter()
        .map(|(authority, _)| authority.certificate_der().to_vec())
        .collect();
    assert_eq!(certificates.len(), 1);
    assert_eq!(contents(folder.path()).len(), 2);
}

#[test]
fn processes_that_start_at_once_agree_on_one_authority() {
    if let Some(folder) = env::var_os(FOLDER) {
        open(&PathBuf::from(folder)).unwrap();
        return;
    }
    const PROCESSES: usize = 8;
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("qecho");
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| {
            running("authority::processes_that_start_at_once_agree_on_one_authority")
                .env(FOLDER, &folder)
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(open(&folder).unwrap().1, AuthorityOrigin::Existing);
    assert_eq!(contents(&folder).len(), 2);
}

#[test]
fn a_process_killed_at_any_moment_leaves_nothing_broken() {
    if let Some(folder) = env::var_os(FOLDER) {
        make_authorities_until_killed(&PathBuf::from(folder));
    }
    const KILLS: u64 = 12;
    let home = tempfile::tempdir().unwrap();
    for kill in 0..KILLS {
        let folder = home.path().join(kill.to_string());
        let mut child = running("authority::a_process_killed_at_any_moment_leaves_nothing_broken")
            .env(FOLDER, &folder)
            .spawn()
            .unwrap();
        while !folder.join("0").exists() {
            thread::sleep(Duration::from_millis(1));
            assert_eq!(
                child.try_wait().unwrap(),
                None,
                "the child works until it is killed"
            );
        }
        thread::sleep(Duration::from_micros(1_700 * kill));
        child.kill().unwrap();
        child.wait().unwrap();
        for authority in fs::read_dir(&folder).unwrap() {
            open(&authority.unwrap().path()).unwrap();
        }
    }
}

fn make_authorities_until_killed(folder: &Path) -> ! {
    for number in 0_u64.. {
        open(&folder.join(number.to_string())).expect("an authority is made");
    }
    unreachable!("nobody lives that long")
}

#[test]
fn a_key_left_alone_gets_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let key = key().serialize_pem();
    file(&folder, "rootCA-key.pem", &key);
    file(&folder, ".draft-0123456789abcdef", "half of a certifi");
    let (_, origin) = open(folder.path()).unwrap();
    assert_eq!(origin, AuthorityOrigin::Created);
    assert_eq!(
        fs::read_to_string(folder.path().join("rootCA-key.pem")).unwrap(),
        key
    );
    assert_eq!(open(folder.path()).unwrap().1, AuthorityOrigin::Existing);
}

#[test]
fn an_expired_authority_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).unwrap();
    let before = contents(folder.path());
    let later = now() + 3653 * DAY;
    let error = Authority::open_or_create(folder.path(), None, later).unwrap_err();
    assert!(matches!(error, AuthorityError::Expired { .. }));
    let path = folder.path().join("rootCA.pem");
    assert_eq!(
        error.to_string(),
        format!(
            "the CA in {} expired on 2036-11-22; remove the file, and a new one is made",
            path.display()
        )
    );
    assert_eq!(contents(folder.path()), before);
    fs::remove_file(path).unwrap();
    let (_, origin) = Authority::open_or_create(folder.path(), None, later).unwrap();
    assert_eq!(origin, AuthorityOrigin::Created, "as the message promised");
}

#[test]
fn what_is_no_authority_is_refused_by_name() {
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (certificate, expected) in [
        ("", "there is no certificate in PATH"),
        (
            "-----BEGIN CERTIFICATE-----\nMII",
            "PATH is no valid PEM file (damaged between BEGIN and END?)",
        ),
        (garbage, "cannot use the certificate in PATH"),
        (
            &self_signed(&server(&["localhost"])).0,
            "the certificate in PATH is not a CA's",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap();
        let path = file(&folder, "rootCA.pem", certificate);
        let error = open(folder.path()).unwrap_err().to_string();
        assert_eq!(error.replace(path.to_str().unwrap(), "PATH"), expected);
        let after = fs::read_to_string(path).unwrap();
        assert_eq!(after, certificate, "left as it was");
    }
}

#[test]
fn a_missing_strange_or_foreign_key_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    file(&folder, "rootCA.pem", &Issuing::root("somebody").pem);
    let certificate = folder.path().join("rootCA.pem").display().to_string();
    let key_path = folder.path().join("rootCA-key.pem").display().to_string();
    let reason = || open(folder.path()).unwrap_err().to_string();
    assert_eq!(
        reason(),
        format!("{certificate} is there, but its key {key_path} is missing")
    );
    file(&folder, "rootCA-key.pem", "no key");
    assert_eq!(reason(), format!("there is no private key in {key_path}"));
    file(&folder, "rootCA-key.pem", &key().serialize_pem());
    assert_eq!(
        reason(),
        format!("the key in {key_path} does not fit the certificate in {certificate}")
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_one_clear_error() {
    let home = tempfile::tempdir().unwrap();
    let folder = file(&home, "file", "").join("qecho");
    let error = open(&folder).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot create the folder {}", folder.display())
    );
    assert!(
        std::error::Error::source(&error).is_some(),
        "the cause is kept"
    );
}

fn open(folder: &Path) -> Result<(Authority, AuthorityOrigin), AuthorityError> {
    Authority::open_or_create(folder, None, now())
}

fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut contents: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("the folder can be listed").path();
            let content = fs::read(&path).expect("the owner reads everything");
            (path, content)
        })
        .collect();
    contents.sort();
    contents
}

//! The certificate and key that a server is given.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::{
    cert::mkcert_in,
    certificates::{Validity, certificate_for, key},
    cmd::Output,
    env::{self, TestEnv},
};

fn server_with(env: &TestEnv, certificate: &Path, key: &Path) -> Output {
    let server = env.qecho("server --listen localhost:0 --cert");
    server.arg(certificate).arg("--key").arg(key).run()
}

#[test]
fn a_certificate_of_ones_own_is_served_and_announced() {
    let env = TestEnv::new();
    let files = certificate_for(&env, "localhost", &Validity::Now);
    let (server, port) = env.text_server(&files.options());
    let banner = server.stdout.text();
    let words = "  certificate  localhost; until 2100-01-01\n";
    assert!(banner.contains(words), "{banner}");
    assert!(!banner.contains("local CA"), "{banner}");
    assert_eq!(server.stderr.text(), "", "no CA is made");
    let client = env.qecho(format!("client localhost:{port} -m a --ca"));
    client.arg(&files.ca).ok();
}

#[test]
fn a_key_that_does_not_fit_its_certificate_is_refused() {
    let env = TestEnv::new();
    let files = certificate_for(&env, "localhost", &Validity::Now);
    let other = env.file("other.pem", &key().serialize_pem());
    let done = server_with(&env, &files.certificate, &other);
    done.fails(2, "cannot use this certificate", None)
        .complains(&other.display().to_string());
    assert_eq!(done.stdout, "");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let env = TestEnv::new();
    let files = certificate_for(&env, "localhost", &Validity::Now);
    let missing = env.path("missing.pem");
    for done in [
        server_with(&env, &missing, &files.key),
        server_with(&env, &files.certificate, &missing),
    ] {
        done.fails(2, &missing.display().to_string(), None)
            .complains("No such file");
    }
    // Root may read everything, but a folder is no file.
    let folder = env.home();
    let done = server_with(&env, &files.certificate, &folder);
    done.fails(2, &folder.display().to_string(), None);
}

#[test]
fn a_key_without_permission_is_refused() {
    let env = TestEnv::new();
    let files = certificate_for(&env, "localhost", &Validity::Now);
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o000)).expect("it is ours");
    if fs::read(&files.key).is_ok() {
        // Root reads everything: there is nothing to see here.
        return;
    }
    let done = server_with(&env, &files.certificate, &files.key);
    done.fails(2, &files.key.display().to_string(), None)
        .complains("ermission denied");
}

#[test]
fn files_that_are_no_pem_are_named() {
    let env = TestEnv::new();
    let files = certificate_for(&env, "localhost", &Validity::Now);
    let text = env.file("text.pem", "no PEM at all");
    let broken = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    let broken = env.file("broken.pem", broken);
    let swapped = server_with(&env, &files.key, &files.certificate);
    swapped.exits(2).complains(".pem");
    for path in [&text, &broken] {
        for done in [
            server_with(&env, path, &files.key),
            server_with(&env, &files.certificate, path),
        ] {
            done.fails(2, &path.display().to_string(), None);
        }
    }
}

#[test]
fn mkcerts_files_work_on_both_sides() {
    let env = TestEnv::new();
    fs::create_dir(env.home().join("caroot")).expect("the home takes folders");
    let (certificate, key) = (env.path("mkcert.pem"), env.path("mkcert-key.pem"));
    let (certificate, key) = (certificate.display(), key.display());
    let typed = format!("-cert-file {certificate} -key-file {key} localhost 127.0.0.1 ::1");
    let typed: Vec<_> = typed.split(' ').collect();
    let made = mkcert_in(&env, &env.home(), &typed);
    assert!(made.status.success(), "{made:?}");
    let server = env.server(&format!("--cert {certificate} --key {key}"));
    let found = env.client(&server, "-m a").run();
    found.exits(0).complains("verified by mkcert's local CA");
    let ca = env.home().join("caroot/rootCA.pem");
    let named = env.client(&server, "-m a --ca").arg(ca).run();
    named.exits(0).complains("verified by CA file ");
}

#[test]
fn a_local_ca_that_is_broken_is_named_and_left_alone() {
    let env = TestEnv::new();
    env.server("").ends_well();
    let path = env.home().join("qecho/rootCA.pem");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    fs::write(&path, "broken").expect("it is ours");
    let done = env.qecho("server --listen localhost:0").run();
    done.exits(2).complains(&path.display().to_string());
    assert_eq!(env::read(&path), "broken");
}

//! The certificate and key that a server is given.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::{
    certificates::{Validity, certificate_for, key},
    process::Done,
    stage::Stage,
};

fn server_with(stage: &Stage, certificate: &Path, key: &Path) -> Done {
    stage
        .qecho("server --listen localhost:0 --cert")
        .arg(certificate)
        .arg("--key")
        .arg(key)
        .run()
}

#[test]
fn a_certificate_of_ones_own_is_served_and_announced() {
    let stage = Stage::new();
    let files = certificate_for(&stage, "localhost", &Validity::Now);
    let server = stage
        .qecho("server --listen localhost:0 --cert")
        .arg(&files.certificate);
    let server = server.arg("--key").arg(&files.key).start();
    server.stdout.says("\n\n");
    let banner = server.stdout.text();
    assert!(
        banner.contains("  certificate  localhost; until 2100-01-01\n"),
        "{banner}"
    );
    assert!(!banner.contains("local CA"), "{banner}");
    assert_eq!(server.stderr.text(), "", "no CA is made");
    let port = crate::stage::port(server.stdout.line(1).trim());
    let client = stage.qecho(&format!("client localhost:{port} -m a --ca"));
    client.arg(&files.ca).run().exits(0);
}

#[test]
fn a_key_that_does_not_fit_its_certificate_is_refused() {
    let stage = Stage::new();
    let files = certificate_for(&stage, "localhost", &Validity::Now);
    let other = stage.file("other.pem", &key().serialize_pem());
    let done = server_with(&stage, &files.certificate, &other);
    done.fails(2, "cannot use this certificate", None)
        .complains(&other.display().to_string());
    assert_eq!(done.stdout, "");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let stage = Stage::new();
    let files = certificate_for(&stage, "localhost", &Validity::Now);
    let missing = stage.path("missing.pem");
    for done in [
        server_with(&stage, &missing, &files.key),
        server_with(&stage, &files.certificate, &missing),
    ] {
        done.fails(2, &missing.display().to_string(), None)
            .complains("No such file");
    }
    // Root may read everything, but a folder is no file.
    let folder = stage.home();
    let done = server_with(&stage, &files.certificate, &folder);
    done.fails(2, &folder.display().to_string(), None);
}

#[test]
fn a_key_without_permission_is_refused() {
    let stage = Stage::new();
    let files = certificate_for(&stage, "localhost", &Validity::Now);
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o000)).expect("it is ours");
    if fs::read(&files.key).is_ok() {
        // Root reads everything: there is nothing to see here.
        return;
    }
    let done = server_with(&stage, &files.certificate, &files.key);
    done.fails(2, &files.key.display().to_string(), None)
        .complains("ermission denied");
}

#[test]
fn files_that_are_no_pem_are_named() {
    let stage = Stage::new();
    let files = certificate_for(&stage, "localhost", &Validity::Now);
    let text = stage.file("text.pem", "no PEM at all");
    let broken = stage.file(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    );
    let swapped = server_with(&stage, &files.key, &files.certificate);
    swapped.exits(2).complains(".pem");
    for path in [&text, &broken] {
        for done in [
            server_with(&stage, path, &files.key),
            server_with(&stage, &files.certificate, path),
        ] {
            done.fails(2, &path.display().to_string(), None);
        }
    }
}

#[test]
fn mkcerts_files_work_on_both_sides() {
    let stage = Stage::new();
    fs::create_dir(stage.home().join("caroot")).expect("the home takes folders");
    let (certificate, key) = (stage.path("mkcert.pem"), stage.path("mkcert-key.pem"));
    let made = stage
        .command("mkcert")
        .arg("-cert-file")
        .arg(&certificate)
        .arg("-key-file")
        .arg(&key)
        .args(["localhost", "127.0.0.1", "::1"])
        .output()
        .unwrap_or_else(|error| panic!("cannot run mkcert: {error}; run `cargo xtask setup`"));
    assert!(made.status.success(), "{made:?}");
    let server = stage.server(&format!(
        "--cert {} --key {}",
        certificate.display(),
        key.display()
    ));
    let found = stage.client(&server, "-m a").run();
    found.exits(0).complains("verified by mkcert's local CA");
    let ca = stage.home().join("caroot/rootCA.pem");
    let named = stage.client(&server, "-m a --ca").arg(ca).run();
    named.exits(0).complains("verified by CA file ");
}

#[test]
fn a_local_ca_that_is_broken_is_named_and_left_alone() {
    let stage = Stage::new();
    stage.server("").ends_well();
    let path = stage.home().join("qecho/rootCA.pem");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    fs::write(&path, "broken").expect("it is ours");
    let done = stage.qecho("server --listen localhost:0").run();
    done.exits(2).complains(&path.display().to_string());
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "broken");
}

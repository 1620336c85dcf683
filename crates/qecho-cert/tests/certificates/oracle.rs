//! Our certificates before OpenSSL and mkcert's before us.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use qecho_cert::{Identity, LocalAuthority, ServerIdentity, TrustSettings};

use crate::issue::{Issuing, automatic_in, file, key, server};
use crate::process::{openssl, tool};
use crate::wire::{meet, meet_at, now, trusting};

#[test]
fn openssl_accepts_our_leaf_for_the_loopback_names() {
    let folder = tempfile::tempdir().unwrap();
    let (names, addresses) = ("-verify_hostname", "-verify_ip");
    for (option, name) in [
        (names, "localhost"),
        (addresses, "127.0.0.1"),
        (addresses, "::1"),
    ] {
        let pem = our_leaf(&folder, name);
        let (accepted, said) = openssl_verifies(&folder, &pem, option, name);
        assert!(accepted, "{said}");
        let (accepted, said) = openssl_verifies(&folder, &pem, names, "example.com");
        assert!(!accepted && said.contains("hostname mismatch"), "{said}");
    }
    let unnamed = our_leaf(&folder, "::1");
    let (accepted, said) = openssl_verifies(&folder, &unnamed, names, "localhost");
    assert!(accepted, "without an SNI: {said}");
}

#[test]
fn openssl_refuses_a_leaf_of_our_authority_for_any_other_name() {
    let folder = tempfile::tempdir().unwrap();
    our_leaf(&folder, "localhost");
    let thief = Issuing::stolen(folder.path());
    for (option, name) in [
        ("-verify_hostname", "example.com"),
        ("-verify_ip", "192.0.2.1"),
    ] {
        let mut params = server(&[name]);
        params.distinguished_name = rcgen::DistinguishedName::new();
        let pem = file(&folder, "thief.pem", &thief.sign(&params, &key()).pem());
        let (accepted, said) = openssl_verifies(&folder, &pem, option, name);
        assert!(
            !accepted && said.contains("permitted subtree violation"),
            "{said}"
        );
    }
}

#[test]
fn openssl_computes_the_same_pin() {
    let folder = tempfile::tempdir().unwrap();
    let leaf = automatic_in(folder.path());
    let key = folder.path().join("server-key.pem");
    let der = folder.path().join("public.der");
    openssl(
        "pkey -pubout -outform der",
        &[("-in", &key), ("-out", &der)],
    );
    let (_, said) = tool(
        Command::new("openssl")
            .args(["dgst", "-sha256", "-r"])
            .arg(&der),
    );
    assert_eq!(format!("sha256:{}", &said[..64]), leaf.pin().to_string());
}

#[test]
fn files_of_mkcert_serve_and_its_authority_vouches() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = mkcert(folder.path(), &["localhost", "127.0.0.1", "::1"]);
    let identity = Arc::new(Identity::load(&certificate, &key).unwrap());
    assert_eq!(identity.names(), ["localhost", "127.0.0.1", "::1"]);
    let settings = TrustSettings::default().with_local_authorities(vec![
        LocalAuthority::at("qecho", folder.path().join("none")),
        LocalAuthority::at("mkcert", folder.path()),
    ]);
    let real_now = std::time::SystemTime::now();
    let met = meet_at(real_now, settings, "localhost", identity);
    met.accepted_by("mkcert's local CA");
}

#[test]
fn an_authority_of_mkcert_in_our_folder_signs_our_leaf() {
    let folder = tempfile::tempdir().unwrap();
    mkcert(folder.path(), &["localhost"]);
    let leaf = automatic_in(folder.path());
    let met = meet(trusting(&folder), "localhost", leaf);
    met.accepted_by("qecho's local CA");
}

/// Writes our leaf as PEM, as a client is shown it that calls the server so.
fn our_leaf(folder: &tempfile::TempDir, called: &'static str) -> std::path::PathBuf {
    let met = meet(trusting(folder), called, automatic_in(folder.path()));
    let der = folder.path().join("leaf.der");
    std::fs::write(&der, met.result.expect("our own is accepted")).expect("the folder is ours");
    let pem = folder.path().join("leaf.pem");
    openssl("x509 -inform der", &[("-in", &der), ("-out", &pem)]);
    pem
}

fn openssl_verifies(
    folder: &tempfile::TempDir,
    leaf: &Path,
    option: &str,
    name: &str,
) -> (bool, String) {
    let seconds = now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .expect("it is later");
    tool(
        Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", "sslserver", "-attime"])
            .arg(seconds.as_secs().to_string())
            .arg("-CAfile")
            .arg(folder.path().join("rootCA.pem"))
            .args([option, name])
            .arg(leaf),
    )
}

fn mkcert(folder: &Path, names: &[&str]) -> (std::path::PathBuf, std::path::PathBuf) {
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let (done, said) = tool(
        Command::new("mkcert")
            .env("CAROOT", folder)
            .arg("-cert-file")
            .arg(&certificate)
            .arg("-key-file")
            .arg(&key)
            .args(names),
    );
    assert!(done, "{said}");
    (certificate, key)
}

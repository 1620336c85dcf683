//! Identities from files, in all the forms people have.

use std::path::Path;
use std::process::Command;

use qecho_cert::{Identity, IdentityError, ServerIdentity};
use time::OffsetDateTime;

use crate::issue::{Issuing, file, key, self_signed, server};
use crate::process::tool;
use crate::wire::{DAY, now};

#[test]
fn an_identity_tells_its_names_its_expiry_and_its_pin() {
    let (pem, identity) = self_signed(&server(&["a.example", "192.0.2.1", "2001:db8::1"]));
    assert_eq!(identity.names(), ["a.example", "192.0.2.1", "2001:db8::1"]);
    assert_eq!(identity.expires(), OffsetDateTime::from(now() + DAY));
    assert_eq!(identity.authority_path(), None);
    assert!(identity.pin().to_string().starts_with("sha256:"));
    assert!(!format!("{identity:?}").contains(&pem[30..60]));
}

#[test]
fn an_expired_certificate_loads_and_says_so() {
    let mut params = server(&["localhost"]);
    params.not_after = OffsetDateTime::from(now() - DAY / 2);
    let (_, identity) = self_signed(&params);
    assert!(identity.expires() < now());
}

#[test]
fn certificate_and_key_may_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let certificate = server(&["localhost"]).self_signed(&key).unwrap();
    let both = file(
        &folder,
        "both.pem",
        &(key.serialize_pem() + &certificate.pem()),
    );
    Identity::load(&both, &both).unwrap();
}

#[test]
fn keys_of_every_common_form_load() {
    let folder = tempfile::tempdir().unwrap();
    let forms: [(&str, &[&str]); 4] = [
        (
            "-----BEGIN PRIVATE KEY-----",
            &["genpkey", "-algorithm", "ed25519"],
        ),
        (
            "-----BEGIN EC PARAMETERS-----",
            &["ecparam", "-name", "prime256v1", "-genkey"],
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----",
            &["genrsa", "-traditional", "2048"],
        ),
        ("-----BEGIN PRIVATE KEY-----", &["genrsa", "2048"]),
    ];
    for (head, arguments) in forms {
        let (done, said) = tool(Command::new("openssl").args(arguments));
        assert!(done, "{said}");
        let pem = &said[said.find("-----BEGIN").unwrap()..];
        assert!(pem.starts_with(head), "{pem}");
        let key = file(&folder, "key.pem", pem);
        let certificate = folder.path().join("certificate.pem");
        openssl_self_signs(&key, &certificate);
        let identity = Identity::load(&certificate, &key).unwrap();
        assert_eq!(identity.names(), ["localhost"]);
    }
}

#[test]
fn a_key_of_another_certificate_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = file(
        &folder,
        "certificate.pem",
        &self_signed(&server(&["localhost"])).0,
    );
    let key = file(&folder, "key.pem", &key().serialize_pem());
    let error = Identity::load(&certificate, &key).unwrap_err();
    assert!(matches!(error, IdentityError::KeyMismatch { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "the key in {} does not fit the certificate in {}",
            key.display(),
            certificate.display()
        )
    );
}

#[test]
fn a_chain_in_the_wrong_order_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let (root, key) = (Issuing::root("root"), key());
    let leaf = root.sign(&server(&["localhost"]), &key).pem();
    let certificate = file(&folder, "certificate.pem", &(root.pem + &leaf));
    let key = file(&folder, "key.pem", &key.serialize_pem());
    let error = Identity::load(&certificate, &key).unwrap_err();
    assert!(matches!(error, IdentityError::KeyMismatch { .. }));
}

#[test]
fn a_file_that_is_not_what_it_should_be_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let certificate = server(&["localhost"]).self_signed(&key).unwrap().pem();
    let key = key.serialize_pem();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let no_certificate = "there is no certificate in CERT (PEM is expected)";
    for (certificate, key, reason) in [
        (&*key, &*key, no_certificate),
        ("\x30\x03\x02\x01\x01", &*key, no_certificate),
        (broken, &*key, "cannot use the certificate in CERT"),
        (
            &(certificate.clone() + broken),
            &*key,
            "cannot use the certificate in CERT",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA",
            &*key,
            "cannot parse CERT as PEM",
        ),
        (
            &*certificate,
            &*certificate,
            "there is no private key in KEY (PEM is expected)",
        ),
        (
            &*certificate,
            broken_key,
            "cannot use the private key in KEY",
        ),
        (
            &*certificate,
            encrypted,
            "the private key in KEY is encrypted; decrypt it first",
        ),
        (
            &*certificate,
            "-----BEGIN PRIVATE KEY-----\n?",
            "cannot parse KEY as PEM",
        ),
    ] {
        let certificate = file(&folder, "CERT", certificate);
        let key = file(&folder, "KEY", key);
        let error = Identity::load(&certificate, &key).unwrap_err().to_string();
        assert_eq!(
            error.replace(&format!("{}/", folder.path().display()), ""),
            reason
        );
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing = Path::new("/nonexistent/certificate.pem");
    let error = Identity::load(missing, missing).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read /nonexistent/certificate.pem"
    );
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.starts_with("No such file"), "{cause}");
}

fn openssl_self_signs(key: &Path, certificate: &Path) {
    let (done, said) = tool(
        Command::new("openssl")
            .args(["req", "-x509", "-days", "2", "-subj", "/CN=server"])
            .args(["-addext", "subjectAltName=DNS:localhost", "-key"])
            .arg(key)
            .arg("-out")
            .arg(certificate),
    );
    assert!(done, "{said}");
}

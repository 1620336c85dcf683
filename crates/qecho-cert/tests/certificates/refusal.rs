//! Certificates that are refused for what stands in them: the reason and the hint,
//! word for word.

use std::path::PathBuf;
use std::sync::Arc;

use qecho_cert::{
    Authority, AutomaticLeaf, Identity, Pin, ServerIdentity, TrustSettings, TrustVerifier,
};
use rustls::client::danger::ServerCertVerifier;
use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::issue::{Issuing, accept, authority, file, self_signed, server};
use crate::process::openssl;
use crate::wire::{DAY, clock, meet, meet_at, now, trusting_ca, trusting_file};

const YEAR: std::time::Duration = DAY.saturating_mul(365);
/// Arguments of OpenSSL for a certificate that is valid from the real time on, for a century.
const SIGN_WITH_RSA: &str = "req -x509 -newkey rsa:2048 -nodes -days 36500 -subj";
const WRONG_CA: &str = "this is a CA's own certificate and cannot be a server's";

#[test]
fn the_name_of_another_host_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, leaf) = automatic_and_trusted(&folder);
    let pin = leaf.pin();
    let valid = [
        ("example.com", "localhost"),
        ("127.0.0.2", "localhost, 127.0.0.1, ::1"),
    ];
    for (name, names) in valid {
        let met = meet(settings.clone(), name, Arc::clone(&leaf) as _);
        let (reason, hint) = met.refused();
        assert_eq!(
            reason,
            format!("the certificate is not valid for {name} (valid for {names})")
        );
        let accept = accept(pin);
        assert_eq!(
            hint,
            format!("call the server by a name the certificate is valid for, or {accept}")
        );
        assert!(matches!(
            met.result,
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForNameContext { .. }
            ))
        ));
    }
}

#[test]
fn a_certificate_of_another_time_is_refused_with_its_date() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, leaf) = automatic_and_trusted(&folder);
    for (time, reason, hint) in [
        (
            now() + 14 * DAY,
            "the certificate expired on 2026-12-06 12:00 UTC",
            "check the clock; if it is right, the server needs a new certificate",
        ),
        (
            now() - DAY,
            "the certificate is not valid until 2026-11-23 11:00 UTC",
            "check the clock, here and on the server",
        ),
    ] {
        let leaf = Arc::clone(&leaf) as _;
        let refused = meet_at(time, settings.clone(), "localhost", leaf).refused();
        assert_eq!(refused, (reason.to_owned(), hint.to_owned()));
    }
}

#[test]
fn the_fault_of_an_intermediate_is_not_blamed_on_the_leaf() {
    let folder = tempfile::tempdir().unwrap();
    let root = Issuing::root("root");
    let mut expired = authority("middle");
    expired.not_after = OffsetDateTime::from(now() - DAY);
    // A rule without a reason of its own is told in plain words.
    let mut no_authority = authority("middle");
    no_authority.is_ca = rcgen::IsCa::ExplicitNoCa;
    for (params, expected) in [
        (
            expired,
            "a certificate in the chain expired on 2026-11-22 12:00 UTC",
        ),
        (
            no_authority,
            "the certificate was refused: a certificate in the chain signed another, \
             but is no CA's",
        ),
    ] {
        let middle = root.intermediate(params);
        let leaf = middle.leaf(&server(&["localhost"]), &[&middle]);
        let settings = trusting_file(&folder, &root.pem);
        meet(settings, "localhost", leaf).refused_because(expected);
    }
}

#[test]
fn the_most_telling_of_several_anchors_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let (known, other) = (Issuing::root("known"), Issuing::root("other"));
    let settings = TrustSettings::default().with_ca_files(vec![
        file(&folder, "first.pem", &other.pem),
        file(&folder, "known.pem", &known.pem),
        file(&folder, "last.pem", &other.pem),
    ]);
    let leaf = known.leaf(&server(&["a.example", "b.example"]), &[]);
    meet(settings, "c.example", leaf).refused_because(
        "the certificate is not valid for c.example (valid for a.example, b.example)",
    );
}

#[test]
fn a_self_signed_certificate_is_refused_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let corp = Issuing::root("corp");
    let mut as_authority = authority("me");
    as_authority.subject_alt_names = server(&["localhost"]).subject_alt_names;
    for params in [server(&["localhost"]), as_authority] {
        let (pem, identity) = self_signed(&params);
        let pin = identity.pin();
        let met = meet(trusting_file(&folder, &corp.pem), "localhost", identity);
        assert_eq!(
            met.refused(),
            ("the certificate is self-signed".to_owned(), accept(pin))
        );
        assert!(pem.contains("CERTIFICATE"));
    }
}

#[test]
fn a_certificate_for_clients_is_no_servers() {
    let folder = tempfile::tempdir().unwrap();
    let root = Issuing::root("root");
    let mut params = server(&["localhost"]);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = root.leaf(&params, &[]);
    let met = meet(trusting_file(&folder, &root.pem), "localhost", leaf);
    met.refused_because("the certificate is not meant for a server");
}

#[test]
fn a_cas_own_certificate_is_no_servers() {
    let folder = tempfile::tempdir().unwrap();
    let root = Issuing::root("root");
    let mut params = authority("below");
    params.subject_alt_names = server(&["localhost"]).subject_alt_names;
    let leaf = root.leaf(&params, &[]);
    let accept = accept(leaf.pin());
    let met = meet(trusting_file(&folder, &root.pem), "localhost", leaf);
    assert_eq!(met.refused(), refused_ca(&accept));
    // The same of one that is named.
    let (identity, certificate) = signed_by_openssl(
        &folder,
        "/CN=localhost -addext subjectAltName=DNS:localhost",
    );
    let accept = format!("accept exactly this key with --pin {}", identity.pin());
    let met = meet_decades_later(certificate, identity);
    assert_eq!(met, refused_ca(&accept));
}

fn refused_ca(accept: &str) -> (String, String) {
    let hint = format!("make the server's certificate with basicConstraints CA:FALSE, or {accept}");
    (WRONG_CA.to_owned(), hint)
}

#[test]
fn an_algorithm_that_is_not_accepted_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, certificate) = signed_with_sha1(&folder);
    let accept = accept(identity.pin());
    let (reason, hint) = meet_decades_later(certificate, identity);
    assert_eq!(
        reason,
        "the certificate is signed with an algorithm that is not accepted (SHA-1 with RSA)"
    );
    assert_eq!(
        hint,
        format!("the server needs a certificate signed with SHA-256 or better, or {accept}")
    );
}

#[test]
fn an_anchor_that_shares_a_name_does_not_hide_that_a_certificate_is_self_signed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, rsa) = signed_by_openssl(&folder, "/CN=localhost");
    let ecdsa = file(&folder, "ecdsa", &Issuing::root("localhost").pem);
    let mut params = server(&["localhost"]);
    params.distinguished_name = authority("localhost").distinguished_name;
    let (_, leaf) = self_signed(&params);
    let (sha1, _) = signed_with_sha1(&tempfile::tempdir().unwrap());
    for (time, leaf) in [(now(), leaf), (now() + 70 * YEAR, sha1)] {
        for anchor in [&rsa, &ecdsa] {
            let leaf = Arc::clone(&leaf) as _;
            let met = meet_at(time, trusting_ca(anchor.clone()), "localhost", leaf);
            met.refused_because("the certificate is self-signed");
        }
    }
}

#[test]
fn an_anchor_with_a_key_of_another_kind_is_not_the_issuer() {
    let folder = tempfile::tempdir().unwrap();
    let (_, rsa) = signed_by_openssl(&folder, "/CN=corp");
    let leaf = Issuing::root("corp").leaf(&server(&["localhost"]), &[]);
    meet(trusting_ca(rsa), "localhost", leaf)
        .refused_because("the certificate's issuer is not trusted (CN=corp)");
}

#[test]
fn an_intermediate_signed_with_sha1_is_not_blamed_on_the_leaf() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let extensions = file(&folder, "ca.cnf", "basicConstraints=critical,CA:TRUE\n");
    let (_, root) = signed_by_openssl(&folder, "/CN=root");
    let middle_key = crate::issue::key();
    let key = file(&folder, "middle.key", &middle_key.serialize_pem());
    openssl(
        "req -new -subj /CN=middle",
        &[("-key", &key), ("-out", &path("request"))],
    );
    openssl(
        "x509 -req -sha1 -days 36500 -set_serial 2",
        &[
            ("-in", &path("request")),
            ("-CA", &root),
            ("-CAkey", &path("key")),
            ("-extfile", &extensions),
            ("-out", &path("middle")),
        ],
    );
    let middle = Issuing::of(&path("middle"), middle_key);
    let mut params = server(&["localhost"]);
    params.not_after = OffsetDateTime::from(now() + 80 * YEAR);
    let leaf = middle.leaf(&params, &[&middle]);
    assert_eq!(
        meet_decades_later(root, leaf).0,
        "a certificate in the chain is signed with an algorithm that is not accepted \
         (SHA-1 with RSA)"
    );
}

#[test]
fn what_is_no_certificate_is_malformed_to_everybody_who_checks() {
    let folder = tempfile::tempdir().unwrap();
    for settings in [
        trusting_file(&folder, &Issuing::root("root").pem),
        TrustSettings::default().with_pin(Pin::of_public_key(b"")),
        TrustSettings::default(),
    ] {
        let verifier = TrustVerifier::new(settings).unwrap();
        let garbage = CertificateDer::from(&b"garbage"[..]);
        let name = ServerName::try_from("localhost").unwrap();
        let result = verifier
            .verify_server_cert(&garbage, &[], &name, &[], UnixTime::now())
            .unwrap_err();
        assert_eq!(
            result,
            Error::InvalidCertificate(CertificateError::BadEncoding)
        );
        let failure = verifier.failure().unwrap();
        assert_eq!(failure.to_string(), "the certificate is malformed");
        assert_eq!(failure.hint(), "ask whoever runs the server");
        assert_eq!(failure.seen(), None);
    }
}

/// Makes an automatic leaf and trusts its authority, by way of a file.
fn automatic_and_trusted(folder: &TempDir) -> (TrustSettings, Arc<AutomaticLeaf>) {
    let authority = Arc::new(Authority::ephemeral(now()).expect("keys can be made"));
    let settings = trusting_file(folder, authority.certificate_pem());
    let leaf = AutomaticLeaf::ephemeral(authority, clock()).expect("keys can be made");
    (settings, Arc::new(leaf))
}

fn meet_decades_later(ca_file: PathBuf, identity: Arc<Identity>) -> (String, String) {
    meet_at(
        now() + 70 * YEAR,
        trusting_ca(ca_file),
        "localhost",
        identity,
    )
    .refused()
}

/// Has OpenSSL make a self-signed certificate and its key in a folder (`certificate` and
/// `key`).
fn signed_by_openssl(folder: &TempDir, subject: &str) -> (Arc<Identity>, PathBuf) {
    let (key, certificate) = (folder.path().join("key"), folder.path().join("certificate"));
    openssl(
        &format!("{SIGN_WITH_RSA} {subject}"),
        &[("-keyout", &key), ("-out", &certificate)],
    );
    let identity = Identity::load(&certificate, &key).expect("they belong together");
    (Arc::new(identity), certificate)
}

fn signed_with_sha1(folder: &TempDir) -> (Arc<Identity>, PathBuf) {
    signed_by_openssl(
        folder,
        "/CN=localhost -sha1 -addext subjectAltName=DNS:localhost \
         -addext basicConstraints=critical,CA:FALSE",
    )
}

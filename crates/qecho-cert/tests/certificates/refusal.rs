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
use time::OffsetDateTime;

use crate::issue::{Issuing, accept, authority, file, self_signed, server};
use crate::process::openssl;
use crate::wire::{DAY, clock, meet, meet_at, now, trusting_file};

#[test]
fn the_name_of_another_host_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::ephemeral(now()).unwrap());
    let settings = trusting_file(&folder, authority.certificate_pem());
    let leaf = Arc::new(AutomaticLeaf::ephemeral(authority, clock()).unwrap());
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
        assert_eq!(
            hint,
            format!(
                "call the server by a name the certificate is valid for, \
                 or {}",
                accept(pin)
            )
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
fn an_expired_certificate_is_refused_with_its_date() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::ephemeral(now()).unwrap());
    let settings = trusting_file(&folder, authority.certificate_pem());
    let leaf = Arc::new(AutomaticLeaf::ephemeral(authority, clock()).unwrap());
    let later = now() + 14 * DAY;
    let (reason, hint) = meet_at(later, settings, "localhost", leaf).refused();
    assert_eq!(reason, "the certificate expired on 2026-12-06 12:00 UTC");
    assert_eq!(
        hint,
        "check the clock; if it is right, the server needs a new certificate"
    );
}

#[test]
fn a_certificate_of_tomorrow_is_refused_with_its_date() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::ephemeral(now()).unwrap());
    let settings = trusting_file(&folder, authority.certificate_pem());
    let leaf = Arc::new(AutomaticLeaf::ephemeral(authority, clock()).unwrap());
    let (reason, hint) = meet_at(now() - DAY, settings, "localhost", leaf).refused();
    assert_eq!(
        reason,
        "the certificate is not valid until 2026-11-23 11:00 UTC"
    );
    assert_eq!(hint, "check the clock, here and on the server");
}

#[test]
fn an_expired_intermediate_is_not_blamed_on_the_leaf() {
    let folder = tempfile::tempdir().unwrap();
    let root = Issuing::root("root");
    let mut params = authority("middle");
    params.not_after = OffsetDateTime::from(now() - DAY);
    let middle = root.intermediate(params);
    let leaf = middle.leaf(&server(&["localhost"]), &[&middle]);
    let (reason, _) = meet(trusting_file(&folder, &root.pem), "localhost", leaf).refused();
    assert_eq!(
        reason,
        "a certificate in the chain expired on 2026-11-22 12:00 UTC"
    );
}

#[test]
fn the_most_telling_of_several_anchors_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let (known, other) = (Issuing::root("known"), Issuing::root("other"));
    let ca_files = vec![
        file(&folder, "first.pem", &other.pem),
        file(&folder, "known.pem", &known.pem),
        file(&folder, "last.pem", &other.pem),
    ];
    let settings = TrustSettings {
        ca_files,
        ..Default::default()
    };
    let leaf = known.leaf(&server(&["a.example", "b.example"]), &[]);
    let (reason, _) = meet(settings, "c.example", leaf).refused();
    assert_eq!(
        reason,
        "the certificate is not valid for c.example (valid for a.example, b.example)"
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
    let (reason, _) = meet(trusting_file(&folder, &root.pem), "localhost", leaf).refused();
    assert_eq!(reason, "the certificate is not meant for a server");
}

#[test]
fn a_cas_own_certificate_is_no_servers() {
    let folder = tempfile::tempdir().unwrap();
    let root = Issuing::root("root");
    let mut params = authority("below");
    params.subject_alt_names = server(&["localhost"]).subject_alt_names;
    let leaf = root.leaf(&params, &[]);
    let pin = leaf.pin();
    let (reason, hint) = meet(trusting_file(&folder, &root.pem), "localhost", leaf).refused();
    assert_eq!(
        reason,
        "this is a CA's own certificate and cannot be a server's"
    );
    assert_eq!(
        hint,
        format!(
            "make the server's certificate with basicConstraints CA:FALSE, or {}",
            accept(pin)
        )
    );
}

#[test]
fn a_ca_that_is_named_and_serves_itself_is_told_what_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (folder.path().join("key"), folder.path().join("certificate"));
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 36500 -subj /CN=localhost \
         -addext subjectAltName=DNS:localhost",
        &[("-keyout", &key), ("-out", &certificate)],
    );
    let identity = Arc::new(Identity::load(&certificate, &key).unwrap());
    let pin = identity.pin();
    let settings = TrustSettings {
        ca_files: vec![certificate],
        ..Default::default()
    };
    let decades_later = now() + 70 * 365 * DAY;
    let (reason, hint) = meet_at(decades_later, settings, "localhost", identity).refused();
    assert_eq!(
        reason,
        "this is a CA's own certificate and cannot be a server's"
    );
    assert_eq!(
        hint,
        format!(
            "make the server's certificate with basicConstraints CA:FALSE, \
             or accept exactly this key with --pin {pin}"
        )
    );
}

#[test]
fn an_algorithm_that_is_not_accepted_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, certificate) = signed_with_sha1(&folder);
    let pin = identity.pin();
    let settings = TrustSettings {
        ca_files: vec![certificate],
        ..Default::default()
    };
    let decades_later = now() + 70 * 365 * DAY;
    let (reason, hint) = meet_at(decades_later, settings, "localhost", identity).refused();
    assert_eq!(
        reason,
        "the certificate is signed with an algorithm that is not accepted (SHA-1 with RSA)"
    );
    assert_eq!(
        hint,
        format!(
            "the server needs a certificate signed with SHA-256 or better, or {}",
            accept(pin)
        )
    );
}

#[test]
fn an_anchor_that_shares_a_name_does_not_hide_that_a_certificate_is_self_signed() {
    let folder = tempfile::tempdir().unwrap();
    let (key, rsa) = (folder.path().join("rsa-key"), folder.path().join("rsa"));
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 36500 -subj /CN=localhost",
        &[("-keyout", &key), ("-out", &rsa)],
    );
    let ecdsa = file(&folder, "ecdsa", &Issuing::root("localhost").pem);
    let mut params = server(&["localhost"]);
    params.distinguished_name = authority("localhost").distinguished_name;
    let (_, leaf) = self_signed(&params);
    let (sha1, _) = signed_with_sha1(&folder);
    let decades_later = now() + 70 * 365 * DAY;
    for (time, leaf) in [(now(), leaf), (decades_later, sha1)] {
        for anchor in [&rsa, &ecdsa] {
            let settings = TrustSettings {
                ca_files: vec![anchor.clone()],
                ..Default::default()
            };
            let (reason, _) =
                meet_at(time, settings, "localhost", Arc::clone(&leaf) as _).refused();
            assert_eq!(reason, "the certificate is self-signed");
        }
    }
}

#[test]
fn an_anchor_with_a_key_of_another_kind_is_not_the_issuer() {
    let folder = tempfile::tempdir().unwrap();
    let (key, rsa) = (folder.path().join("rsa-key"), folder.path().join("rsa"));
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 36500 -subj /CN=corp",
        &[("-keyout", &key), ("-out", &rsa)],
    );
    let settings = TrustSettings {
        ca_files: vec![rsa],
        ..Default::default()
    };
    let leaf = Issuing::root("corp").leaf(&server(&["localhost"]), &[]);
    let met = meet(settings, "localhost", leaf);
    assert_eq!(
        met.refused().0,
        "the certificate's issuer is not trusted (CN=corp)"
    );
}

#[test]
fn an_intermediate_signed_with_sha1_is_not_blamed_on_the_leaf() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let extensions = file(&folder, "ca.cnf", "basicConstraints=critical,CA:TRUE\n");
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 36500 -subj /CN=root",
        &[("-keyout", &path("root.key")), ("-out", &path("root"))],
    );
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
            ("-CA", &path("root")),
            ("-CAkey", &path("root.key")),
            ("-extfile", &extensions),
            ("-out", &path("middle")),
        ],
    );
    let middle = Issuing::of(&path("middle"), middle_key);
    let mut params = server(&["localhost"]);
    params.not_after = OffsetDateTime::from(now() + 80 * 365 * DAY);
    let leaf = middle.leaf(&params, &[&middle]);
    let settings = TrustSettings {
        ca_files: vec![path("root")],
        ..Default::default()
    };
    let decades_later = now() + 70 * 365 * DAY;
    let (reason, _) = meet_at(decades_later, settings, "localhost", leaf).refused();
    assert_eq!(
        reason,
        "a certificate in the chain is signed with an algorithm that is not accepted \
         (SHA-1 with RSA)"
    );
}

#[test]
fn a_rule_without_a_reason_of_its_own_is_told_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let root = Issuing::root("root");
    let mut params = authority("middle");
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    let middle = root.intermediate(params);
    let leaf = middle.leaf(&server(&["localhost"]), &[&middle]);
    let (reason, _) = meet(trusting_file(&folder, &root.pem), "localhost", leaf).refused();
    assert_eq!(
        reason,
        "the certificate was refused: a certificate in the chain signed another, but is no CA's"
    );
}

#[test]
fn what_is_no_certificate_is_malformed_to_everybody_who_checks() {
    let folder = tempfile::tempdir().unwrap();
    let pinned = TrustSettings {
        pin: Some(Pin::of_public_key(b"")),
        ..Default::default()
    };
    for settings in [
        trusting_file(&folder, &Issuing::root("root").pem),
        pinned,
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

fn signed_with_sha1(folder: &tempfile::TempDir) -> (Arc<Identity>, PathBuf) {
    let path = |name: &str| folder.path().join(name);
    let (key, certificate) = (path("sha1-key"), path("sha1"));
    openssl(
        "req -x509 -sha1 -newkey rsa:2048 -nodes -days 36500 -subj /CN=localhost \
         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE",
        &[("-keyout", &key), ("-out", &certificate)],
    );
    let identity = Identity::load(&certificate, &key).expect("they belong together");
    (Arc::new(identity), certificate)
}

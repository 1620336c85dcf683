//! Certificates that are refused for what stands in them: the reason and the hint,
//! word for word.

use std::sync::Arc;

use qecho_cert::{Authority, AutomaticLeaf, Pin, ServerIdentity, TrustSettings, TrustVerifier};
use rustls::client::danger::ServerCertVerifier;
use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;

use crate::issue::{Issuing, authority, file, self_signed, server};
use crate::wire::{DAY, clock, meet, meet_at, now, trusting_file};

const LOOPBACK_NAMES: &str = "localhost, 127.0.0.1, ::1";

#[test]
fn the_name_of_another_host_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::ephemeral(now()).unwrap());
    let settings = trusting_file(&folder, authority.certificate_pem());
    let leaf = Arc::new(AutomaticLeaf::ephemeral(authority, clock()).unwrap());
    let pin = leaf.pin();
    for name in ["example.com", "127.0.0.2"] {
        let met = meet(settings.clone(), name, Arc::clone(&leaf) as _);
        let (reason, hint) = met.refused();
        assert_eq!(
            reason,
            format!("the certificate is not valid for {name} (valid for {LOOPBACK_NAMES})")
        );
        assert_eq!(
            hint,
            format!(
                "call the server by a name the certificate is valid for, \
                 or accept exactly this key with --pin {pin}"
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
        let hint = format!("accept exactly this key with --pin {pin}");
        assert_eq!(
            met.refused(),
            ("the certificate is self-signed".to_owned(), hint)
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
    let (reason, _) = meet(trusting_file(&folder, &root.pem), "localhost", leaf).refused();
    assert_eq!(reason, "the certificate is a CA's, not a server's");
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

//! Servers that are refused for who vouches for them, or does not: the reason and
//! the hint, word for word.

use std::path::PathBuf;
use std::sync::Arc;

use qecho_cert::{
    Authority, LocalAuthority, Pin, RejectionReason, ServerIdentity, TrustSettings, TrustVerifier,
};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::issue::{
    Issuing, accept, authority, automatic, file, key, printed, self_signed, server,
};
use crate::wire::{clock, meet, now, trusting, trusting_anybody, trusting_ca, trusting_file};

#[test]
fn another_key_than_the_pinned_one_is_refused() {
    let leaf = automatic(clock());
    let asked = Pin::of_public_key(b"another key");
    let settings = TrustSettings::default().with_pin(asked);
    let met = meet(settings, "localhost", Arc::clone(&leaf) as _);
    let seen = leaf.pin();
    let hint = met.refused_because(&format!(
        "the server's key has pin {seen}, but {asked} was asked for"
    ));
    assert_eq!(
        hint,
        format!(
            "the server has another key now, or this is another server; \
             if you expected that, use --pin {seen}"
        )
    );
    let refused = CertificateError::ApplicationVerificationFailure;
    assert_eq!(met.result, Err(Error::InvalidCertificate(refused)));
}

#[test]
fn an_issuer_that_is_not_in_the_ca_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (leaf, other) = (automatic(clock()), Issuing::root("another CA"));
    let pin = leaf.pin();
    let met = meet(trusting_file(&folder, &other.pem), "localhost", leaf);
    let hint = met.refused_because(
        "the certificate's issuer is not trusted (O=qecho local CA (loopback only))",
    );
    assert_eq!(
        hint,
        format!("give the server's CA with --ca FILE, or {}", accept(pin))
    );
    assert_eq!(
        met.result,
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    );
}

#[test]
fn an_authority_of_the_same_name_but_another_key_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    Authority::open_or_create(folder.path(), None, now()).unwrap();
    let leaf = automatic(clock());
    let pin = leaf.pin();
    let hint = meet(trusting(&folder), "localhost", leaf).refused_because(
        "the certificate bears the name of a trusted CA, but another key signed it \
         (O=qecho local CA (loopback only))",
    );
    assert_eq!(
        hint,
        format!(
            "if the CA was made anew, restart the server; else give the server's CA with \
             --ca FILE, or {}",
            accept(pin)
        )
    );
}

#[test]
fn a_stolen_authority_signs_for_nothing_but_loopback() {
    let folder = tempfile::tempdir().unwrap();
    Authority::open_or_create(folder.path(), None, now()).unwrap();
    let thief = Issuing::stolen(folder.path());
    let settings = trusting_file(&folder, &thief.pem);
    for name in [
        "example.com",
        "192.0.2.1",
        "2001:db8::1",
        "localhost.example.com",
    ] {
        let leaf = thief.leaf(&server(&[name]), &[]);
        let met = meet(settings.clone(), name, leaf);
        met.refused_because(&format!(
            "the certificate's issuer may not sign for its names ({name})"
        ));
        // A loopback name beside it does not help.
        let leaf = thief.leaf(&server(&["localhost", name]), &[]);
        let met = meet(settings.clone(), "localhost", leaf);
        met.refused_because(&format!(
            "the certificate's issuer may not sign for its names (localhost, {name})"
        ));
    }
    // Nor does an authority below it: the path length is 0.
    let below = thief.intermediate(authority("below"));
    let leaf = below.leaf(&server(&["example.com"]), &[&below]);
    meet(settings, "example.com", leaf).refused();
}

#[test]
fn an_unconstrained_local_authority_speaks_for_loopback_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = Issuing::root("mkcert's CA");
    file(&folder, "rootCA.pem", &root.pem);
    let leaf = root.leaf(&server(&["example.com", "localhost"]), &[]);
    let met = meet(trusting(&folder), "localhost", Arc::clone(&leaf) as _);
    met.accepted_by("qecho's local CA");
    let met = meet(trusting(&folder), "example.com", leaf);
    met.refused();
    let issuer = "CN=mkcert's CA".to_owned();
    assert_eq!(
        met.verifier.failure().unwrap().reason(),
        &RejectionReason::UntrustedIssuer(issuer)
    );
}

#[test]
fn a_ca_file_is_trusted_instead_of_the_local_authorities() {
    let folder = tempfile::tempdir().unwrap();
    let root = Issuing::root("local");
    file(&folder, "rootCA.pem", &root.pem);
    let mut settings = trusting(&folder);
    settings.ca_files = trusting_file(&folder, &Issuing::root("corp").pem).ca_files;
    let leaf = root.leaf(&server(&["localhost"]), &[]);
    meet(settings, "localhost", leaf)
        .refused_because("the certificate's issuer is not trusted (CN=local)");
}

#[test]
fn a_stolen_certificate_without_its_key_convinces_nobody() {
    let leaf = automatic(clock());
    let shown = meet(trusting_anybody(), "localhost", Arc::clone(&leaf) as _)
        .result
        .unwrap();
    let impostor = Arc::new(Impostor::with(shown));
    let pinned = TrustSettings::default().with_pin(leaf.pin());
    for settings in [trusting_anybody(), pinned] {
        let met = meet(settings, "localhost", Arc::clone(&impostor) as _);
        let hint =
            met.refused_because("the server did not prove that it holds the certificate's key");
        assert_eq!(
            hint,
            "somebody may be in between: do not go on before you know who"
        );
        assert_eq!(
            met.result,
            Err(Error::InvalidCertificate(CertificateError::BadSignature))
        );
    }
}

#[test]
fn a_passed_over_local_authority_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "rootCA.pem", "garbage");
    let (_, identity) = self_signed(&server(&["localhost"]));
    let met = meet(trusting(&folder), "localhost", identity);
    let failure = met.verifier.failure().unwrap();
    let note = format!(
        "qecho's local CA is not used: there is no certificate in {}",
        path.display()
    );
    assert_eq!(failure.notes()[0], note);
    assert!(
        failure
            .to_string()
            .starts_with(&format!("the certificate is self-signed; {note}"))
    );
}

#[test]
fn a_ca_file_that_gives_no_anchor_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let missing = PathBuf::from("/nonexistent/ca.pem");
    for (path, expected) in [
        (
            missing,
            "cannot load the CA file: cannot read PATH: No such file or directory (os error 2)",
        ),
        (
            file(&folder, "empty.pem", ""),
            "cannot load the CA file: there is no certificate in PATH",
        ),
        (
            file(&folder, "broken.pem", broken),
            "cannot use the CA in PATH: a certificate in it is malformed",
        ),
    ] {
        let settings = trusting_ca(path.clone());
        let error = TrustVerifier::new(settings).unwrap_err();
        assert_eq!(
            printed(&error).replace(&path.display().to_string(), "PATH"),
            expected
        );
    }
}

#[test]
fn a_local_authority_may_be_named_by_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let root = Issuing::root("local");
    let path = file(&folder, "some.pem", &root.pem);
    let settings =
        TrustSettings::default().with_local_authorities(vec![LocalAuthority::at("corp", path)]);
    let leaf = root.leaf(&server(&["127.0.0.9"]), &[]);
    meet(settings, "127.0.0.9", leaf).accepted_by("corp's local CA");
}

/// Shows a certificate of somebody else and signs with a key of its own.
#[derive(Debug)]
struct Impostor(Arc<CertifiedKey>);

impl Impostor {
    fn with(certificate: CertificateDer<'static>) -> Self {
        let der = PrivatePkcs8KeyDer::from(key().serialize_der());
        let key = any_supported_type(&der.into()).expect("P-256 is supported");
        Self(Arc::new(CertifiedKey::new(vec![certificate], key)))
    }
}

impl ResolvesServerCert for Impostor {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

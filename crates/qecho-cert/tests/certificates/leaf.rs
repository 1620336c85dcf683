//! The automatic leaf: what stands in it, and that its key outlives it.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use qecho_cert::{Authority, AutomaticLeaf, CertificateDetails, Clock, Pin, ServerIdentity};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

use crate::issue::{automatic, automatic_in, file};
use crate::process::at_once;
use crate::wire::{DAY, HOUR, clock, meet, now, trusting_anybody};

#[test]
fn the_leaf_is_for_localhost_and_short_lived() {
    let leaf = automatic(clock());
    assert_eq!(leaf.names(), ["localhost", "127.0.0.1", "::1"]);
    assert_eq!(leaf.expires(), OffsetDateTime::from(now() + 13 * DAY));
    assert_eq!(leaf.authority_path(), None);
    let der = shown_to(&leaf, "127.0.0.1");
    assert_eq!(Pin::of_certificate(&der).unwrap(), leaf.pin());
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(
        certificate.subject().iter().count(),
        0,
        "the subject is empty"
    );
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert!(names.critical, "RFC 5280 §4.2.1.6: the subject is empty");
    assert_eq!(names.value.general_names.len(), 3);
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert_eq!(usage.flags, 1, "digitalSignature alone");
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && !extended.client_auth && !extended.any);
    let validity = certificate.validity();
    assert_eq!(
        validity.not_before.to_datetime(),
        OffsetDateTime::from(now() - HOUR)
    );
    assert_eq!(validity.not_after.to_datetime(), leaf.expires());
    let identifiers = certificate.extensions().iter().filter(|extension| {
        matches!(
            extension.parsed_extension(),
            ParsedExtension::SubjectKeyIdentifier(_) | ParsedExtension::AuthorityKeyIdentifier(_)
        )
    });
    assert_eq!(identifiers.count(), 2);
}

#[test]
fn a_client_that_names_a_host_is_shown_no_address() {
    // BoringSSL refuses every address below a CA that limits addresses.
    let leaf = automatic(clock());
    for (called, names) in [
        ("localhost", &["localhost"][..]),
        ("example.test", &["localhost"]),
        ("127.0.0.1", &["localhost", "127.0.0.1", "::1"]),
        ("::1", &["localhost", "127.0.0.1", "::1"]),
    ] {
        let der = shown_to(&leaf, called);
        assert_eq!(
            CertificateDetails::of(&der).unwrap().names,
            names,
            "{called}"
        );
        assert_eq!(Pin::of_certificate(&der).unwrap(), leaf.pin(), "{called}");
    }
}

#[test]
fn a_pasted_pin_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = automatic_in(folder.path());
    let second = automatic_in(folder.path());
    assert_eq!(first.pin(), second.pin());
    assert_ne!(
        shown(&first),
        shown(&second),
        "the certificate is new all the same"
    );
    assert_eq!(
        first.authority_path(),
        Some(&*folder.path().join("rootCA.pem"))
    );
    assert_ne!(automatic(clock()).pin(), first.pin());
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_servers_key() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    automatic_in(folder.path());
    let metadata = fs::metadata(folder.path().join("server-key.pem")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[test]
fn servers_that_start_at_once_share_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let pins: HashSet<_> = at_once(16, || automatic_in(folder.path()).pin())
        .into_iter()
        .collect();
    assert_eq!(pins.len(), 1);
}

#[test]
fn a_key_file_that_holds_no_key_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "server-key.pem", "no key");
    let authority = Arc::new(Authority::ephemeral(now()).unwrap());
    let error = AutomaticLeaf::open_or_create(authority, folder.path(), clock()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("there is no private key in {}", path.display())
    );
    assert_eq!(fs::read_to_string(path).unwrap(), "no key");
}

#[test]
fn the_leaf_is_renewed_when_half_its_life_is_over() {
    let (clock, time) = movable_clock();
    let leaf = automatic(clock);
    let first = shown(&leaf);
    let first_of_addresses = shown_to(&leaf, "::1");
    advance(&time, 6 * DAY);
    assert_eq!(shown(&leaf), first, "not yet");
    advance(&time, DAY);
    let second = shown(&leaf);
    assert_ne!(second, first);
    assert_ne!(shown_to(&leaf, "::1"), first_of_addresses);
    assert_eq!(
        Pin::of_certificate(&second).unwrap(),
        leaf.pin(),
        "the key is the same"
    );
    assert_eq!(leaf.expires(), OffsetDateTime::from(now() + 20 * DAY));
    assert_ne!(serial_number(&first), serial_number(&second));
    assert_eq!(shown(&leaf), second, "once is enough");
}

#[test]
fn the_leaf_is_renewed_when_the_clock_is_set_back() {
    let (clock, time) = movable_clock();
    advance(&time, 365 * DAY);
    let leaf = automatic(clock);
    time.store(0, Ordering::Relaxed);
    shown(&leaf);
    assert_eq!(leaf.expires(), OffsetDateTime::from(now() + 13 * DAY));
}

#[test]
fn a_machine_that_thinks_it_is_1970_can_serve() {
    let epoch: Clock = Arc::new(|| std::time::SystemTime::UNIX_EPOCH);
    let authority = Arc::new(Authority::ephemeral(epoch()).unwrap());
    let leaf = Arc::new(AutomaticLeaf::ephemeral(authority, epoch).unwrap());
    assert_eq!(Pin::of_certificate(&shown(&leaf)).unwrap(), leaf.pin());
}

#[test]
fn nothing_shows_the_key() {
    let leaf = automatic(clock());
    let text = format!("{leaf:?}");
    assert!(text.contains("localhost") && text.len() < 400, "{text}");
}

fn movable_clock() -> (Clock, Arc<AtomicU64>) {
    let seconds = Arc::new(AtomicU64::new(0));
    let time = Arc::clone(&seconds);
    (
        Arc::new(move || now() + Duration::from_secs(time.load(Ordering::Relaxed))),
        seconds,
    )
}

fn advance(time: &AtomicU64, by: Duration) {
    time.fetch_add(by.as_secs(), Ordering::Relaxed);
}

/// Returns the leaf that a client of localhost is shown.
fn shown(leaf: &Arc<AutomaticLeaf>) -> CertificateDer<'static> {
    shown_to(leaf, "localhost")
}

/// Returns the leaf that a client is shown which calls the server so; it sends no SNI
/// for an address.
fn shown_to(leaf: &Arc<AutomaticLeaf>, called: &'static str) -> CertificateDer<'static> {
    meet(trusting_anybody(), called, Arc::clone(leaf) as _)
        .result
        .expect("anybody is accepted")
}

fn serial_number(der: &CertificateDer<'_>) -> Vec<u8> {
    let (_, certificate) = X509Certificate::from_der(der).expect("it is a certificate");
    certificate.raw_serial().to_vec()
}

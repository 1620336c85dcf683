//! Handshakes that succeed, and who vouched for the server.

use std::path::Path;
use std::sync::Arc;

use qecho_cert::{Anchor, Authority, AutomaticLeaf, LocalAuthority, ServerIdentity, TrustSettings};

use crate::issue::{Issuing, authority, automatic_in, file, self_signed, server};
use crate::wire::{DAY, clock, meet, meet_at, now, trusting, trusting_anybody, trusting_ca};

#[test]
fn the_local_authority_vouches_for_the_loopback_names() {
    let folder = tempfile::tempdir().unwrap();
    let leaf = automatic_in(folder.path());
    for name in ["localhost", "LOCALHOST", "127.0.0.1", "::1"] {
        let met = meet(trusting(&folder), name, Arc::clone(&leaf) as _);
        met.accepted_by("qecho's local CA");
        let anchor = Anchor::LocalAuthority("qecho".into());
        assert_eq!(met.verifier.verified_by(), Some(anchor));
    }
}

#[test]
fn an_identity_of_any_kind_serves_as_a_resolver() {
    let folder = tempfile::tempdir().unwrap();
    let identity: Arc<dyn ServerIdentity> = automatic_in(folder.path());
    meet(trusting(&folder), "localhost", identity).accepted_by("qecho's local CA");
}

#[test]
fn an_authority_in_memory_vouches_without_a_file() {
    let authority = Arc::new(Authority::ephemeral(now()).unwrap());
    let settings = TrustSettings::default()
        .with_local_authorities(vec![LocalAuthority::in_memory("this demo", &authority)]);
    let leaf = Arc::new(AutomaticLeaf::ephemeral(authority, clock()).unwrap());
    meet(settings, "localhost", leaf).accepted_by("this demo's local CA");
}

#[test]
fn the_first_authority_that_can_vouches() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    automatic_in(ours.path());
    let root = Issuing::root("somebody's CA");
    file(&theirs, "rootCA.pem", &root.pem);
    let mut settings = trusting(&ours);
    settings
        .local_authorities
        .push(LocalAuthority::at("mkcert", theirs.path()));
    let leaf = root.leaf(&server(&["localhost"]), &[]);
    meet(settings, "localhost", leaf).accepted_by("mkcert's local CA");
}

#[test]
fn a_ca_file_vouches_through_an_intermediate() {
    let folder = tempfile::tempdir().unwrap();
    let root = Issuing::root("root");
    let other = file(&folder, "other.pem", &Issuing::root("other").pem);
    // A bundle: what stands in one file counts together.
    let corp = file(
        &folder,
        "corp.pem",
        &(Issuing::root("first").pem + &root.pem),
    );
    let middle = root.intermediate(authority("middle"));
    let leaf = middle.leaf(&server(&["*.example.com"]), &[&middle]);
    let settings = TrustSettings::default().with_ca_files(vec![other, corp.clone()]);
    let met = meet(settings, "www.example.com", leaf);
    met.accepted_by(&format!("CA file {}", corp.display()));
}

#[test]
fn a_pin_replaces_chain_name_and_expiry() {
    let folder = tempfile::tempdir().unwrap();
    let leaf = automatic_in(folder.path());
    let pin = leaf.pin();
    let settings = TrustSettings::default().with_pin(pin);
    let in_2100 = now() + 80 * 365 * DAY;
    let met = meet_at(in_2100, settings, "example.com", leaf);
    met.accepted_by(&format!("pin {}…", &pin.to_string()[..15]));
}

#[test]
fn insecure_accepts_anybody_and_says_so() {
    let (_, identity) = self_signed(&server(&["somebody.example"]));
    let settings = trusting_anybody();
    meet(settings, "localhost", identity).accepted_by("nobody (--insecure)");
}

#[test]
fn a_self_signed_certificate_can_be_its_own_ca_file() {
    let folder = tempfile::tempdir().unwrap();
    let (pem, identity) = self_signed(&server(&["localhost"]));
    let path = file(&folder, "self.pem", &pem);
    let settings = trusting_ca(path.clone());
    let anchor = format!("CA file {}", path.display());
    meet(settings, "localhost", identity).accepted_by(&anchor);
}

#[test]
fn a_missing_or_unreadable_local_authority_does_not_stop_the_others() {
    let (broken, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    file(&broken, "rootCA.pem", "garbage");
    let leaf = automatic_in(folder.path());
    for unusable in [Path::new("/nonexistent/folder"), broken.path()] {
        let mut settings = trusting(&folder);
        let unusable = LocalAuthority::at("unusable", unusable);
        settings.local_authorities.insert(0, unusable);
        meet(settings, "localhost", Arc::clone(&leaf) as _).accepted_by("qecho's local CA");
    }
}

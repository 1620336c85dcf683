//! The platform's roots, where the system lets a test choose them.
#![cfg(all(unix, not(target_vendor = "apple")))]

use std::env;
use std::path::Path;

use qecho_cert::{Anchor, TrustSettings};

use crate::issue::{Issuing, authority, self_signed, server};
use crate::process::{passes, running};
use crate::wire::{meet, trusting};

const ROOTS: &str = "QECHO_TEST_ROOTS";

#[test]
fn the_platforms_roots_vouch_for_any_name() {
    if let Some(folder) = env::var_os(ROOTS) {
        meet_a_server_of_a_public_ca(Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let roots = Issuing::root("public CA").write_to(&folder);
    let command = "platform::the_platforms_roots_vouch_for_any_name";
    assert!(run(command, folder.path(), &roots));
}

fn meet_a_server_of_a_public_ca(folder: &Path) {
    let root = Issuing::stolen(folder);
    for name in ["example.com", "localhost", "192.0.2.1"] {
        let met = meet(
            TrustSettings::default(),
            name,
            root.leaf(&server(&[name]), &[]),
        );
        met.accepted_by("the platform's roots");
        assert_eq!(met.verifier.verified_by(), Some(Anchor::Platform));
    }
    let stranger = Issuing::root("stranger").leaf(&server(&["example.com"]), &[]);
    meet(TrustSettings::default(), "example.com", stranger)
        .refused_because("the certificate's issuer is not trusted (CN=stranger)");
    // A root of the same name, such as Debian's ssl-cert-snakeoil, hides nothing.
    let mut params = server(&["localhost"]);
    params.distinguished_name = authority("public CA").distinguished_name;
    let (_, namesake) = self_signed(&params);
    meet(TrustSettings::default(), "localhost", namesake)
        .refused_because("the certificate is self-signed");
    // The reason of the anchor that knows the issuer, though it is asked last.
    let wrong = root.leaf(&server(&["example.com"]), &[]);
    let empty = tempfile::tempdir().expect("a temporary folder");
    Issuing::root("local").write_to(&empty);
    meet(trusting(&empty), "localhost", wrong)
        .refused_because("the certificate is not valid for localhost (valid for example.com)");
}

#[test]
fn a_system_without_roots_is_told_of_and_stops_nobody_else() {
    if let Some(folder) = env::var_os(ROOTS) {
        meet_a_server_in_an_empty_container(Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    Issuing::root("local CA").write_to(&folder);
    let command = "platform::a_system_without_roots_is_told_of_and_stops_nobody_else";
    assert!(run(command, folder.path(), Path::new("/nonexistent")));
}

fn meet_a_server_in_an_empty_container(folder: &Path) {
    let root = Issuing::stolen(folder);
    let settings = TrustSettings::default()
        .with_local_authorities(vec![qecho_cert::LocalAuthority::at("qecho", folder)]);
    let leaf = root.leaf(&server(&["localhost", "example.com"]), &[]);
    let met = meet(settings.clone(), "localhost", leaf.clone());
    met.accepted_by("qecho's local CA");
    meet(settings, "example.com", leaf).refused_because(
        "the certificate's issuer is not trusted (CN=local CA); the platform's roots are not \
         available: No CA certificates were loaded from the system",
    );
}

fn run(test: &str, folder: &Path, roots: &Path) -> bool {
    let mut command = running(test);
    command
        .env(ROOTS, folder)
        .env("SSL_CERT_FILE", roots)
        .env("SSL_CERT_DIR", "/nonexistent");
    passes(&mut command)
}

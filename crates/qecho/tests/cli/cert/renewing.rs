//! `qecho cert renew`.

use std::fs;

use serde_json::Value;

use super::{files, mkcert_in, openssl_verifies};
use crate::{
    certificates::{Validity, certificate_for},
    env::TestEnv,
};

/// Reads what a certificate in the home says.
fn shown(env: &TestEnv, file: &str) -> Value {
    let shown = env.qecho(format!("cert show {file} --format json")).ok();
    serde_json::from_str(shown.stdout.lines().next().expect("a line")).expect("it is JSON")
}

#[test]
fn what_is_renewed_has_the_same_names_key_type_and_life() {
    let env = TestEnv::new();
    for kind in ["", "--ed25519 --client --days 30", "--chain --short-lived"] {
        let names = "localhost *.bücher.example 192.0.2.1 ada@engine.test";
        let new = format!("cert new {names} {kind} --cert-file c.pem --key-file c-key.pem");
        env.qecho(&new).ok();
        let (old, before) = (shown(&env, "c.pem"), files(&env.home()));
        let renewed = env.qecho("cert renew c.pem").run();
        renewed.exits(0).complains("the key is new: sha256:");
        let new = shown(&env, "c.pem");
        for same in ["names", "key_type", "purposes", "subject", "issuer"] {
            assert_eq!(old[same], new[same], "{kind} {same}");
        }
        for other in ["serial", "sha256", "spki_sha256"] {
            assert_ne!(old[other], new[other], "{kind} {other}");
        }
        let life = |of: &Value| {
            let at = |name: &str| of[name].as_i64().expect("a number");
            at("expires_unix") - at("not_before_unix")
        };
        assert_eq!(life(&old), life(&new), "{kind}");
        assert_eq!(files(&env.home()), before);
    }
    let [chain, leaf] = ["c-chain.pem", "c.pem"].map(|file| shown(&env, file));
    assert_eq!(chain["sha256"], leaf["sha256"]);
}

#[test]
fn the_key_can_stay_and_with_it_the_pin() {
    let env = TestEnv::new();
    let both = "--cert-file both.pem --key-file both.pem";
    for (new, file, key) in [
        ("cert new localhost", "localhost.pem", "localhost-key.pem"),
        (&format!("cert new a.test {both}"), "both.pem", "both.pem"),
    ] {
        env.qecho(new).ok();
        let old = shown(&env, file);
        let days = format!("cert renew {file} --keep-key --days 3 --format json");
        let done = env.qecho(&days).run();
        let made = done.exits(0).last_event();
        assert_eq!(made["spki_sha256"], old["spki_sha256"]);
        assert_eq!(made["certificate"], file);
        assert_eq!(made["key"], key);
        assert_ne!(made["sha256"], old["sha256"]);
        let key = fs::read_to_string(env.home().join(key)).expect("it is there");
        assert!(key.contains("PRIVATE KEY"));
    }
}

#[test]
fn mkcerts_certificates_are_renewed_by_its_authority() {
    let env = TestEnv::new();
    let home = env.home();
    let names = ["localhost", "127.0.0.1"];
    assert!(mkcert_in(&env, &home, &names).status.success());
    let old = shown(&env, "localhost+1.pem");
    assert_eq!(old["key_type"], "RSA 2048");
    env.qecho("cert renew localhost+1.pem").ok();
    let new = shown(&env, "localhost+1.pem");
    for same in ["names", "key_type", "issuer"] {
        assert_eq!(old[same], new[same], "{same}");
    }
    let ca = home.join("caroot/rootCA.pem");
    openssl_verifies(&home, &ca, "localhost+1.pem");
}

#[test]
fn what_cannot_be_renewed_is_left_alone() {
    let env = TestEnv::new();
    env.qecho("cert new localhost --chain").ok();
    let theirs = certificate_for(&env, "a.test", &Validity::Now);
    let foreign = theirs.certificate.display();
    let key = theirs.key.display();
    let home = env.home();
    fs::copy(home.join("localhost.pem"), home.join("lonely.pem")).expect("it is ours");
    let before = fs::read(&theirs.certificate).expect("it is there");
    for (arguments, reason, hint) in [
        ("qecho/ca/rootCA.pem", "is a CA's", None),
        ("localhost-chain.pem", "holds a chain", None),
        ("lonely.pem", "cannot find the key of lonely.pem", None),
        ("none.pem", "cannot read none.pem: No such file", None),
        (
            &format!("localhost.pem --key-file {key}"),
            "does not fit the certificate in localhost.pem",
            None,
        ),
        (
            &format!("{foreign} --key-file {key}"),
            "no CA of this machine has signed the certificate",
            Some("--ca-root DIR"),
        ),
    ] {
        let done = env.qecho(format!("cert renew {arguments}")).run();
        done.fails(2, reason, hint);
    }
    assert_eq!(fs::read(&theirs.certificate).expect("it is there"), before);
    let renew = format!("cert renew {foreign} --key-file {key} --ca-root qecho/ca");
    env.qecho(renew).ok();
}

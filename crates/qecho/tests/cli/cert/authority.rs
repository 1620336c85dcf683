//! `qecho cert ca`.

use std::fs;

use super::{cert_in, folder, openssl_does, openssl_in};
use crate::env::TestEnv;

#[test]
fn an_authority_signs_within_its_limits_and_openssl_holds_a_thief_to_them() {
    let env = TestEnv::new();
    let place = folder(&env, "place");
    let limits = ["ca", "new", "--name-constraints", "a.test,192.0.2.0/24"];
    let made = cert_in(&env, &place, &limits).run();
    made.exits(0)
        .prints("may sign     for a.test, 192.0.2.0/24 alone; not for any IPv6 address\n");
    for name in ["a.test", "*.a.test", "x.y.a.test", "192.0.2.7"] {
        cert_in(&env, &place, &["new", name]).ok();
    }
    for name in ["b.test", "nota.test", "192.0.3.1", "::1"] {
        let done = cert_in(&env, &place, &["new", "a.test", name]).run();
        let reason = "the CA's name constraints forbid a.test, ";
        done.fails(2, reason, Some("this CA may sign for a.test, 192.0.2.0/24"));
    }
    // What a thief does with the key.
    let ca = env.home().join("qecho/ca");
    let path = |name: &str| ca.join(name).display().to_string();
    let (certificate, key) = (path("rootCA.pem"), path("rootCA-key.pem"));
    for (name, kind, option) in [
        ("b.test", "DNS", "-verify_hostname"),
        ("2001:db8::1", "IP", "-verify_ip"),
    ] {
        let extension = format!("subjectAltName={kind}:{name}");
        let forge = format!(
            "req -x509 -newkey ed25519 -nodes -subj /O=thief -addext {extension} \
             -CA {certificate} -CAkey {key} -keyout thief-key.pem -out thief.pem"
        );
        openssl_does(&place, forge);
        let verify = format!("verify -CAfile {certificate} {option} {name} thief.pem");
        let (accepted, said) = openssl_in(&place, verify);
        assert!(!accepted && said.contains("subtree violation"), "{said}");
    }
}

#[test]
fn an_authority_with_address_ranges_says_who_will_refuse_its_addresses() {
    let env = TestEnv::new();
    let make = |limits: &str| {
        let command = format!("cert ca new --ca-root {limits} --name-constraints");
        env.qecho(&command).arg(limits).run()
    };
    let words = "BoringSSL, such as quiche's, refuse certificates with IP addresses from this CA";
    make("a.test,192.0.2.1").exits(0).complains(words);
    let domains = make("a.test");
    assert_eq!(domains.exits(0).stderr, "", "{domains:#?}");
}

#[test]
fn an_authority_that_is_there_is_shown_and_not_replaced() {
    let env = TestEnv::new();
    let none = env.qecho("cert ca show").run();
    let hint = Some("`qecho cert ca new` makes one");
    none.fails(2, "there is no CA in", hint);
    env.qecho("cert ca new").ok();
    let path = env.home().join("qecho/ca/rootCA.pem");
    let before = fs::read(&path).expect("it was made");
    let again = env.qecho("cert ca new --name-constraints a.test").run();
    again.fails(2, "there is a CA already", Some("--ca-root DIR"));
    assert_eq!(fs::read(&path).expect("it is there"), before);
    let shown = env.qecho("cert ca show --format json").run().last_event();
    assert_eq!(shown["ca"].as_str(), path.to_str());
    assert_eq!(shown["permitted"], serde_json::json!([]));
    assert_eq!(shown["key_type"], "ECDSA P-256");
}

#[test]
fn an_authority_can_live_anywhere() {
    let env = TestEnv::new();
    env.qecho("cert new a.test --ca-root deep/down").ok();
    assert!(env.home().join("deep/down/rootCA.pem").exists());
    assert!(!env.home().join("qecho").exists());
}

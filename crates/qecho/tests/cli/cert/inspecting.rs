//! `qecho cert list`, `show` and `verify`.

use serde_json::{Value, json};

use super::{mkcert_in, openssl_in};
use crate::{
    certificates::{Validity, certificate_for},
    env::TestEnv,
};

#[test]
fn a_list_has_the_authorities_and_the_folders_certificates() {
    let env = TestEnv::new();
    env.qecho("cert new localhost").ok();
    let home = env.home();
    assert!(mkcert_in(&env, &home, &["a.test"]).status.success());
    env.server("").ends_well();
    std::fs::write(home.join("bad.pem"), "-----BEGIN CERTIFICATE-----\n!\n").expect("it is ours");
    let done = env.qecho("cert list").run();
    done.exits(0)
        .prints("expires          left  file  names, or whose CA\n")
        .prints("CA, qecho's, for loopback")
        .prints("CA, your own")
        .prints("CA, mkcert's")
        .prints("   819 days  localhost.pem  localhost\n")
        .prints("  a.test.pem  a.test\n")
        .complains("bad.pem says to hold a certificate, but it is malformed");
    let lines = env.qecho("cert list --format json").run().events();
    let roles: Vec<_> = lines.iter().map(|line| &line["role"]).collect();
    let expected = json!(["qecho's, for loopback", "your own", "mkcert's", null, null]);
    assert_eq!(json!(roles), expected);
    assert_eq!(lines[4]["file"], "localhost.pem");
    let none = env.qecho("cert list nowhere").run();
    none.fails(2, "cannot read the folder nowhere: No such file", None);
}

#[test]
fn an_expired_certificate_is_listed_as_such() {
    let env = TestEnv::new();
    certificate_for(&env, "a.test", &Validity::Expired);
    let folder = env.path("");
    let done = env.qecho("cert list").arg(&folder).run();
    done.exits(0).prints("2020-02-01    expired  ");
    let file = env.path("certificate.pem");
    let shown = env.qecho("cert show").arg(&file).run();
    shown.exits(0).prints("; expired on 2020-02-01\n");
    let ca = env.path("ca.pem");
    let verdict = env.qecho("cert verify").arg(&file).arg("a.test");
    let reason = "is refused for a.test: the certificate expired on 2020-02-01";
    let verdict = verdict.arg("--ca").arg(&ca).run();
    verdict.fails(1, reason, None);
}

#[test]
fn what_a_file_shows_is_what_openssl_reads() {
    let env = TestEnv::new();
    env.qecho("cert new localhost a.test --chain --ed25519 --client")
        .ok();
    let show = "cert show localhost+1-client-chain.pem --format json";
    let chain = env.qecho(show).run().events();
    let [leaf, authority] = &chain[..] else {
        panic!("{chain:?}");
    };
    assert_eq!(leaf["key_type"], "Ed25519");
    assert_eq!(leaf["purposes"], json!(["servers", "clients"]));
    assert_eq!(leaf["issuer"], authority["subject"]);
    assert_eq!(authority["is_ca"], true);
    let read = |option: &str| {
        let ask = format!("x509 -noout {option} -in localhost+1-client.pem");
        let (_, said) = openssl_in(&env.home(), ask);
        let (_, value) = said.trim().split_once('=').expect("a name and a value");
        value.to_lowercase()
    };
    assert_eq!(leaf["serial"], read("-serial"));
    let trust = &leaf["trust"];
    assert_eq!(trust[0]["host"], "localhost");
    assert_eq!(trust[0]["verified_by"], "qecho cert's local CA");
    assert_eq!(trust[1]["host"], "a.test");
    assert_eq!(trust[1]["trusted"], false);
    let text = env.qecho("cert show localhost+1-client.pem").run();
    text.prints("trusted      for localhost, by qecho cert's local CA\n")
        .prints("not trusted  for a.test: the certificate's issuer is not trusted (");
}

#[test]
fn what_a_server_shows_is_shown_whoever_it_is() {
    let (env, server) = TestEnv::with_server("");
    let place = server.place();
    let shown = env.qecho(format!("cert show {place} --format json"));
    let shown = shown.run().last_event();
    assert_eq!(shown["spki_sha256"], server.listening["spki_sha256"]);
    assert_eq!(shown["trust"][0]["trusted"], true);
    let stranger = env.qecho(format!("cert show {place}"));
    let stranger = stranger.env("QECHO_HOME", env.path("elsewhere")).ok();
    stranger.prints("not trusted  for 127.0.0.1: the certificate's issuer is not trusted");
    let counts = server.ends_well();
    assert_eq!(counts["connections"], 2);
    assert_eq!(counts["streams"], 0, "nothing was sent");
    let gone = env.qecho(format!("cert show {place} --timeout 1s")).run();
    let hint = "is a server running there, on UDP port";
    gone.fails(1, "cannot connect to 127.0.0.1:", Some(hint));
    let none = env.qecho("cert show none.pem").run();
    none.fails(2, "cannot read none.pem: No such file", None);
}

#[test]
fn a_verdict_is_the_one_of_our_client() {
    let env = TestEnv::new();
    env.qecho("cert new localhost *.a.test").ok();
    let verify = |arguments: &str| env.qecho(format!("cert verify {arguments}")).run();
    let file = "localhost+1.pem";
    verify(&format!("{file} localhost"))
        .exits(0)
        .prints("ok: good for localhost until 20")
        .prints(", verified by qecho cert's local CA\n");
    let reason = "localhost+1.pem is refused for x.a.test: the certificate's issuer is not trusted";
    verify(&format!("{file} x.a.test")).fails(1, reason, Some("--ca FILE"));
    let ca = "--ca qecho/ca/rootCA.pem";
    verify(&format!("{file} x.a.test {ca}")).exits(0);
    let reason = "not valid for a.test (valid for localhost, *.a.test)";
    verify(&format!("{file} a.test {ca}")).fails(1, reason, None);
    let refused = verify(&format!("{file} a.test {ca} --format json"));
    let line: Value = refused.exits(1).last_event();
    assert_eq!(line["trusted"], false);
    verify(&format!("{file} a/b"))
        .exits(2)
        .complains("no host name has `/` in it");
    verify("localhost+1-key.pem a").fails(2, "there is no certificate in", None);
}

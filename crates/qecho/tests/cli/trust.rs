//! Trust of a client, which sends nothing to anybody else.

use crate::{
    certificates::{Validity, certificate_for},
    cmd::Output,
    env::{Server, TestEnv, assert_contains},
};

const NOT_TRUSTED: &str = "the certificate's issuer is not trusted";

/// Another home: a client in it knows nothing of the server's local CA.
fn stranger(env: &TestEnv, server: &Server, arguments: &str) -> crate::cmd::Cmd {
    env.client(server, arguments)
        .env("QECHO_HOME", env.path("elsewhere"))
}

/// Checks that a refusal has one line of reason, one of hint, and that nothing was sent.
#[track_caller]
fn refused(done: &Output, server: Server, reason: &str, hint: &str) {
    done.fails(1, reason, Some(hint));
    assert_eq!(done.stdout, "");
    let counts = server.ends_well();
    assert_eq!(counts["connections"], 0, "no handshake was completed");
    assert_eq!(counts["streams"], 0, "nothing was sent");
    assert_eq!(counts["datagrams_echoed"], 0, "nothing was sent");
}

#[test]
fn a_pin_is_enough_even_for_a_stranger_and_whatever_the_host_is_called() {
    let (env, server) = TestEnv::with_server("");
    let pin = server.pin();
    let done = stranger(&env, &server, &format!("-m a --pin {pin}")).run();
    done.exits(0).complains("verified by pin sha256:");
    let pin = pin.to_uppercase().replace("SHA256", "sha256");
    let shouted = env.client(&server, format!("-m a --format json --pin {pin}"));
    let events = shouted.ok().events();
    let verified_by = events[0]["verified_by"].as_str().expect("a text");
    assert!(verified_by.starts_with("pin sha256:"));
}

#[test]
fn another_key_than_the_pinned_one_is_refused() {
    let env = TestEnv::new();
    for way in ["stream", "uni", "datagram"] {
        let server = env.server("");
        let wrong = "0".repeat(64);
        let pin = server.pin();
        let command = format!("--over {way} -m secret --pin sha256:{wrong}");
        let done = env.client(&server, &command).run();
        let reason = format!("the server's key has pin {pin}, but sha256:{wrong} was asked for");
        refused(&done, server, &reason, &pin);
    }
}

#[test]
fn an_unknown_authority_is_refused_and_the_hint_helps() {
    let (env, server) = TestEnv::with_server("");
    let done = stranger(&env, &server, "-m secret").run();
    let hint = done.stderr.lines().last().expect("a hint").to_owned();
    let pin = hint.split(' ').find(|word| word.starts_with("sha256:"));
    let pin = pin.expect("it has a pin");
    stranger(&env, &server, &format!("-m a --pin {pin}")).ok();
    server.ends_well();
    let server = env.server("");
    let done = stranger(&env, &server, "-m secret").run();
    refused(&done, server, NOT_TRUSTED, "--ca FILE");
}

#[test]
fn a_pipe_is_not_sent_to_a_stranger_either() {
    let (env, server) = TestEnv::with_server("");
    let done = stranger(&env, &server, "").run_with(b"secret\n");
    refused(&done, server, NOT_TRUSTED, "--ca FILE");
}

#[test]
fn distrust_is_told_as_json_too() {
    let (env, server) = TestEnv::with_server("");
    let done = stranger(&env, &server, "-m secret --format json").run();
    done.exits(1);
    let event = done.last_event();
    assert_eq!(event["event"], "error");
    assert_eq!(event["kind"], "not_connected");
    assert_contains(&event["reason"], "not trusted");
    assert_contains(&event["hint"], "--ca");
    assert_eq!(done.events().len(), 1);
}

#[test]
fn a_ca_file_makes_a_stranger_trust_that_authority_and_no_other() {
    let (env, server) = TestEnv::with_server("");
    let ca = server.listening["ca"].as_str().expect("a text").to_owned();
    let done = stranger(&env, &server, &format!("-m a --ca {ca}")).run();
    done.exits(0).complains("verified by CA file ");
    let other = certificate_for(&env, "localhost", &Validity::Now);
    let command = format!("-m secret --ca {}", other.ca.display());
    let done = env.client(&server, &command).run();
    env.client(&server, format!("{command} --ca {ca}")).ok();
    server.ends_well();
    done.fails(1, NOT_TRUSTED, Some("--ca FILE"));
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named() {
    let (env, server) = TestEnv::with_server("");
    let missing = env.path("missing.pem");
    let empty = env.file("text.pem", "this is no certificate");
    let broken = env.file(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    for (path, reason) in [
        (missing, "No such file"),
        (empty, "there is no certificate in"),
        (broken, "cannot use the CA in"),
    ] {
        let done = env.client(&server, "-m secret --ca").arg(&path).run();
        done.fails(2, reason, None)
            .complains(&path.display().to_string());
    }
}

#[test]
fn insecure_goes_on_and_warns() {
    let (env, server) = TestEnv::with_server("");
    for arguments in ["-m a --insecure", "-m a --insecure --format json"] {
        let done = stranger(&env, &server, arguments).run();
        done.exits(0)
            .complains("warning: --insecure trusts anybody");
    }
}

#[test]
fn a_certificate_for_another_name_is_refused_with_its_names() {
    let env = TestEnv::new();
    let files = certificate_for(&env, "example.com", &Validity::Now);
    let server = env.server(&files.options());
    assert_eq!(server.listening["ca"], serde_json::Value::Null);
    let names = serde_json::json!(["example.com"]);
    assert_eq!(server.listening["names"], names);
    let command = format!("-m secret --ca {}", files.ca.display());
    let done = env.client(&server, &command).run();
    refused(&done, server, "example.com", "");
}

#[test]
fn an_expired_certificate_is_refused_with_its_date() {
    let env = TestEnv::new();
    let files = certificate_for(&env, "localhost", &Validity::Expired);
    let server = env.server(&files.options());
    let warning = "warning: the certificate expired on 2020-02-01: clients refuse it";
    server.process.stderr.says(warning);
    let command = format!("-m secret --ca {}", files.ca.display());
    let done = env.client(&server, &command).run();
    refused(&done, server, "2020-02-01", "");
}

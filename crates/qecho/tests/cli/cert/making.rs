//! `qecho cert new`.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::{cert_in, files, folder, mkcert_in, openssl_in, openssl_verifies};
use crate::env::TestEnv;

#[test]
fn files_have_mkcerts_names_and_modes() {
    let env = TestEnv::new();
    for (number, arguments) in [
        "localhost",
        "localhost 127.0.0.1 ::1",
        "*.example.test",
        "*.example.test example.test",
        "bücher.example",
        "*.bücher.example a.test",
        "::1",
        "2001:db8::1 a.test b.test",
        "_x.y",
        "1.2.3.4.5",
        "ada@engine.test",
        "-client localhost",
        "-client ada@engine.test",
        "-client ::1 a.test",
        "-cert-file c.pem localhost",
        "-key-file k.pem localhost",
        "-cert-file c.pem -key-file k.pem a.test b.test",
        "-cert-file both.pem -key-file both.pem localhost",
        "-client -cert-file c.pem localhost",
        "",
        "x.",
        "*",
        "*.*.a",
        "a.*.b",
        "fe80::1%eth0",
        "a/b",
        "-cert-file none/c.pem localhost",
    ]
    .into_iter()
    .enumerate()
    {
        let ours = folder(&env, &format!("ours{number}"));
        let theirs = folder(&env, &format!("theirs{number}"));
        let typed: Vec<_> = arguments.split(' ').collect();
        let made = mkcert_in(&env, &theirs, &typed);
        let long: Vec<_> = typed
            .iter()
            .map(|word| match word.strip_prefix('-') {
                Some(option) => format!("--{option}"),
                None => (*word).to_owned(),
            })
            .collect();
        let long: Vec<_> = long.iter().map(String::as_str).collect();
        let done = cert_in(&env, &ours, &[&["new"][..], &long].concat()).run();
        assert_eq!(
            done.status.success(),
            made.status.success(),
            "{arguments}: {done:?} {made:?}"
        );
        assert_eq!(files(&ours), files(&theirs), "{arguments}");
    }
    let home = env.home();
    let ca = files(&home.join("qecho/ca"));
    assert_eq!(ca, files(&home.join("caroot")), "the CA's, too");
}

#[test]
fn names_become_what_mkcert_makes_of_them() {
    let env = TestEnv::new();
    let place = folder(&env, "place");
    let names = "localhost *.bücher.example 127.0.0.1 2001:db8::1 ada@engine.test ::ffff:192.0.2.1";
    let names: Vec<_> = names.split(' ').collect();
    let extension = |file: &str| {
        let ask = format!("x509 -noout -ext subjectAltName -in {file}");
        let (_, said) = openssl_in(&place, ask);
        // mkcert sorts them by kind, we leave them as they were typed.
        let names = said.lines().nth(1).expect("it has names").split(", ");
        let names = names.map(|name| name.trim().to_owned());
        names.collect::<BTreeSet<_>>()
    };
    let mine = [&["new", "--cert-file", "our.pem"][..], &names].concat();
    cert_in(&env, &place, &mine).ok();
    let theirs = [&["-cert-file", "their.pem"][..], &names].concat();
    mkcert_in(&env, &place, &theirs);
    assert_eq!(extension("our.pem"), extension("their.pem"));
}

#[test]
fn openssl_accepts_it_for_its_names_and_no_others() {
    let env = TestEnv::new();
    let place = folder(&env, "place");
    let kinds: [&[&str]; 4] = [&[], &["--ed25519"], &["--short-lived"], &["--days", "1"]];
    for kind in kinds {
        let names = ["new", "--cert-file", "c.pem", "*.a.test", "192.0.2.1"];
        cert_in(&env, &place, &[&names[..], kind].concat()).ok();
        let ca = env.home().join("qecho/ca/rootCA.pem");
        let ca = ca.to_str().expect("it is text");
        let verify = |option: &str, name: &str| {
            let purpose = "-x509_strict -purpose sslserver";
            let ask = format!("verify -CAfile {ca} {option} {name} {purpose} c.pem");
            openssl_in(&place, ask)
        };
        for (option, name, good) in [
            ("-verify_hostname", "x.a.test", true),
            ("-verify_ip", "192.0.2.1", true),
            ("-verify_hostname", "a.test", false),
            ("-verify_ip", "192.0.2.2", false),
        ] {
            let (accepted, said) = verify(option, name);
            assert_eq!(accepted, good, "{kind:?} {name}: {said}");
        }
    }
}

#[test]
fn what_is_printed_is_what_openssl_computes() {
    let env = TestEnv::new();
    let place = folder(&env, "place");
    let arguments = ["new", "localhost", "::1", "--format", "json", "--chain"];
    let done = cert_in(&env, &place, &arguments).ok();
    let made = done.last_event();
    assert_eq!(made["certificate"], "localhost+1.pem");
    assert_eq!(made["key"], "localhost+1-key.pem");
    assert_eq!(made["chain"], "localhost+1-chain.pem");
    assert_eq!(made["names"], serde_json::json!(["localhost", "::1"]));
    let ask = "x509 -noout -fingerprint -sha256 -enddate -dateopt iso_8601 -in localhost+1.pem";
    let (_, said) = openssl_in(&place, ask);
    let fingerprint = said.lines().find_map(|line| line.split_once("ngerprint="));
    let (_, fingerprint) = fingerprint.expect("it was asked for");
    let fingerprint = fingerprint.replace(':', "").to_lowercase();
    assert_eq!(made["sha256"], fingerprint);
    let text = cert_in(&env, &place, &["new", "localhost", "::1"]).run();
    let until = said.split_once("notAfter=").expect("it was asked for").1;
    text.prints(&format!("expires      {}\n", &until[..10]));
    text.prints("pin          sha256:");
    let pin = made["spki_sha256"].as_str().expect("a text");
    assert_eq!(pin.len(), 64);
    let chain = fs::read_to_string(place.join("localhost+1-chain.pem")).expect("it was made");
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
}

#[test]
fn a_short_life_is_at_most_fourteen_days() {
    let env = TestEnv::new();
    let place = folder(&env, "place");
    let days = |option: &[&str]| {
        let arguments = [&["new", "localhost"][..], option].concat();
        cert_in(&env, &place, &arguments).ok();
        let ends_within = |days: u64| {
            let seconds = days * 86_400;
            let ask = format!("x509 -noout -checkend {seconds} -in localhost.pem");
            !openssl_in(&place, ask).0
        };
        let days: Vec<_> = (0..1000).collect();
        days.partition_point(|days| !ends_within(*days))
    };
    assert_eq!(days(&["--short-lived"]), 13);
    assert_eq!(days(&["--days", "30"]), 30);
    assert_eq!(days(&[]), 820);
}

#[test]
fn a_certificate_made_is_served_and_our_client_knows_who_vouches() {
    let env = TestEnv::new();
    let done = env.qecho("cert new localhost 127.0.0.1 ::1").run();
    done.exits(0).complains("made a CA of your own");
    let again = env.qecho("cert new a.test").run();
    assert_eq!(again.exits(0).stderr, "", "it is made once");
    let server = env.server("--cert localhost+2.pem --key localhost+2-key.pem");
    let client = env.client(&server, "-m a").ok();
    client.complains("verified by qecho cert's local CA");
    server.ends_well();
    let loopback = env.home().join("qecho/rootCA.pem");
    assert!(!loopback.exists(), "the CA for loopback is another");
}

#[test]
fn mkcerts_authority_signs_for_us() {
    let env = TestEnv::new();
    let place = folder(&env, "place");
    let unmade = cert_in(&env, &place, &["new", "a.test", "--ca-root", "mkcert"]).run();
    unmade.fails(2, "there is no CA in", Some("mkcert makes it"));
    assert!(mkcert_in(&env, &place, &["localhost"]).status.success());
    for kind in [&[][..], &["--ed25519"]] {
        let arguments = [&["new", "a.test", "--ca-root", "mkcert"][..], kind].concat();
        cert_in(&env, &place, &arguments).ok();
        let ca = env.home().join("caroot/rootCA.pem");
        openssl_verifies(&place, &ca, "a.test.pem");
    }
    assert!(!env.home().join("qecho").exists(), "no other CA is made");
}

#[test]
fn keys_are_never_printed() {
    let env = TestEnv::new();
    let done = env.qecho("cert new localhost --format json").ok();
    for path in ["localhost-key.pem", "qecho/ca/rootCA-key.pem"] {
        let key = fs::read_to_string(env.home().join(path)).expect("it was made");
        let inside = key.lines().nth(1).expect("it is PEM");
        assert!(!done.stdout.contains(inside) && !done.stderr.contains(inside));
    }
}

#[test]
fn a_wildcard_comes_with_what_it_does_not_cover() {
    let env = TestEnv::new();
    let done = env.qecho("cert new *.test").run();
    done.exits(0)
        .complains("no wildcard as wide as *.test")
        .complains("neither for test nor for a.b.test");
}

#[test]
fn a_slip_in_an_address_is_pointed_out() {
    let env = TestEnv::new();
    let done = env.qecho("cert new 192.168.1.300").run();
    done.exits(0)
        .complains("warning: 192.168.1.300 looks like an IP address, but is none");
    let address = env.qecho("cert new 192.168.1.30").run();
    assert!(!address.exits(0).stderr.contains("warning"));
}

#[test]
fn processes_that_start_at_once_make_one_authority() {
    let env = TestEnv::new();
    let running: Vec<_> = (0..8)
        .map(|number| {
            let command = format!("cert new localhost --format json --cert-file {number}.pem");
            env.qecho(format!("{command} --key-file {number}-key.pem"))
                .start()
        })
        .collect();
    let done: Vec<_> = running.into_iter().map(|one| one.done()).collect();
    let makers = done.iter().filter(|one| one.stderr.contains("made a CA"));
    assert_eq!(makers.count(), 1);
    let ca = env.home().join("qecho/ca/rootCA.pem");
    for (number, one) in done.iter().enumerate() {
        let made: Value = one.last_event();
        assert_eq!(made["ca"].as_str().map(Path::new), Some(&*ca));
        let leaf = format!("{number}.pem");
        openssl_verifies(&env.home(), &ca, &leaf);
    }
    assert_eq!(files(&env.home().join("qecho/ca")).len(), 2);
}

#[test]
fn what_is_replaced_is_named_with_its_pin() {
    let env = TestEnv::new();
    let new = "cert new localhost --format json";
    let first = env.qecho(new).run();
    let old = first.exits(0).last_event();
    assert!(!first.stderr.contains("replaced"), "{first:#?}");
    let second = env.qecho(new).run();
    let pin = old["spki_sha256"].as_str().expect("a text");
    let key = format!("the key is new, sha256:{pin} is no longer");
    let words = format!("replaced localhost.pem, localhost-key.pem: {key}");
    second.exits(0).complains(&words);
    let made = second.last_event();
    assert_eq!(made["replaced_spki_sha256"], old["spki_sha256"]);
    fs::remove_file(env.home().join("localhost.pem")).expect("it was made");
    let third = env.qecho(new).run();
    third.exits(0).complains("replaced localhost-key.pem\n");
    assert_eq!(third.last_event()["replaced_spki_sha256"], Value::Null);
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_whose_name_is_no_text_is_told_of_in_json_all_the_same() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let env = TestEnv::new();
    let odd = OsStr::from_bytes(b"a\xff.pem");
    let new = env.qecho("cert new a.test --format json --cert-file");
    let made = new.arg(odd).ok().last_event();
    assert_eq!(made["certificate"], "a\u{fffd}.pem");
    assert!(env.home().join(odd).is_file());
    let listed = env.qecho("cert list --format json").ok().last_event();
    assert_eq!(listed["file"], "a\u{fffd}.pem");
}

#[test]
fn nothing_is_written_through_a_symbolic_link() {
    let env = TestEnv::new();
    let place = folder(&env, "place");
    let precious = env.file("precious", "mine");
    for (link, arguments) in [
        ("a.test.pem", "a.test"),
        ("a.test-key.pem", "a.test"),
        ("a.test-chain.pem", "a.test --chain"),
        ("other.pem", "a.test --cert-file other.pem"),
        ("other.pem", "a.test --key-file other.pem"),
    ] {
        // Also where there is nothing behind it.
        for target in [&precious, &env.path("nothing")] {
            let link = place.join(link);
            std::os::unix::fs::symlink(target, &link).expect("the folder takes links");
            let arguments: Vec<_> = ["new"].into_iter().chain(arguments.split(' ')).collect();
            let done = cert_in(&env, &place, &arguments).run();
            let reason = format!("it is a symbolic link, and {} would be", target.display());
            done.fails(2, &reason, Some("remove the link"));
            assert_eq!(fs::read_link(&link).expect("it stays"), **target);
            fs::remove_file(&link).expect("it is ours");
        }
        assert_eq!(fs::read_dir(&place).expect("it is a folder").count(), 0);
    }
    assert_eq!(fs::read(&precious).expect("it is there"), b"mine");
    assert!(!env.path("nothing").exists());
}

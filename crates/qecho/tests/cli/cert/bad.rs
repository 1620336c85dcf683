//! Commands that cannot work: one clear line, and nothing half-written.

use std::{fs, os::unix::fs::PermissionsExt};

use rcgen::{BasicConstraints, CertificateParams, IsCa, date_time_ymd};

use super::{among_mounts_of_its_own, cert_in, files, folder, openssl_does};
use crate::{
    captured::mode,
    certificates::key,
    env::{self, TestEnv},
};

/// Returns a env whose CA is made.
fn env() -> TestEnv {
    let env = TestEnv::new();
    env.qecho("cert ca new").ok();
    env
}

#[test]
fn names_that_are_none_are_refused_before_anything_is_made() {
    let env = TestEnv::new();
    let place = folder(&env, "place");
    for (name, reason) in [
        ("a b", "no spaces; give several names as several words"),
        ("localhost:4433", "leave the port out"),
        ("*", "a wildcard is one star in front of a domain"),
        ("", "it is no host name"),
        ("../x", "a part of it is empty, beside a dot"),
        ("x/y", "no host name has `/` in it"),
        ("xn--a", "begins with `xn--`, but stands for no letters"),
        (
            "https://xn--a/",
            "begins with `xn--`, but stands for no letters",
        ),
        ("a\nb\u{1b}[35mc", "invalid value 'a\\nb\\u{1b}[35mc' for"),
        ("bücher.test.", "no dot at their end"),
        ("１２７.0.0.1", "it looks like an IP address"),
    ] {
        let done = cert_in(&env, &place, &["new", "a.test", name]).run();
        done.exits(2).complains(reason);
    }
    cert_in(&env, &place, &["new"]).run().exits(2);
    assert!(files(&place).is_empty() && !env.home().join("qecho").exists());
}

#[test]
fn what_is_no_file_is_neither_replaced_nor_read_without_end() {
    let env = env();
    let endless = env.qecho("cert show /dev/zero").run();
    endless.fails(2, "cannot read /dev/zero: it is too large", None);
    let pipe = env.home().join("pipe.pem");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let new = env.qecho("cert new localhost --cert-file pipe.pem").run();
    new.fails(2, "cannot write pipe.pem: it is no regular file", None);
}

#[test]
fn a_key_is_neither_replaced_by_its_certificate_nor_left_without_it() {
    let env = env();
    let place = folder(&env, "place");
    let one = ["new", "a.test", "--cert-file", "x.pem", "--key-file"];
    let there = format!("{}/x.pem", place.display());
    for again in ["./x.pem", &there, "../place/x.pem"] {
        cert_in(&env, &place, &[&one[..], &[again]].concat()).ok();
        let both = fs::read_to_string(place.join("x.pem")).expect("it was made");
        assert_eq!(both.matches("-----BEGIN ").count(), 2, "{again}");
        assert_eq!(mode(&place.join("x.pem")), 0o600);
        fs::remove_file(place.join("x.pem")).expect("it was made");
    }
    let none = ["new", "a.test", "--cert-file", "none/"];
    let none = cert_in(&env, &place, &none).run();
    none.fails(2, "cannot write none/: is a directory", None);
    assert!(files(&place).is_empty());
    // A certificate that is mounted, as in containers, cannot be replaced.
    let done = among_mounts_of_its_own(
        &env,
        "mkdir pair; cd pair; \"$QECHO\" cert new a.test >/dev/null; cp a.test.pem ../mounted; \
         mount --bind ../mounted a.test.pem; sha256sum * >../before; \
         \"$QECHO\" cert new a.test || echo \"exit $?\"; sha256sum --quiet -c ../before; ls -A",
    );
    done.prints("exit 2\na.test-key.pem\na.test.pem\n")
        .complains("qecho: cannot write a.test.pem: ");
}

#[test]
fn what_is_no_authority_is_not_read_without_end() {
    let env = TestEnv::new();
    fs::create_dir(env.home().join("ca")).expect("the home takes folders");
    let certificate = env.home().join("ca/rootCA.pem");
    std::os::unix::fs::symlink("/dev/zero", &certificate).expect("the folder takes links");
    let endless = env.qecho("cert new localhost --ca-root ca").run();
    endless.fails(
        2,
        "rootCA.pem: it is too large for a certificate or key",
        None,
    );
    fs::remove_file(&certificate).expect("it was made");
    fs::write(&certificate, [0xff; 99]).expect("the folder takes files");
    let binary = env.qecho("cert new localhost --ca-root ca").run();
    binary.fails(2, "there is no certificate in", None);
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    let env = env();
    // One page holds the key, and none is left for the certificate.
    let done = among_mounts_of_its_own(
        &env,
        "mkdir full; mount -t tmpfs -o size=4k none full; cd full; \
         \"$QECHO\" cert new a.test || echo \"exit $?\"; ls -A; echo end",
    );
    done.prints("exit 2\nend\n")
        .complains("qecho: cannot write a.test.pem: No space left on device");
    let done = among_mounts_of_its_own(
        &env,
        "mount -t tmpfs -o size=16k none full; cd full; \
         \"$QECHO\" cert new a.test >/dev/null; sha256sum * >../before; \
         head -c 8k /dev/zero >filler; \
         \"$QECHO\" cert new a.test || echo \"exit $?\"; rm filler; \
         sha256sum --quiet -c ../before; ls -A; echo end",
    );
    done.prints("exit 2\na.test-key.pem\na.test.pem\nend\n");
}

#[test]
fn a_full_disk_leaves_no_half_authority() {
    let env = TestEnv::new();
    let done = among_mounts_of_its_own(
        &env,
        "mkdir full; mount -t tmpfs -o size=4k none full; head -c 4k /dev/zero >full/filler; \
         \"$QECHO\" cert ca new --ca-root full || echo \"exit $?\"; rm full/filler; \
         find full -type f; \"$QECHO\" cert ca new --ca-root full || echo \"exit $?\"; ls full; \
         mount -o remount,size=64k full; \"$QECHO\" cert new a.test --ca-root full --cert-file x",
    );
    done.exits(0)
        .prints("exit 2\nexit 2\nrootCA-key.pem\ncertificate  x\n")
        .complains("No space left on device");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let env = env();
    let done = among_mounts_of_its_own(
        &env,
        "mkdir sealed; mount -t tmpfs -o ro none sealed; cd sealed; \
         \"$QECHO\" cert new a.test || echo \"exit $?\"; ls -A; \
         \"$QECHO\" cert new a.test --ca-root ca || echo \"exit $?\"",
    );
    done.prints("exit 2\nexit 2\n")
        .complains("qecho: cannot write a.test-key.pem: Read-only file system")
        .complains("hint: name a writable folder by --ca-root DIR or QECHO_HOME");
}

#[test]
fn a_name_that_is_too_long_for_a_file_says_what_to_do() {
    let env = env();
    let longest = format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(61));
    let new = env.qecho(format!("cert new {longest}")).run();
    new.fails(2, "File name too long", Some("--cert-file and --key-file"));
    let files = "--cert-file a.pem --key-file a-key.pem";
    env.qecho(format!("cert new {longest} {files}")).ok();
}

#[test]
fn an_authority_without_its_key_signs_nothing() {
    let env = env();
    let key = env.home().join("qecho/ca/rootCA-key.pem");
    fs::remove_file(&key).expect("it is ours");
    let done = env.qecho("cert new a.test").run();
    let hint = "without its key a CA signs nothing";
    done.fails(2, "its key", Some(hint))
        .complains(&key.display().to_string());
    assert!(!key.exists() && !env.home().join("a.test.pem").exists());
}

#[test]
fn files_of_an_authority_that_are_not_what_they_should_be_are_named() {
    let env = env();
    let ca = env.home().join("qecho/ca");
    let other = folder(&env, "other");
    cert_in(&env, &other, &["ca", "new", "--ca-root", "."]).ok();
    let other_key = fs::read_to_string(other.join("rootCA-key.pem")).expect("it was made");
    let begin = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
    for (file, content, reason) in [
        ("rootCA-key.pem", other_key.as_str(), "does not fit"),
        ("rootCA-key.pem", "no key", "there is no private key in"),
        ("rootCA.pem", "none", "there is no certificate in"),
        ("rootCA.pem", begin, "is no valid PEM file"),
    ] {
        let path = ca.join(file);
        let before = fs::read(&path).expect("it was made");
        let ours = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&path, ours).expect("it is ours");
        fs::write(&path, content).expect("it is ours");
        let done = env.qecho("cert new a.test").run();
        done.fails(2, reason, None)
            .complains(&path.display().to_string());
        assert_eq!(env::read(&path), content);
        fs::write(&path, before).expect("it is ours");
    }
    assert!(!env.home().join("a.test.pem").exists());
}

#[test]
fn who_is_expired_or_no_authority_signs_nothing() {
    let env = TestEnv::new();
    let place = folder(&env, "place");
    let key = key();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = date_time_ymd(2020, 2, 1);
    let expired = params.clone();
    params.is_ca = IsCa::ExplicitNoCa;
    for (params, reason) in [
        (expired, "expired on 2020-02-01"),
        (params, "is not a CA's"),
    ] {
        let pem = params.self_signed(&key).expect("a key signs itself").pem();
        fs::write(place.join("rootCA.pem"), pem).expect("the folder takes files");
        fs::write(place.join("rootCA-key.pem"), key.serialize_pem()).expect("it does");
        let done = cert_in(&env, &place, &["new", "a.test", "--ca-root", "."]).run();
        done.fails(2, reason, None).complains("rootCA.pem");
    }
    assert_eq!(files(&place).len(), 2);
}

#[test]
fn nothing_outlives_its_authority() {
    let env = env();
    env.qecho("cert new a.test --days 3650").ok();
    let place = folder(&env, "place");
    let young = "req -x509 -newkey ed25519 -nodes -subj /O=young -days 9 \
                 -keyout rootCA-key.pem -out rootCA.pem";
    openssl_does(&place, young);
    let long = ["new", "a.test", "--ca-root", ".", "--days", "10"];
    let done = cert_in(&env, &place, &long).run();
    done.fails(2, "the CA itself expires on", None);
    cert_in(&env, &place, &long[..4]).ok();
}

#[test]
fn what_belongs_to_an_authority_is_never_replaced() {
    let env = env();
    let [ca, copy] = ["qecho/ca/rootCA.pem", "copy.pem"].map(|file| env.home().join(file));
    fs::copy(ca, copy).expect("the home takes files");
    for option in ["--cert-file", "--key-file"] {
        for file in ["qecho/ca/rootCA.pem", "qecho/ca/rootCA-key.pem", "copy.pem"] {
            let before = fs::read(env.home().join(file)).expect("it is there");
            let done = env.qecho(format!("cert new a.test {option} {file}")).run();
            done.fails(2, "belongs to a CA, and is not replaced", None);
            let after = fs::read(env.home().join(file)).expect("it is there");
            assert_eq!(before, after);
        }
    }
    let twice = env.qecho("cert new a.test --chain --key-file a.test-chain.pem");
    twice.run().fails(2, "cannot be two files at once", None);
    let folder = env.qecho("cert new a.test --cert-file qecho").run();
    folder.fails(2, "cannot write qecho: ", None);
    assert!(!env.home().join("a.test-key.pem").exists());
}

//! TLS secrets for those who want to read the packets.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::{
    captured::mode,
    env::{self, TestEnv},
};

/// Returns the labels in a key log, whose every line must be in the NSS format.
fn labels(path: &Path) -> Vec<String> {
    let text = env::read(path);
    assert!(text.ends_with('\n'));
    let label = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let [label, client_random, secret] = words[..] else {
            panic!("three words are expected: {line}")
        };
        for (hex, lengths) in [(client_random, &[64][..]), (secret, &[64, 96])] {
            assert!(lengths.contains(&hex.len()), "{line}");
            assert!(hex.chars().all(|digit| digit.is_ascii_hexdigit()), "{line}");
        }
        label.to_owned()
    };
    text.lines().map(label).collect()
}

const LABELS: [&str; 4] = [
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
];

#[test]
fn both_sides_log_the_same_secrets_to_files_that_only_their_owner_reads() {
    let env = TestEnv::new();
    let (ours, theirs) = (env.path("client.log"), env.path("server.log"));
    let server = env.server(&format!("--keylog {}", theirs.display()));
    let done = env.client(&server, "-m a --keylog").arg(&ours).ok();
    let said = format!("writing TLS secrets to {}", ours.display());
    assert_eq!(done.stderr.matches(&said).count(), 1, "{done:#?}");
    let said = format!("writing TLS secrets to {}", theirs.display());
    server.process.stderr.says(&said);
    for path in [&ours, &theirs] {
        assert_eq!(mode(path), 0o600);
        let labels = labels(path);
        for label in LABELS {
            let is_logged = labels.iter().any(|logged| logged == label);
            assert!(is_logged, "{label} in {labels:?}");
        }
    }
    let sorted = |path| {
        let text = env::read(path);
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&ours), sorted(&theirs));
}

#[test]
fn the_environment_asks_for_a_key_log_as_other_programs_know_it() {
    let env = TestEnv::new();
    let (path, option) = (env.path("environment.log"), env.path("option.log"));
    let server = env.server("");
    let client = || env.client(&server, "-m a").env("SSLKEYLOGFILE", &path);
    let done = client().ok();
    assert_eq!(done.stderr.matches("writing TLS secrets to ").count(), 1);
    let first = labels(&path).len();
    client().arg("--keylog").arg(&option).ok();
    assert_eq!(labels(&path).len(), 2 * first, "it is appended to");
    assert_eq!(labels(&option).len(), first);
    client().arg("--keylog").arg(&path).ok();
    assert_eq!(labels(&path).len(), 3 * first, "one file is written once");
    let empty = env.client(&server, "-m a").env("SSLKEYLOGFILE", "").ok();
    assert!(!empty.stderr.contains("TLS secrets"));
}

#[test]
fn a_key_log_that_cannot_be_written_could_not_run() {
    let env = TestEnv::new();
    let path = env.path("missing/key.log");
    let shown = path.display();
    let reason = format!("cannot write TLS secrets to {shown}: No such file");
    let client = env.qecho("client localhost:1 -m a --keylog").arg(&path);
    client.run().fails(2, &reason, None);
    let server = env.qecho("server --listen localhost:0 --keylog").arg(&path);
    server.run().exits(2).complains(&reason);
    let client = env.qecho("client localhost:1 -m a");
    let client = client.env("SSLKEYLOGFILE", &path);
    client.run().fails(2, &reason, None);
}

#[test]
fn a_key_log_that_fills_its_disk_is_told_once_and_ends_nothing() {
    let (env, server) = TestEnv::with_server("");
    let done = env.client(&server, "-m a --keylog /dev/full").run();
    done.exits(0).prints("echo: \"a\"");
    let warnings = done.stderr.matches("cannot write TLS secrets to /dev/full");
    assert_eq!(warnings.count(), 1, "{}", done.stderr);
}

#[test]
fn a_key_log_that_others_can_read_is_told() {
    let (env, server) = TestEnv::with_server("");
    let path = env.file("keys.log", "");
    for (rights, is_told) in [(0o666, true), (0o640, true), (0o600, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(rights)).expect("it is ours");
        for named in ["--keylog", "SSLKEYLOGFILE"] {
            let client = env.client(&server, "-m a");
            let client = match named {
                "--keylog" => client.arg(named).arg(&path),
                _ => client.env(named, &path),
            };
            let done = client.ok();
            let words = format!("others than the owner of {} have rights", path.display());
            assert_eq!(done.stderr.contains(&words), is_told, "{done:#?}");
        }
        // It may be meant so: nothing is changed.
        assert_eq!(mode(&path), rights);
    }
}

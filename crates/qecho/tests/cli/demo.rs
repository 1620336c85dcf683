//! `qecho demo`.

use std::fs;

use crate::{cmd::Output, env::TestEnv};

const VERDICT: &str = "ok: 3 of 3 echoes identical (stream, uni, datagram)";

#[track_caller]
fn is_ok(done: &Output) {
    done.exits(0);
    assert_eq!(done.stdout.lines().last(), Some(VERDICT), "{done:#?}");
    assert_eq!(done.stderr, "");
}

#[test]
fn the_demo_echoes_three_ways_and_tells_what_was_agreed() {
    let done = TestEnv::new().qecho("demo").run();
    is_ok(&done);
    done.prints("certificate verified by the demo's local CA")
        .prints("QUIC version 1, TLS_")
        .prints("ALPN echo");
    for way in ["stream   ", "uni      ", "datagram "] {
        done.prints(&format!("{way}  \"Hello, QUIC!\" came back identical in "));
    }
}

#[test]
fn the_demo_fits_into_80_columns() {
    let done = TestEnv::new().qecho("demo").run();
    let longest = done.stdout.lines().map(|line| line.chars().count()).max();
    assert!(longest.is_some_and(|columns| columns <= 80), "{done:#?}");
}

#[test]
fn the_demo_echoes_any_text() {
    let env = TestEnv::new();
    for (text, shown) in [
        ("日本語 🦀", "\"日本語 🦀\""),
        ("two\nlines\x1b[31m", "\"two\\nlines\\u{1b}[31m\""),
        ("-", "\"-\""),
    ] {
        let done = env.qecho("demo").arg(text).run();
        is_ok(&done);
        done.prints(shown);
    }
    let longest = "x".repeat(1_000);
    is_ok(&env.qecho("demo").arg(longest).run());
}

#[test]
fn a_text_that_cannot_be_echoed_every_way_is_refused_in_a_line() {
    let env = TestEnv::new();
    let long = env.qecho("demo").arg("語".repeat(334)).run();
    long.fails(2, "the text has 1002 bytes", Some("1000"));
    let empty = env.qecho("demo").arg("").run();
    empty.fails(2, "the text is empty", None);
    assert_eq!((&*long.stdout, &*empty.stdout), ("", ""));
}

#[test]
fn the_demo_writes_no_file_and_needs_no_home() {
    let env = TestEnv::new();
    is_ok(&env.qecho("demo").run());
    let left: Vec<_> = fs::read_dir(env.home()).expect("it is there").collect();
    assert!(left.is_empty(), "{left:?}");
    let mut homeless = env.qecho("demo").env("HOME", "/nonexistent");
    for variable in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "CAROOT", "QECHO_HOME"] {
        homeless = homeless.without(variable);
    }
    is_ok(&homeless.run());
}

#[test]
fn a_reader_that_leaves_the_demo_early_is_no_error() {
    let (running, stdout) = TestEnv::new().qecho("demo").start_unread();
    drop(stdout);
    let done = running.done();
    done.exits(0);
    assert_eq!(done.stderr, "");
}

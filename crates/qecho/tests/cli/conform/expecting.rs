//! Verdicts that are expected: only what gets worse fails.

use std::fs;

use super::faulty::faulty;
use crate::env::{self, TestEnv};

#[test]
fn only_what_is_worse_than_was_expected_fails() {
    let (env, _server, command) = faulty("F45,V11");
    let expecting = format!("{command} --expect v.txt");
    let missing = env.qecho(&expecting).run();
    missing.fails(2, "cannot read v.txt", Some("--update-expect makes it"));
    env.qecho(format!("{expecting} --update-expect")).ok();
    let path = env.home().join("v.txt");
    let kept = env::read(&path);
    assert_eq!(
        kept,
        "# qecho conform: expected verdicts\nV11 pass\nF45 fail\n"
    );
    let same = env.qecho(&expecting).ok();
    same.prints("Nothing is worse than was expected.");

    let better = kept.replace("F45 fail", "F45 pass").replace("V11 pass", "");
    fs::write(&path, better).expect("it is there");
    let worse = env.qecho(&expecting).run();
    worse
        .exits(1)
        .prints("worse     fail, was pass: F45")
        .prints("new       pass: V11")
        .prints("1 requirement is worse than expected.");
    fs::write(&path, kept.replace("F45 fail", "")).expect("it is there");
    env.qecho(&expecting).ok().prints("new       fail: F45");
}

#[test]
fn a_file_that_says_something_else_is_refused_before_anything_is_sent() {
    let env = TestEnv::new();
    env.file("home/v.txt", "F12 pass\nF12 fine\n");
    let done = env.qecho("conform localhost:1 --expect v.txt").run();
    done.fails(2, "line 2: `fine` is no verdict on F12", None);
    let alone = env.qecho("conform localhost:1 --update-expect").run();
    alone.exits(2).complains("--expect <FILE>");
}

//! Verdicts that are expected: only what gets worse fails.

use std::fs;

use super::faulty::faulty;
use crate::env::{self, TestEnv, VacantPort};

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
    let same = env.qecho(format!("{expecting} --output same.xml")).ok();
    same.prints("Nothing is worse than was expected.");
    // What a build server reads says the same.
    let xml = env::read(env.home().join("same.xml"));
    assert!(
        xml.contains("tests=\"2\" failures=\"0\" errors=\"0\""),
        "{xml}"
    );

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
    let wide: Vec<u8> = "\u{feff}F12 pass\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(env.home().join("w.txt"), wide).expect("the folder is there");
    let done = env.qecho("conform localhost:1 --expect w.txt").run();
    done.fails(
        2,
        "cannot read w.txt: line 1: it is UTF-16, as PowerShell",
        None,
    );
    let alone = env.qecho("conform localhost:1 --update-expect").run();
    alone.exits(2).complains("--expect <FILE>");
    let endless = env.qecho("conform localhost:1 --expect /dev/zero").run();
    endless.fails(2, "cannot read /dev/zero", None);
    let same = env.qecho("conform localhost:1 --expect v.txt --output ./v.txt");
    same.run().exits(2);
    let kept = env::read(env.home().join("v.txt"));
    assert_eq!(kept, "F12 pass\nF12 fine\n");
    env.qecho("conform localhost:1")
        .arg("--only=")
        .run()
        .exits(2);
}

#[test]
fn a_server_that_is_not_reached_is_an_error_in_the_reports() {
    let env = TestEnv::new();
    let vacant = VacantPort::keep();
    env.file("home/r.xml", "<old/>");
    let place = format!("localhost:{}", vacant.number());
    let done = env.qecho(format!("conform {place} --output r.xml --format json"));
    let summary = done.run().exits(1).last_event();
    assert_eq!(summary["outcome"], "nothing_reached");
    let xml = env::read(env.home().join("r.xml"));
    assert!(xml.contains("errors=\"1\""), "{xml}");
}

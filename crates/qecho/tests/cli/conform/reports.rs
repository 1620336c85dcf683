//! Reports in files, as other programs read them.

use super::{faulty::faulty, rows};
use crate::{
    cert::among_mounts_of_its_own,
    cmd::Cmd,
    env::{self, TestEnv},
};

/// Counts what a build server would.
const JUNIT: &str = "
import json, sys, xml.etree.ElementTree as tree
root = tree.parse('a.xml').getroot()
cases = root.findall('./testsuite/testcase')
print(json.dumps({
    'tests': [int(root.get('tests')), len(cases)],
    'failures': [int(root.get('failures')), len(root.findall('./testsuite/testcase/failure'))],
    'skipped': [int(root.get('skipped')), len(root.findall('./testsuite/testcase/skipped'))],
}))
";

#[test]
fn all_forms_of_a_report_count_the_same() {
    let (env, _server, command) = faulty("F45,V11");
    let files = "--output a.xml --output a.json --output a.html";
    let done = env.qecho(format!("{command} {files} --format json")).run();
    done.exits(1);
    let (_, summary) = rows(done.events());
    assert_eq!(summary["outcome"], "broken");
    let mut python = env.command("python3");
    python.args(["-c", JUNIT]);
    let junit = Cmd::new(python).ok().last_event();
    let count = |verdict: &str| summary["counts"][verdict].as_u64().expect("a number");
    let total = summary["requirements"].as_u64().expect("a number");
    for (name, expected) in [
        ("tests", total),
        ("failures", count("fail") + count("crashed")),
        (
            "skipped",
            count("not_applicable") + count("not_reached") + count("unsteady"),
        ),
    ] {
        assert_eq!(
            junit[name],
            serde_json::json!([expected, expected]),
            "{name}"
        );
    }
    let kept = env::read(env.home().join("a.json"));
    let kept = kept
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let (_, again) = rows(kept.collect());
    assert_eq!(again["counts"], summary["counts"]);
    let page = env::read(env.home().join("a.html"));
    for words in ["id=\"F45\"", "MAX_DATA", "breaks 1 of 2 requirements"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn a_report_that_cannot_be_kept_is_said_to_be_so() {
    let (env, server) = TestEnv::with_server("");
    let place = server.place();
    let early = env
        .qecho(format!("conform {place} --only F12 --output no/a.xml"))
        .run();
    early.fails(2, "cannot write no/a.xml", None);
    assert_eq!(early.stdout, "", "nothing was tried");
    let folder = env.qecho(format!("conform {place} --only F12 --pcap-dir /dev/null"));
    folder
        .run()
        .fails(2, "cannot keep packets in /dev/null", None);
}

#[test]
#[cfg(target_os = "linux")]
fn a_report_for_which_there_is_no_room_is_not_left_half_written() {
    let (env, server) = TestEnv::with_server("");
    let place = server.place();
    let script = format!(
        "mkdir full
         mount -t tmpfs -o size=4k none full
         $QECHO conform {place} --only F12 --output full/a.html || ended=$?
         wc -c <full/a.html
         exit $ended"
    );
    let full = among_mounts_of_its_own(&env, &script);
    full.exits(2)
        .prints("breaks none of 1 requirement.\n0\n")
        .complains("cannot write full/a.html: No space left");
}

#[test]
#[cfg(target_os = "linux")]
fn packets_for_which_there_is_no_room_cost_no_verdict() {
    let (env, server) = TestEnv::with_server("");
    let place = server.place();
    let script = format!(
        "mkdir full
         mount -t tmpfs -o size=12k none full
         $QECHO conform {place} --only F11,F12,V02,V05 --pcap-dir full --output a.json || ended=$?
         wc -l <a.json
         ls full
         exit $ended"
    );
    let full = among_mounts_of_its_own(&env, &script);
    full.exits(2)
        .prints("breaks none of 4 requirements.\n5\n")
        .complains("cannot write packets to full/");
    // The others are not tried in vain, and no half is left.
    assert_eq!(full.stderr.matches("No space left").count(), 1, "{full:#?}");
    for name in full.stdout.lines().filter(|line| line.ends_with(".pcapng")) {
        assert!(["V02.pcapng", "V05.pcapng"].contains(&name), "{full:#?}");
    }
}

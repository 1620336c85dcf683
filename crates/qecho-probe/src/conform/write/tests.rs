use std::{io, slice, time::Duration};

use qecho_packet::Direction;
use serde_json::Value;

use super::*;
use crate::conform::{
    Expectations, Finding, Matrix, Outcome, PacketRecord, Report, Verdict, testing,
};

fn origin() -> Origin {
    Origin {
        command: "qecho conform localhost:4433 --alpn 'x & y'".into(),
        again: "qecho conform {target} --alpn 'x & y' --only {id} --show {id}".into(),
        began: "2026-01-02T03:04:05Z".into(),
        version: "1.2.3".into(),
    }
}

/// Report with every verdict, one of which a peer has tried to make look like something else.
fn every_verdict() -> Report {
    let mut report = testing::report(&[
        ("F11", Verdict::Pass),
        ("F12", Verdict::Fail),
        ("F13", Verdict::Note),
        ("T01", Verdict::Crashed),
        ("F48", Verdict::NotApplicable),
        ("F14", Verdict::NotReached),
        ("F15", Verdict::Unsteady),
        ("F16", Verdict::NotReached),
    ]);
    let packet = PacketRecord {
        time: Duration::from_micros(1_500),
        direction: Direction::Received,
        lines: vec!["1-RTT 7".into(), "CONNECTION_CLOSE <0x7>".into()],
        size: 40,
        datagram: vec![0x4f; 40],
        is_stimulus: false,
    };
    let hostile = "closed with reason </pre><script>\u{1b}[2J\n'\"&";
    report.rows[1].finding = Finding::new(Verdict::Fail, hostile)
        .with_packets(vec![packet])
        .with_took(Duration::from_millis(12));
    report
}

fn written(write: impl Fn(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn json_has_a_line_a_row_and_a_summary_that_counts_them() {
    let report = every_verdict();
    let time = "2026-01-02T03:04:05Z";
    let rows = written(|out| {
        let mut rows = report.rows.iter();
        rows.try_for_each(|row| json_row(&report.target, row, None, time, out))
    });
    let read = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let rows: Vec<Value> = rows.lines().map(read).collect();
    let verdicts: Vec<_> = rows.iter().map(|row| row["verdict"].as_str()).collect();
    assert_eq!(verdicts.len(), 8);
    assert_eq!(verdicts[..2], [Some("pass"), Some("fail")]);
    let broken = &rows[1];
    let members = ["event", "id", "rfc", "level", "expected"].map(|name| &broken[name]);
    let expected = [
        "requirement",
        "F12",
        "9000 §19.5",
        "MUST",
        "STREAM_STATE_ERROR",
    ];
    assert_eq!(members, expected);

    let reports = [report];
    let summary = written(|out| json_summary(&reports, None, Outcome::Broken, 7, time, out));
    let summary = read(&summary);
    assert_eq!(summary["schema"], 7);
    assert_eq!(summary["outcome"], "broken");
    assert_eq!(summary["requirements"], 8);
    for verdict in Verdict::ALL {
        let word = verdict.as_str();
        let count = rows.iter().filter(|row| row["verdict"] == word).count();
        assert_eq!(summary["counts"][word], count);
        assert_eq!(summary["targets"][0]["counts"][word], count);
    }
}

#[test]
fn json_tells_what_was_expected_and_how_a_verdict_compares() {
    let report = every_verdict();
    let file = "F11 fail\nF12 pass\nF13 note\nF14 pass\nF15 pass\nF16 pass\nF48 pass\n";
    let expected = Expectations::parse(file).unwrap();
    let read = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let rows = written(|out| {
        let mut rows = report.rows.iter();
        rows.try_for_each(|row| json_row("h", row, Some(&expected), "now", out))
    });
    let rows: Vec<Value> = rows.lines().map(read).collect();
    let told = |row: &Value| {
        let member = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
        ["id", "comparison", "expected_verdict"]
            .map(member)
            .join(" ")
    };
    let told: Vec<_> = rows.iter().map(told).collect();
    let all = [
        "F11 better fail",
        "F12 worse pass",
        "F13 as_expected note",
        "T01 new -",
        "F48 neither pass",
        "F14 neither pass",
        "F15 neither pass",
        "F16 neither pass",
    ];
    assert_eq!(told, all);
    let outcome = expected.compare(&report).outcome();
    let reports = slice::from_ref(&report);
    let summary = written(|out| json_summary(reports, Some(&expected), outcome, 7, "now", out));
    let summary = read(&summary);
    for (word, count) in [
        ("new", 1),
        ("as_expected", 1),
        ("worse", 1),
        ("better", 1),
        ("neither", 4),
    ] {
        assert_eq!(summary["comparison"][word], count, "{word}");
    }
    assert_eq!(summary["outcome"], "broken");
    let without = written(|out| json_row("h", &report.rows[0], None, "now", out));
    assert!(read(&without).get("comparison").is_none(), "{without}");
}

#[test]
fn json_lists_what_would_be_tried() {
    let rows = ["F12", "C34"].map(testing::requirement);
    let list = written(|out| json_requirements(&rows, 7, "now", out));
    let list: Vec<Value> = list
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let members = ["event", "id", "rfc", "level", "side"].map(|name| list[1][name].clone());
    assert_eq!(
        members,
        ["listed", "C34", "9000 §17.2.5.2", "MUST", "client"]
    );
    assert!(list.len() == 2 && list[0]["schema"] == 7, "{list:#?}");
}

#[test]
fn junit_counts_what_json_counts() {
    let xml = written(|out| junit(&[every_verdict()], None, &origin(), out));
    let counts = "tests=\"8\" failures=\"2\" errors=\"0\" skipped=\"4\"";
    assert_eq!(xml.matches(counts).count(), 2, "of all and of the peer");
    let tags = ["<testcase ", "<failure ", "<skipped "].map(|tag| xml.matches(tag).count());
    assert_eq!(tags, [8, 2, 4]);
    assert!(xml.contains("classname=\"9000 §19.5\" time=\"0.012\""));
    assert!(xml.contains("message=\"closed with reason &lt;/pre&gt;&lt;script&gt;\\u{1b}[2J"));
    let again = "--alpn &#39;x &amp; y&#39; --only F12 --show F12";
    assert!(xml.contains(again) && !xml.contains("stopped"), "{xml}");
    let mut report = every_verdict();
    report.is_partial = true;
    let xml = written(|out| junit(slice::from_ref(&report), None, &origin(), out));
    assert!(xml.contains("It was stopped before all were tried.</system-err>\n  </testsuite>"));
}

#[test]
fn junit_fails_for_what_is_worse_than_was_expected_and_for_nothing_else() {
    let report = every_verdict();
    let kept = Expectations::parse("F12 fail\nT01 crashed\nF13 note\n").unwrap();
    let comparison = kept.compare(&report);
    let xml = written(|out| junit(slice::from_ref(&report), Some(&comparison), &origin(), out));
    assert!(xml.contains("tests=\"8\" failures=\"0\" errors=\"0\" skipped=\"4\""));
    let worse = Expectations::parse("F12 fail\nT01 crashed\nF13 pass\n").unwrap();
    let comparison = worse.compare(&report);
    let xml = written(|out| junit(slice::from_ref(&report), Some(&comparison), &origin(), out));
    assert!(xml.contains("failures=\"1\""), "{xml}");
    assert!(xml.contains("<failure type=\"note\""), "{xml}");
}

#[test]
fn a_page_has_an_anchor_for_each_requirement_and_nothing_of_other_places() {
    let page = written(|out| html(&every_verdict(), &origin(), out));
    for id in ["F11", "F12", "T01"] {
        assert!(page.contains(&format!("<article id=\"{id}\"")));
    }
    let places = ["<script", "src=", "@import", "url("];
    for place in places {
        assert!(!page.contains(place), "{place}");
    }
    let links = page.split("href=\"").skip(1);
    for link in links.filter_map(|rest| rest.split('"').next()) {
        let is_anchor = |id: &str| page.contains(&format!(" id=\"{id}\""));
        let leads = match link.strip_prefix('#') {
            Some(id) => is_anchor(id),
            None => link.starts_with("https://www.rfc-editor.org/rfc/rfc"),
        };
        assert!(leads, "{link}");
    }
    let broken = page.find("id=\"T01\"").unwrap();
    assert!(
        broken < page.find("id=\"F11\"").unwrap(),
        "what is broken stands first"
    );
    assert!(page.contains("CONNECTION_CLOSE &lt;0x7&gt;") && page.contains("4f4f4f4f"));
    assert!(!page.contains("the stimulus"));
    let mut report = every_verdict();
    report.rows[1].finding.packets[0].is_stimulus = true;
    let page = written(|out| html(&report, &origin(), out));
    let marked = "<li class=\"received stimulus\"><span><b>the stimulus</b>, received at";
    assert!(page.contains(marked), "{page}");
}

#[test]
fn a_page_of_several_peers_links_each_verdict_to_its_peer() {
    let matrix = Matrix::new(vec![
        every_verdict(),
        testing::report(&[("F12", Verdict::Pass)]),
    ]);
    let page = written(|out| html_of_several(&matrix, &origin(), out));
    for place in [
        "href=\"#F12-1\"",
        "id=\"F12-1\"",
        "href=\"#F12-2\"",
        "id=\"F12-2\"",
    ] {
        assert!(page.contains(place), "{place}");
    }
    assert_eq!(page.matches("class=\"differs\"").count(), 1);
}

#[test]
fn text_begins_with_what_is_broken_and_ends_with_the_verdict() {
    let report = every_verdict();
    let text = written(|out| super::text(&report, &origin(), out));
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("crashed   T01 9001 §8.1 MUST: ALPN that nobody speaks."));
    let again = "          qecho conform localhost:4433 --alpn 'x & y' --only T01 --show T01";
    assert_eq!(lines[1], again);
    assert!(lines[2].starts_with("fail      F12 9000 §19.5 MUST: STOP_SENDING"));
    assert!(lines[2].contains("\\u{1b}[2J '"), "one line, harmless");
    assert!(lines[4].starts_with("note      F13"));
    assert!(lines[5].starts_with("unsteady  F15"));
    let expected = [
        "not reached: F14 F16 (what is not reached)",
        "not applicable: F48 (what is not applicable)",
        "RFC 9000  1 pass, 1 note, 1 fail, 2 not reached, 1 unsteady",
        "RFC 9001  1 crashed",
        "RFC 9221  1 not applicable",
        "localhost:4433 breaks 2 of 4 requirements: F12, T01; 4 could not be judged.",
    ];
    assert_eq!(lines[6..], expected);
}

#[test]
fn the_verdict_on_a_good_a_silent_and_a_stopped_run_is_a_sentence() {
    let conclusion = |report: &Report| {
        let text = written(|out| super::text(report, &origin(), out));
        text.lines().last().unwrap().to_owned()
    };
    let mut report = testing::report(&[("F12", Verdict::Pass), ("F48", Verdict::NotApplicable)]);
    let good = "localhost:4433 breaks none of 1 requirement; 1 could not be judged.";
    assert_eq!(conclusion(&report), good);
    report.is_partial = true;
    assert_eq!(
        conclusion(&report),
        format!("{good} It was stopped before all were tried.")
    );
    let stopped = Report {
        rows: Vec::new(),
        ..report
    };
    let expected = "localhost:4433: it was stopped before anything was tried.";
    assert_eq!(conclusion(&stopped), expected);
    let lacking = testing::report(&[("F48", Verdict::NotApplicable)]);
    let expected = "localhost:4433: nothing could be judged.";
    assert_eq!(conclusion(&lacking), expected);
    let broken = testing::report(&[("F12", Verdict::Fail)]);
    let expected = "localhost:4433 breaks 1 of 1 requirement: F12.";
    assert_eq!(conclusion(&broken), expected);
    let mut silent = testing::report(&[("F12", Verdict::NotReached)]);
    silent.lost = Some("no answer within 3 s".into());
    let expected = "localhost:4433: nothing was reached: no answer within 3 s.";
    assert_eq!(conclusion(&silent), expected);
}

#[test]
fn a_comparison_tells_what_got_worse_and_what_is_new() {
    let report = every_verdict();
    let file = "F11 fail\nF12 pass\nF13 note\nF14 pass\nF15 pass\nF16 pass\nF48 pass\n";
    let expected = Expectations::parse(file).unwrap();
    let comparison = expected.compare(&report);
    let text = written(|out| text_of_comparison(&comparison, out));
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("worse     fail, was pass: F12 9000 §19.5"));
    let rest = [
        "better    pass, was fail: F11",
        "new       crashed: T01",
        "1 requirement is worse than expected.",
    ];
    assert_eq!(lines[1..], rest);
}

#[test]
fn a_list_has_a_line_for_each_requirement() {
    let rows = ["F12", "C34"].map(testing::requirement);
    let list = written(|out| text_of_requirements(&rows, out));
    let lines: Vec<_> = list.lines().collect();
    let expected = [
        "F12  9000 §19.5     MUST    STOP_SENDING for a stream that the receiver never opened",
        "C34  9000 §17.2.5.2 MUST    Retry with an empty token and a good integrity tag",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_table_shows_peers_side_by_side_or_only_where_they_differ() {
    let reports = [Verdict::Pass, Verdict::Fail]
        .map(|verdict| testing::report(&[("F12", verdict), ("F13", Verdict::Pass)]));
    let matrix = Matrix::new(reports.into());
    let all = written(|out| text_of_several(&matrix, false, None, out));
    let lines: Vec<_> = all.lines().collect();
    assert_eq!(
        lines[0],
        "[1] localhost:4433 breaks none of 2 requirements."
    );
    assert_eq!(lines[2], "                      [1]            [2]");
    assert_eq!(lines[3], "F12  9000 §19.5       pass           fail");
    assert_eq!(lines[4], "F13  9000 §19.10      pass           pass");
    let differences = written(|out| text_of_several(&matrix, true, None, out));
    assert_eq!(differences.lines().count(), 4);
    let same = Matrix::new(vec![testing::report(&[("F12", Verdict::Pass)])]);
    let same = written(|out| text_of_several(&same, true, None, out));
    assert!(same.ends_with("They differ in nothing.\n"));
}

#[test]
fn a_table_is_as_wide_as_there_is_room() {
    let long = "a-name-of-many-words.in-a-zone.of-a-provider.example:4433";
    let reports = ["[2001:db8::1]:4433", "localhost:4433", long].map(|target| {
        let mut report = testing::report(&[
            ("F12", Verdict::NotApplicable),
            ("C34", Verdict::NotApplicable),
        ]);
        report.target = target.into();
        report
    });
    let matrix = Matrix::new(reports.into());
    let table = |width| {
        let text = written(|out| text_of_several(&matrix, false, Some(width), out));
        // The sentences about each are broken between words where they are shown.
        let lines = text.lines().skip(3);
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let wide = table(80);
    assert_eq!(
        wide[0],
        "                      [1]            [2]            [3]"
    );
    assert!(
        wide[1].starts_with("C34  9000 §17.2.5.2   not applicable "),
        "{wide:#?}"
    );
    assert_eq!(
        table(50),
        [
            "     [1]            [2]            [3]",
            "C34  not applicable not applicable not applicable",
            "F12  not applicable not applicable not applicable",
        ]
    );
    assert_eq!(
        table(40),
        [
            "     [1]            [2]",
            "C34  not applicable not applicable",
            "F12  not applicable not applicable",
            "     [3]",
            "C34  not applicable",
            "F12  not applicable",
        ]
    );
    for width in [1, 20, 36, 49, 50, 66, 67, 100] {
        let lines = table(width);
        let longest = lines.iter().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= width.max(20), "{width}: {lines:#?}");
    }
}

#[test]
fn peers_that_were_not_all_judged_do_not_differ_in_nothing() {
    let lines = |verdicts: [Verdict; 2]| {
        let reports =
            verdicts.map(|verdict| testing::report(&[("F12", verdict), ("F13", Verdict::Pass)]));
        let matrix = Matrix::new(reports.into());
        let text = written(|out| text_of_several(&matrix, true, None, out));
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let unjudged = "They differ in nothing that was judged of all; 1 requirement was not.";
    for unknown in [Verdict::NotReached, Verdict::Unsteady] {
        let lines = lines([Verdict::Pass, unknown]);
        assert_eq!(lines[2], format!("    {unknown}: F12 (what is {unknown})"));
        assert_eq!(lines[3..], [unjudged]);
    }
    let same = lines([Verdict::Pass, Verdict::Pass]);
    assert_eq!(same[2..], ["They differ in nothing."]);
    let reports = [Verdict::Pass, Verdict::NotReached];
    let reports = reports.map(|verdict| testing::report(&[("F12", verdict)]));
    let matrix = Matrix::new(reports.into());
    let nothing = written(|out| text_of_several(&matrix, true, None, out));
    assert!(nothing.ends_with("Nothing was judged of all: there is nothing to compare.\n"));
}

#[test]
fn xml_has_no_character_that_xml_has_not_and_attributes_keep_their_lines() {
    let mut report = testing::report(&[("F12", Verdict::Fail), ("F14", Verdict::NotReached)]);
    let odd: String = (0..=0xa0_u8).map(char::from).collect();
    report.target = format!("sh -c '{odd}'");
    report.lost = Some(odd.clone());
    for row in &mut report.rows {
        row.finding.seen.clone_from(&odd);
    }
    let reports = [report];
    let xml = written(|out| junit(&reports, None, &origin(), out));
    let is_allowed = |character: char| {
        matches!(character, '\n' | '\t') || !character.is_control() && character != '\u{ffff}'
    };
    let wrong: Vec<_> = xml.chars().filter(|it| !is_allowed(*it)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // Quotes part attributes from what is around them: within them stands no end of a line.
    for (number, part) in xml.split('"').enumerate() {
        assert!(
            number % 2 == 0 || !part.contains(['\n', '\t', '<']),
            "{part}"
        );
    }
    assert!(xml.contains("&#9;&#10;"), "{xml}");
}

//! Reports as no network made them: one for each cause, and those without.

use serde_json::Value;

use super::*;

/// Returns a report in which all rungs hold up to one, which has this result.
fn climbed(to: Rung, result: RungResult) -> Report {
    let rungs = Rung::ALL.iter().map(|rung| {
        let result = match rung.cmp(&to) {
            std::cmp::Ordering::Less => RungResult::Passed,
            std::cmp::Ordering::Equal => result,
            std::cmp::Ordering::Greater => RungResult::Untold,
        };
        let mut report = RungReport::new(*rung, result);
        if result != RungResult::Untold {
            report.say(format!("seen on {}", rung.name()));
            report.fact("tries", 3);
            if *rung == Rung::Udp {
                report.fact("port", 443);
            }
        }
        report
    });
    let mut climbed = Report::default();
    climbed.rungs = rungs.collect();
    climbed
}

/// Returns a report in which a cause was found.
fn sick(cause: Cause) -> Report {
    let mut report = climbed(Rung::Udp, RungResult::Failed);
    let finding = Finding::new(cause, "the sentence of it", "do <this> about it").with_evidence([
        "4 of 4 were lost",
        "4 of 4 came",
        "4 of 4 were lost",
    ]);
    report.findings.push(finding);
    report
}

fn diagnosis(report: Report) -> Diagnosis {
    Diagnosis {
        target: Some("a.test".into()),
        report,
        control: None,
        is_partial: false,
    }
}

fn text(diagnosis: &Diagnosis) -> String {
    let mut out = Vec::new();
    diagnosis.text(&mut out).expect("a vector takes all");
    String::from_utf8(out).expect("it is text")
}

fn summary(diagnosis: &Diagnosis) -> Value {
    let mut out = Vec::new();
    diagnosis.json(&mut out).expect("a vector takes all");
    serde_json::from_slice(&out).expect("it is JSON")
}

fn html(diagnosis: &Diagnosis) -> String {
    let origin = Origin {
        command: "qecho doctor a.test".into(),
        began: "2027-01-02T03:04:05Z".into(),
        version: "9.9",
    };
    let mut out = Vec::new();
    super::html(diagnosis, &origin, &mut out).expect("a vector takes all");
    String::from_utf8(out).expect("it is text")
}

/// Returns a line with its words, for people.
fn rung_text(report: &RungReport, signs: Signs) -> String {
    let mut out = Vec::new();
    rung(report, signs, None, &mut out).expect("a vector takes all");
    String::from_utf8(out).expect("it is text")
}

#[test]
fn every_cause_is_told_with_its_evidence_and_one_thing_to_do() {
    for cause in Cause::ALL {
        let diagnosis = diagnosis(sick(*cause));
        assert_eq!(diagnosis.outcome(), Outcome::Cause);
        let told = "the sentence of it.\nseen: 4 of 4 were lost\nseen: 4 of 4 came\n\
             seen: 4 of 4 were lost\n";
        let told = format!(
            "{told}cause: {cause}\nhint: do <this> about it\nuntried: handshake, path, staying\n"
        );
        assert_eq!(text(&diagnosis), told);
        let summary = summary(&diagnosis);
        assert_eq!(summary["cause"], cause.name());
        assert_eq!(summary["outcome"], "cause");
        assert_eq!(summary["evidence"].as_array().map(Vec::len), Some(3));
        let page = html(&diagnosis);
        let badge = format!("<span class=\"badge fail\">{cause}</span>");
        assert!(page.contains(&badge) && page.contains("do &lt;this&gt; about it"));
        assert!(page.contains("2027-01-02T03:04:05Z, qecho 9.9"), "{page}");
        assert!(page.contains("<h1>qecho doctor: a.test</h1>"), "{page}");
    }
}

#[test]
fn every_cause_has_its_place_in_the_guide() {
    let guide = include_str!("../../../../../docs/doctor.md");
    for cause in Cause::ALL {
        assert!(guide.contains(&format!("\n### {cause}\n")), "{cause}");
    }
}

#[test]
fn of_several_causes_the_lowest_is_the_verdict_and_the_others_are_told_too() {
    let mut report = sick(Cause::Loss);
    let lower = Finding::new(Cause::MtuCliff, "large ones are lost.", "send small ones")
        .or_else(Cause::Policer, "bursts of small ones would tell");
    report.findings.push(lower);
    let diagnosis = diagnosis(report);
    let told = text(&diagnosis);
    assert!(told.starts_with(
        "large ones are lost.\ncause: mtu-cliff\nor: policer (bursts of small ones would tell)\n\
         hint: send small ones\nalso: loss. the sentence of it.\n"
    ));
    let summary = summary(&diagnosis);
    assert_eq!(summary["cause"], "mtu-cliff");
    assert_eq!(summary["or_else"]["cause"], "policer");
    assert_eq!(summary["others"][0]["cause"], "loss");
}

#[test]
fn what_is_well_is_named_and_so_is_what_nobody_tried() {
    let mut report = climbed(Rung::Path, RungResult::Passed);
    report.untried.push("silences (--nat)".into());
    let well = diagnosis(report);
    assert_eq!(well.outcome(), Outcome::Well);
    assert_eq!(
        text(&well),
        "QUIC works from here to a.test. Found well: this machine, names, UDP, handshake, path.\n\
         untried: staying, silences (--nat)\n"
    );
    let summary = summary(&well);
    assert!(summary["cause"].is_null() && summary["outcome"] == "well");
    assert_eq!(summary["untried"][1], "silences (--nat)");
}

#[test]
fn a_part_is_marked_as_one() {
    let part = Diagnosis {
        is_partial: true,
        ..diagnosis(climbed(Rung::Path, RungResult::Passed))
    };
    assert!(text(&part).starts_with("It was stopped before its end.\nQUIC works from here"));
    assert_eq!(summary(&part)["partial"], true);
    assert!(html(&part).contains("It was stopped before its end."));
}

#[test]
fn a_handshake_alone_is_not_called_well() {
    let dark = diagnosis(climbed(Rung::Handshake, RungResult::Passed));
    assert_eq!(dark.outcome(), Outcome::Untold);
    assert!(text(&dark).starts_with("A handshake with a.test completes, and nothing can be said"));
}

#[test]
fn nothing_is_called_well_without_a_handshake() {
    let silent = diagnosis(climbed(Rung::Udp, RungResult::Passed));
    assert_eq!(silent.outcome(), Outcome::Untold);
    assert!(text(&silent).starts_with("No cause was found, but a handshake with a.test was not"));
    let nothing = diagnosis(climbed(Rung::Machine, RungResult::Untold));
    assert!(text(&nothing).starts_with("Nothing can be said of a.test.\n"));
    assert_eq!(summary(&nothing)["outcome"], "untold");
}

#[test]
fn without_a_server_this_machine_alone_is_judged() {
    let of = |result| Diagnosis {
        target: None,
        ..diagnosis(climbed(Rung::Machine, result))
    };
    let well = of(RungResult::Passed);
    assert_eq!(well.outcome(), Outcome::Well);
    assert_eq!(text(&well), "Nothing is wrong with this machine.\n");
    assert!(html(&well).contains("qecho doctor: this machine"));
    assert_eq!(of(RungResult::Untold).outcome(), Outcome::Untold);
}

#[test]
fn a_control_tells_this_network_from_that_server() {
    let with = |control: Option<Report>| Diagnosis {
        control: Some(Control {
            host: "b.test".into(),
            report: control,
        }),
        ..diagnosis(sick(Cause::UdpFiltered))
    };
    for (control, side, words) in [
        (
            Some(sick(Cause::UdpFiltered)),
            "network",
            "control: It is this network",
        ),
        (
            Some(climbed(Rung::Handshake, RungResult::Passed)),
            "server",
            "control: It is that server",
        ),
        (
            Some(sick(Cause::NotQuic)),
            "untold",
            "control: b.test fails too, but in another way (not-quic)",
        ),
        (
            Some(climbed(Rung::Names, RungResult::Passed)),
            "untold",
            "control: b.test does not tell",
        ),
        (None, "", "control: b.test was not tried"),
    ] {
        let diagnosis = with(control);
        assert!(text(&diagnosis).contains(words), "{}", text(&diagnosis));
        let told = &summary(&diagnosis)["control"];
        assert_eq!(told["side"].as_str().unwrap_or_default(), side);
        assert_eq!(told["tried"], !side.is_empty());
        assert_eq!(
            html(&diagnosis).contains("Control: b.test"),
            !side.is_empty()
        );
    }
}

#[test]
fn a_rung_has_a_sign_its_name_and_its_lines_one_below_the_other() {
    let mut report = RungReport::new(Rung::Udp, RungResult::Passed);
    report.say("answers in 20 ms");
    report.say("TCP answers, too");
    assert_eq!(
        rung_text(&report, Signs::UNICODE),
        "✔ UDP           answers in 20 ms\n                TCP answers, too\n"
    );
    report.result = RungResult::Failed;
    assert!(rung_text(&report, Signs::ASCII).starts_with("x UDP           answers"));
    let mut narrow = Vec::new();
    rung(&report, Signs::ASCII, Some(40), &mut narrow).expect("a vector takes all");
    assert_eq!(narrow, b"x UDP\n  answers in 20 ms\n  TCP answers, too\n");
    let untold = RungReport::new(Rung::Machine, RungResult::Untold);
    assert_eq!(
        rung_text(&untold, Signs::UNICODE),
        "– this machine  not tried\n"
    );
}

#[test]
fn what_a_server_has_said_commands_neither_a_terminal_nor_a_browser() {
    let mut report = sick(Cause::AlpnRefused);
    let evil = "\u{1b}[2J<script>\n\u{202e}";
    report.rungs[0].say(evil);
    report.rungs[0].fact("<said>", evil);
    report.findings[0].evidence.push(evil.into());
    report.untried.push(evil.into());
    let line = rung_text(&report.rungs[0], Signs::UNICODE);
    let diagnosis = diagnosis(report);
    let mut json = Vec::new();
    rung_line(None, &diagnosis.report.rungs[0], &mut json).expect("a vector takes all");
    let json = String::from_utf8(json).expect("it is text");
    for told in [text(&diagnosis), line, json, html(&diagnosis)] {
        assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told:?}");
    }
    assert!(!html(&diagnosis).contains("<script>"));
}

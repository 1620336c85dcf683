use std::{cell::Cell, collections::VecDeque};

use super::*;
use crate::conform::{Outcome, PacketRecord, testing::requirement};

/// Peer with the findings and signs of life of a script; without any it keeps all and lives.
#[derive(Default)]
struct Scripted {
    findings: VecDeque<Verdict>,
    /// Whether it lives, look by look.
    lives: VecDeque<bool>,
    runs: Vec<&'static str>,
    /// What is seen where it does not live, unless that nobody is there.
    absence: Option<fn(String) -> Liveness>,
    /// Time at which a datagram comes in each run, if one does.
    answer: Option<Duration>,
    /// Datagrams of each run that are sent after that.
    unanswered: usize,
    looks: usize,
    paused: Duration,
}

impl Target for Scripted {
    fn run(&mut self, requirement: &'static Requirement) -> Finding {
        self.runs.push(requirement.id);
        let verdict = self.findings.pop_front().unwrap_or(Verdict::Pass);
        let packet = |time, direction| PacketRecord {
            time,
            direction,
            lines: Vec::new(),
            size: 1,
            datagram: vec![0],
            is_stimulus: false,
        };
        let answer = self.answer.map(|time| packet(time, Direction::Received));
        let sent = packet(Duration::ZERO, Direction::Sent);
        let unanswered = std::iter::repeat_n(sent, self.unanswered);
        Finding::new(verdict, format!("run {}", self.runs.len()))
            .with_packets(answer.into_iter().chain(unanswered).collect())
    }

    fn look(&mut self) -> Liveness {
        self.looks += 1;
        match self.lives.pop_front().unwrap_or(true) {
            true => Liveness::Alive,
            false => self.absence.unwrap_or(Liveness::Gone)("no answer".into()),
        }
    }

    fn pause(&mut self, time: Duration) {
        self.paused += time;
    }
}

impl Scripted {
    fn new(findings: &[Verdict], lives: &[bool]) -> Self {
        Self {
            findings: findings.iter().copied().collect(),
            lives: lives.iter().copied().collect(),
            ..Self::default()
        }
    }

    fn seen_as(mut self, absence: fn(String) -> Liveness) -> Self {
        self.absence = Some(absence);
        self
    }

    fn meets(&mut self, ids: &[&str]) -> Report {
        self.meets_at(Level::Must, ids)
    }

    fn meets_at(&mut self, level: Level, ids: &[&str]) -> Report {
        let rows: Vec<_> = ids.iter().map(|id| requirement(id)).collect();
        let runner = Runner::new("peer").with_level(level);
        runner.run(&rows, self, &mut |_event| {}, &|| false)
    }
}

fn verdicts(report: &Report) -> Vec<Verdict> {
    report.rows.iter().map(Row::verdict).collect()
}

const GONE: [bool; 1 + REVIVAL_PAUSES.len()] = [false; 1 + REVIVAL_PAUSES.len()];

#[test]
fn a_fail_counts_if_a_second_run_agrees() {
    let mut peer = Scripted::new(&[Verdict::Fail, Verdict::Fail, Verdict::Pass], &[]);
    let report = peer.meets(&["F12", "F13"]);
    assert_eq!(verdicts(&report), [Verdict::Fail, Verdict::Pass]);
    assert_eq!(peer.runs, ["F12", "F12", "F13"]);
    assert_eq!(report.outcome(), Outcome::Broken);
}

#[test]
fn runs_that_differ_are_unsteady_and_break_nothing() {
    for other in [Verdict::Pass, Verdict::Note, Verdict::NotReached] {
        let report = Scripted::new(&[Verdict::Fail, other], &[]).meets(&["F12"]);
        assert_eq!(verdicts(&report), [Verdict::Unsteady]);
        assert_eq!(report.outcome(), Outcome::Kept);
        let seen = &report.rows[0].finding.seen;
        assert_eq!(
            *seen,
            format!("fail at first (run 1), then {other} (run 2)")
        );
    }
}

#[test]
fn what_does_not_speak_against_the_peer_is_tried_once() {
    for verdict in [Verdict::Pass, Verdict::NotApplicable, Verdict::NotReached] {
        let mut peer = Scripted::new(&[verdict], &[]);
        assert_eq!(verdicts(&peer.meets(&["F12"])), [verdict]);
        assert_eq!(peer.runs.len(), 1);
    }
}

#[test]
fn a_should_fails_only_on_demand_and_a_may_never() {
    let twice = |id, level| {
        let report = Scripted::new(&[Verdict::Fail; 2], &[]).meets_at(level, &[id]);
        report.rows[0].verdict()
    };
    assert_eq!(twice("F35", Level::Must), Verdict::Note);
    assert_eq!(twice("F35", Level::Should), Verdict::Fail);
    assert_eq!(twice("F12", Level::Should), Verdict::Fail);
    for level in [Level::Must, Level::Should, Level::May] {
        assert_eq!(twice("F41", level), Verdict::Note);
    }
}

#[test]
fn a_peer_that_never_answered_costs_one_look() {
    let mut peer = Scripted::new(&[], &[false]);
    let report = peer.meets(&["F12", "F13"]);
    assert_eq!(verdicts(&report), [Verdict::NotReached; 2]);
    assert_eq!((peer.runs.len(), peer.looks), (0, 1));
    assert_eq!(report.lost.as_deref(), Some("no answer"));
    assert_eq!(report.outcome(), Outcome::NothingReached);
}

#[test]
fn a_peer_that_is_gone_has_crashed_and_the_rest_is_not_tried() {
    let mut peer = Scripted::new(&[], &[&[true], &GONE[..]].concat());
    let report = peer.meets(&["F12", "F13", "F14"]);
    let expected = [Verdict::Crashed, Verdict::NotReached, Verdict::NotReached];
    assert_eq!(verdicts(&report), expected);
    assert_eq!(peer.runs, ["F12"]);
    assert_eq!(peer.paused, REVIVAL_PAUSES.iter().sum::<Duration>());
    assert_eq!(report.lost.as_deref(), Some("after F12: no answer"));
}

#[test]
fn a_peer_that_is_started_again_has_crashed_if_it_does_so_twice() {
    // Before all, then after a run: gone, gone, back.
    let crash = [false, false, true];
    let mut peer = Scripted::new(&[], &[&[true][..], &crash, &crash].concat());
    let report = peer.meets(&["F12", "F13"]);
    assert_eq!(verdicts(&report), [Verdict::Crashed, Verdict::Pass]);
    assert_eq!(peer.runs, ["F12", "F12", "F13"]);
    let seen = "run 1; then no further handshake: no answer, but another one 1500 ms later";
    assert_eq!(report.rows[0].finding.seen, seen);
    assert_eq!(report.lost, None);
}

#[test]
fn what_was_not_heard_the_first_time_is_no_note() {
    let report = Scripted::new(&[Verdict::Note, Verdict::Pass], &[]).meets(&["F12"]);
    assert_eq!(verdicts(&report), [Verdict::Pass]);
    let report = Scripted::new(&[Verdict::Note, Verdict::Fail], &[]).meets(&["F12"]);
    assert_eq!(verdicts(&report), [Verdict::Unsteady]);
}

#[test]
fn on_a_long_way_silence_has_to_agree_three_times() {
    let notes = [Verdict::Note; 3];
    for (time, findings, expected, runs) in [
        (FAR, &notes[..2], Verdict::Pass, 3),
        (FAR, &notes, Verdict::Note, 3),
        (Duration::ZERO, &notes, Verdict::Note, 2),
    ] {
        let mut peer = Scripted::new(findings, &[]);
        peer.answer = Some(time);
        peer.unanswered = UNANSWERED_MIN;
        assert_eq!(verdicts(&peer.meets(&["F12"])), [expected]);
        assert_eq!(peer.runs.len(), runs);
    }
}

#[test]
fn a_handshake_that_fails_once_is_no_crash() {
    let mut peer = Scripted::new(&[], &[true, false, true]);
    let report = peer.meets(&["F12"]);
    assert_eq!(verdicts(&report), [Verdict::Unsteady]);
}

#[test]
fn a_peer_that_was_gone_before_a_row_was_reached_has_not_crashed_by_it() {
    let lives = [&[true], &GONE[..]].concat();
    let report = Scripted::new(&[Verdict::NotReached], &lives).meets(&["F12", "F13"]);
    assert_eq!(verdicts(&report), [Verdict::NotReached; 2]);
}

#[test]
fn a_peer_that_is_gone_before_what_it_lacks_has_not_crashed() {
    let lives = [&[true], &GONE[..]].concat();
    let report = Scripted::new(&[Verdict::NotApplicable], &lives).meets(&["F12"]);
    assert_eq!(verdicts(&report), [Verdict::NotApplicable]);
}

#[test]
fn silence_alone_is_no_crash_and_confirms_nothing() {
    let lives = [&[true], &GONE[..]].concat();
    for absence in [Liveness::Silent, Liveness::Refusing] {
        for (first, expected) in [
            (Verdict::Pass, Verdict::Pass),
            (Verdict::Fail, Verdict::Unsteady),
        ] {
            let mut peer = Scripted::new(&[first], &lives).seen_as(absence);
            peer.unanswered = UNANSWERED_MIN;
            let report = peer.meets(&["F12", "F13"]);
            assert_eq!(verdicts(&report), [expected, Verdict::NotReached]);
            assert_eq!(report.lost.as_deref(), Some("after F12: no answer"));
        }
    }
}

#[test]
fn a_peer_that_falls_silent_and_comes_back_twice_has_crashed_if_it_answered_nothing() {
    let lives = [true, false, true, false, true];
    for (unanswered, expected) in [
        (UNANSWERED_MIN, Verdict::Crashed),
        (UNANSWERED_MIN - 1, Verdict::Note),
    ] {
        let mut peer = Scripted::new(&[Verdict::Note; 2], &lives).seen_as(Liveness::Silent);
        peer.unanswered = unanswered;
        assert_eq!(verdicts(&peer.meets(&["F12"])), [expected]);
    }
}

#[test]
fn a_host_that_reaches_nobody_ends_the_run_and_accuses_nobody() {
    let mut peer = Scripted::new(&[], &[true, false]).seen_as(Liveness::Unable);
    let report = peer.meets(&["F12", "F13"]);
    assert_eq!(verdicts(&report), [Verdict::Pass, Verdict::NotReached]);
    let seen = &report.rows[1].finding.seen;
    assert_eq!(seen, "this host can make no connection");
    assert_eq!(peer.paused, Duration::ZERO);
}

#[test]
fn the_bytes_of_a_pass_are_not_kept() {
    let kept = |verdict| {
        let mut peer = Scripted::new(&[verdict; 2], &[]);
        peer.unanswered = 1;
        let report = peer.meets(&["F12"]);
        report.rows[0].finding.packets[0].datagram.len()
    };
    assert_eq!((kept(Verdict::Pass), kept(Verdict::Fail)), (0, 1));
}

#[test]
fn a_run_that_is_stopped_leaves_what_it_has() {
    let rows = ["F12", "F13", "F14"].map(requirement);
    let asked = Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() > 4
    };
    // The second row is under way then: what it has come to says nothing.
    let mut peer = Scripted::new(&[Verdict::Pass, Verdict::Fail, Verdict::Fail], &[]);
    let report = Runner::new("peer").run(&rows, &mut peer, &mut |_event| {}, &stop);
    assert!(report.is_partial);
    assert_eq!(verdicts(&report), [Verdict::Pass]);
    assert_eq!(peer.runs, ["F12", "F13", "F13"]);
}

#[test]
fn a_run_that_is_stopped_before_the_peer_was_seen_is_partial_and_calls_nobody_lost() {
    let mut peer = Scripted::new(&[], &GONE);
    let mut events = 0;
    let runner = Runner::new("peer");
    let rows = [requirement("F12")];
    let report = runner.run(&rows, &mut peer, &mut |_event| events += 1, &|| true);
    assert!(
        report.is_partial && report.rows.is_empty() && events == 0,
        "{report:?}"
    );
    assert_eq!(report.lost, None);
}

#[test]
fn a_run_that_is_stopped_while_the_peer_is_waited_for_accuses_nobody() {
    let rows = ["F12", "F13"].map(requirement);
    let asked = Cell::new(0);
    let stop = || asked.replace(asked.get() + 1) > 0;
    let mut peer = Scripted::new(&[], &[true, false]);
    let report = Runner::new("peer").run(&rows, &mut peer, &mut |_event| {}, &stop);
    assert!(report.is_partial && report.rows.is_empty());
    assert_eq!(peer.paused, Duration::ZERO);
}

#[test]
fn events_tell_of_each_row_and_once_of_the_loss() {
    let rows = ["F12", "F13", "F14"].map(requirement);
    let findings = [Verdict::Fail, Verdict::Fail, Verdict::Pass];
    let lives = [&[true; 3][..], &GONE].concat();
    let mut peer = Scripted::new(&findings, &lives);
    let mut told = Vec::new();
    let mut events = |event: Event<'_>| {
        told.push(match event {
            Event::Started(row) => format!("{} started", row.id),
            Event::Repeated(row, finding) => format!("{} repeated: {}", row.id, finding.verdict),
            Event::Lost { why, remaining } => format!("lost {why}, {remaining} remain"),
            Event::Finished(row) => format!("{} {}", row.requirement.id, row.verdict()),
        });
    };
    Runner::new("peer").run(&rows, &mut peer, &mut events, &|| false);
    let expected = [
        "F12 started",
        "F12 repeated: fail",
        "F12 fail",
        "F13 started",
        "F13 crashed",
        "lost after F13: no answer, 1 remain",
        "F14 not reached",
    ];
    assert_eq!(told, expected);
}

//! Due times, and kinds of answers.

use super::*;
use crate::ping::Mode;

const TICK: Duration = Duration::from_millis(100);

#[expect(
    clippy::disallowed_methods,
    reason = "a test's time begins somewhere; from here on it is an argument"
)]
fn begin(change: impl FnOnce(&mut Config)) -> (Probes, Instant) {
    let mut config = Config {
        interval: TICK,
        timeout: 10 * TICK,
        ..Config::new(Vec::new())
    };
    change(&mut config);
    let mut probes = Probes::new(&config);
    let now = Instant::now();
    probes.begin(now);
    (probes, now)
}

fn take_all(probes: &mut Probes, now: Instant) -> Vec<u64> {
    let taken = std::iter::from_fn(|| probes.take(now));
    taken.map(|probe| probe.sequence).collect()
}

#[test]
fn one_is_due_at_each_interval_whether_there_are_answers_or_not() {
    let (mut probes, start) = begin(|_| ());
    assert_eq!(take_all(&mut probes, start), [1]);
    assert_eq!(probes.deadline(true), Some(start + TICK));
    assert!(take_all(&mut probes, start + TICK / 2).is_empty());
    assert_eq!(take_all(&mut probes, start + 3 * TICK), [2, 3, 4]);
}

#[test]
fn a_time_counts_from_when_it_was_to_be_sent() {
    let (mut probes, start) = begin(|_| ());
    probes.take(start);
    // The sender is held up for two ticks and a half.
    let late = start + TICK * 7 / 2;
    let probe = probes.take(late).expect("it is due");
    assert_eq!(probe.intended, start + TICK);
    let answer = probes.answer(late + TICK, probe.sequence);
    assert_eq!(answer, Answer::Reply(TICK * 7 / 2));
}

#[test]
fn without_an_interval_the_next_follows_the_answer() {
    let (mut probes, start) = begin(|config| config.interval = Duration::ZERO);
    assert_eq!(take_all(&mut probes, start), [1]);
    assert!(take_all(&mut probes, start + TICK).is_empty());
    probes.answer(start + TICK, 1);
    assert_eq!(probes.deadline(true), Some(start + TICK));
    assert_eq!(take_all(&mut probes, start + TICK), [2]);
    let end = start + 11 * TICK;
    assert_eq!(probes.give_up(end).map(|lost| lost.sequence), Some(2));
    assert_eq!(take_all(&mut probes, end), [3]);
}

#[test]
fn what_goes_one_at_a_time_leaves_out_what_it_missed() {
    let (mut probes, start) = begin(|config| config.mode = Mode::Frame);
    assert_eq!(take_all(&mut probes, start), [1]);
    assert!(take_all(&mut probes, start + 2 * TICK).is_empty());
    probes.answer(start + TICK * 5 / 2, 1);
    assert!(take_all(&mut probes, start + TICK * 5 / 2).is_empty());
    let next = probes.take(start + 3 * TICK).expect("it is due");
    assert_eq!((next.sequence, next.intended), (2, start + 3 * TICK));
}

#[test]
fn answers_are_in_time_late_repeated_or_unknown() {
    let (mut probes, start) = begin(|config| config.count = Some(2));
    take_all(&mut probes, start + TICK);
    let in_time = Answer::Reply(Duration::ZERO);
    assert_eq!(probes.answer(start + TICK, 2), in_time);
    assert_eq!(probes.answer(start + TICK, 2), Answer::Duplicate);
    assert_eq!(probes.answer(start + TICK, 3), Answer::Unknown);
    assert_eq!(probes.give_up(start + 9 * TICK), None);
    let end = start + 10 * TICK;
    assert_eq!(probes.give_up(end).map(|lost| lost.sequence), Some(1));
    assert!(probes.is_over());
    assert_eq!(probes.answer(end + TICK, 1), Answer::Late(11 * TICK));
    assert_eq!(probes.answer(end + TICK, 1), Answer::Duplicate);
    let expected = Counts {
        sent: 2,
        received: 1,
        lost: 1,
        late: 1,
        duplicates: 2,
        ..Counts::default()
    };
    assert_eq!(probes.counts(), expected);
}

#[test]
fn only_so_many_wait_for_an_answer_at_once() {
    let (mut probes, start) = begin(|config| config.interval = Duration::from_nanos(1));
    let taken = take_all(&mut probes, start + TICK);
    assert_eq!(taken.len(), UNANSWERED_MAX);
    // Nothing is due before there is room.
    assert_eq!(probes.deadline(true), Some(start + 10 * TICK));
    probes.answer(start + TICK, 1);
    assert_eq!(take_all(&mut probes, start + TICK).len(), 1);
}

#[test]
fn a_pause_leaves_out_what_was_under_way_and_what_was_due() {
    let (mut probes, start) = begin(|config| config.count = Some(4));
    take_all(&mut probes, start + TICK);
    probes.answer(start + TICK, 1);
    let end = start + TICK * 77 / 2;
    assert_eq!(probes.leave_out(end), 1);
    assert!(take_all(&mut probes, end).is_empty());
    assert_eq!(probes.answer(end, 2), Answer::Unknown);
    let next = probes.take(start + 39 * TICK).expect("it is due");
    assert_eq!((next.sequence, next.intended), (3, start + 39 * TICK));
    assert_eq!(probes.give_up(end), None);
    let counts = probes.counts();
    assert_eq!((counts.sent, counts.received, counts.lost), (3, 1, 0));
    assert_eq!((counts.left_out, counts.unanswered), (1, 1));
}

#[test]
fn a_pause_ends_the_wait_for_an_answer_without_which_nothing_is_due() {
    let (mut probes, start) = begin(|config| config.interval = Duration::ZERO);
    assert_eq!(probes.leave_out(start), 0);
    assert_eq!(take_all(&mut probes, start), [1]);
    let end = start + 5 * TICK;
    assert_eq!(probes.leave_out(end), 1);
    assert_eq!(take_all(&mut probes, end), [2]);
}

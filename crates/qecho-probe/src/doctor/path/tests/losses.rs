//! Links that lose something: by chance, in bursts, beyond a rate, or by a short queue.

use std::{
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};

use super::*;
use crate::doctor::reached::testing::{Link, Passing};

/// Numbers that look random (SplitMix64), from 0 to 1.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn sick(link: impl Fn(u64) -> Link + 'static) -> Sick {
    Sick::new(Middlebox {
        link: Some(Rc::new(link)),
        ..Middlebox::default()
    })
}

fn passes_if(passes: bool) -> Option<Duration> {
    passes.then_some(Duration::ZERO)
}

/// Loses shares of what goes there and back, by chance.
fn random(up: f64, down: f64, seed: u64) -> Sick {
    sick(move |network| {
        let mut chance = Chance(seed << 32 | network);
        Box::new(move |passing: &Passing| {
            let share = if passing.is_to_server { up } else { down };
            passes_if(chance.next() >= share)
        })
    })
}

/// Loses a share each way, in bursts of a mean length (Gilbert 1960).
fn bursty(share: f64, length: f64, seed: u64) -> Sick {
    sick(move |network| {
        let mut chance = Chance(seed << 32 | network);
        let mut is_bad = [false; 2];
        Box::new(move |passing: &Passing| {
            let is_bad = &mut is_bad[usize::from(passing.is_to_server)];
            *is_bad = match *is_bad {
                true => chance.next() >= 1.0 / length,
                false => chance.next() < share / (1.0 - share) / length,
            };
            passes_if(!*is_bad)
        })
    })
}

/// Lets pass what finds a token in a bucket: datagrams, or bytes, each second, and at once.
fn bucket(rate: f64, size: f64, counts_bytes: bool) -> Sick {
    sick(move |_| {
        let mut tokens = size;
        let mut last: Option<Instant> = None;
        Box::new(move |passing: &Passing| {
            if !passing.is_to_server {
                return Some(Duration::ZERO);
            }
            let time = last.map_or(Duration::ZERO, |last| passing.at.duration_since(last));
            last = Some(passing.at);
            tokens = (tokens + rate * time.as_secs_f64()).min(size);
            let cost = if counts_bytes {
                passing.bytes as f64
            } else {
                1.0
            };
            let passes = tokens >= cost;
            tokens -= if passes { cost } else { 0.0 };
            passes_if(passes)
        })
    })
}

/// Carries so many bits a second each way, with room for so many datagrams before it.
fn slow(bits: f64, queue: usize) -> Sick {
    sick(move |_| {
        let mut leaving: [VecDeque<Instant>; 2] = Default::default();
        Box::new(move |passing: &Passing| {
            let leaving = &mut leaving[usize::from(passing.is_to_server)];
            while leaving.front().is_some_and(|at| *at <= passing.at) {
                leaving.pop_front();
            }
            let begin = leaving.back().copied().unwrap_or(passing.at);
            let end = begin + Duration::from_secs_f64((passing.bytes + 28) as f64 * 8.0 / bits);
            (leaving.len() <= queue).then(|| {
                leaving.push_back(end);
                end - passing.at
            })
        })
    })
}

/// Delays each datagram by a random time.
fn jittery(most: Duration, seed: u64) -> Sick {
    sick(move |network| {
        let mut chance = Chance(seed << 32 | network);
        Box::new(move |_: &Passing| Some(most.mul_f64(chance.next())))
    })
}

fn named(sick: &mut Sick) -> (Vec<Cause>, String) {
    let (rung, report) = sick.climb(climb);
    let causes = report.findings.iter().map(|it| it.cause).collect();
    let (time, datagrams) = sick.spent.get();
    let said = format!("{:#?} {report:#?} {time:?} {datagrams}", rung.lines);
    (causes, said)
}

#[test]
fn one_percent_is_never_a_cause_and_ten_percent_always() {
    for seed in 0..3 {
        for (share, causes) in [
            (0.01, vec![]),
            (0.1, vec![Cause::Loss]),
            (0.3, vec![Cause::Loss]),
        ] {
            for (up, down) in [(share, share), (share, 0.0), (0.0, share)] {
                let (found, said) = named(&mut random(up, down, seed));
                assert_eq!(found, causes, "{up} {down} seed {seed}: {said}");
            }
        }
    }
}

#[test]
fn five_percent_each_way_are_often_named_and_two_percent_are_not() {
    let count = |share| {
        let losses = (0..8).map(|seed| named(&mut random(share, share, seed)).0);
        losses.filter(|causes| *causes == [Cause::Loss]).count()
    };
    let (two, five) = (count(0.02), count(0.05));
    assert!(two == 0 && five >= 3, "{two} {five}");
}

#[test]
fn the_direction_of_a_loss_is_said_as_far_as_it_is_known() {
    for (up, down, words) in [
        (0.2, 0.0, "on the way to the server."),
        (0.0, 0.2, "on the way back from the server."),
        (0.2, 0.2, "of the answers on the way back."),
    ] {
        let (_, report) = random(up, down, 1).climb(climb);
        let sentence = report.verdict().map(|it| it.sentence.clone());
        let is_said = sentence.as_ref().is_some_and(|it| it.contains(words));
        assert!(is_said, "{sentence:?}");
    }
}

#[test]
fn a_loss_in_runs_of_three_is_not_called_a_limit_and_one_percent_of_it_is_no_cause() {
    for seed in 0..4 {
        let (found, said) = named(&mut bursty(0.01, 3.0, seed));
        assert_eq!(found, [], "seed {seed}: {said}");
        let (found, said) = named(&mut bursty(0.15, 3.0, seed));
        assert!(!found.contains(&Cause::Policer), "seed {seed}: {said}");
    }
}

#[test]
fn a_loss_in_long_runs_is_no_black_hole() {
    for seed in 0..60 {
        let (found, said) = named(&mut bursty(0.15, 8.0, seed));
        let is_dark = found.contains(&Cause::BlackholeAfterHandshake);
        assert!(!is_dark, "seed {seed}: {said}");
    }
}

#[test]
fn a_loss_and_a_cliff_are_both_named() {
    for seed in 0..5 {
        let mut sick = random(0.3, 0.3, seed);
        sick.middlebox.larger_than = Some(1_272);
        let (rung, report) = sick.climb(climb);
        let causes: Vec<_> = report.findings.iter().map(|it| it.cause).collect();
        assert_eq!(
            causes,
            [Cause::Loss, Cause::MtuCliff],
            "seed {seed}: {report:#?}"
        );
        assert_eq!(rung.facts["payload_passed_bytes"], 1_272, "seed {seed}");
    }
}

#[test]
fn a_limit_of_datagrams_or_bytes_a_second_is_a_policer() {
    for rate in [5.0, 20.0] {
        for size in [2.0, 5.0, 10.0] {
            let (found, said) = named(&mut bucket(rate, size, false));
            assert_eq!(
                found,
                [Cause::Policer],
                "{rate} a second, {size} at once: {said}"
            );
        }
    }
    for rate in [5.0, 10.0] {
        let (found, said) = named(&mut bucket(rate * 1_250.0, 5.0 * 1_250.0, true));
        assert_eq!(
            found,
            [Cause::Policer],
            "{rate} times 1,250 bytes a second: {said}"
        );
    }
}

#[test]
fn a_limit_of_datagrams_at_once_is_a_policer_if_it_is_below_a_first_flight() {
    for (size, causes) in [
        (2.0, vec![Cause::Policer]),
        (5.0, vec![Cause::Policer]),
        (10.0, vec![]),
        (20.0, vec![]),
        (40.0, vec![]),
    ] {
        for rate in [100.0, 500.0] {
            let (found, said) = named(&mut bucket(rate, size, false));
            assert_eq!(found, causes, "{rate} a second, {size} at once: {said}");
        }
    }
}

#[test]
fn a_slow_link_is_no_policer_however_short_its_queue_or_long_the_way() {
    for (bits, delay_ms) in [
        (64e3, 25),
        (400e3, 25),
        (400e3, 150),
        (200e3, 300),
        (400e3, 300),
    ] {
        for queue in [0, 2, 5, 50] {
            let mut sick = slow(bits, queue);
            sick.conditions.delay = Duration::from_millis(delay_ms);
            let (found, said) = named(&mut sick);
            let is_policer = found.contains(&Cause::Policer);
            assert!(!is_policer, "{bits} bit/s, {queue}, {delay_ms} ms: {said}");
        }
    }
}

#[test]
fn a_rule_of_this_host_that_limits_datagrams_is_named() {
    let mut sick = Sick::new(Middlebox {
        policer: Some((5, Duration::from_secs(1))),
        is_policer_own: true,
        ..Middlebox::default()
    });
    let (found, said) = named(&mut sick);
    assert_eq!(found, [Cause::LocalDrops], "{said}");
}

#[test]
fn a_link_that_is_slow_one_way_is_no_policer() {
    for is_slow_up in [false, true] {
        for queue in [0, 2, 5] {
            let mut both = slow(200e3, queue);
            let link = both.middlebox.link.take().expect("it has one");
            both.middlebox.link = Some(Rc::new(move |seed| {
                let mut slow = link(seed);
                Box::new(
                    move |passing: &Passing| match passing.is_to_server == is_slow_up {
                        true => slow(passing),
                        false => Some(Duration::ZERO),
                    },
                )
            }));
            let (found, said) = named(&mut both);
            let is_policer = found.contains(&Cause::Policer);
            assert!(!is_policer, "{is_slow_up}, {queue}: {said}");
        }
    }
}

#[test]
fn jitter_and_what_comes_late_are_not_loss() {
    for seed in 0..3 {
        let mut sick = jittery(Duration::from_millis(300), seed);
        let (rung, report) = sick.climb(climb);
        assert_eq!(report.findings, [], "seed {seed}");
        assert_eq!(
            (&rung.facts["lost_up"], &rung.facts["lost_down"]),
            (&0.into(), &0.into())
        );
    }
}

#[test]
fn a_path_costs_a_few_hundred_datagrams_even_if_it_takes_a_longer_look() {
    for (delay, share, time_max, datagrams_max) in [
        (25, 0.0, 6, 300),
        (300, 0.0, 18, 300),
        (25, 0.01, 16, 420),
        (25, 0.05, 30, 700),
        (25, 0.3, 25, 400),
    ] {
        let mut sick = random(share, share, 1);
        sick.conditions = sick.conditions.delayed(Duration::from_millis(delay));
        sick.climb(climb);
        let (time, datagrams) = sick.spent.get();
        let is_modest = time < Duration::from_secs(time_max) && datagrams < datagrams_max;
        assert!(is_modest, "{delay} ms, {share}: {time:?}, {datagrams}");
    }
}

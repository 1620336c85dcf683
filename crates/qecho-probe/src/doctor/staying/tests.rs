use std::time::Duration;

use qecho_packet::{TransportParameters, close::PROTOCOL_VIOLATION};
use qecho_peer::{
    endpoint::{Endpoint, integer_value},
    faults::Fault,
    tls::Level,
};

use super::{
    climb,
    moving::{self, Kind, Move, Outcome, Policy},
    silences::{self, Confirmation, Silences},
};
use crate::doctor::{
    Cause, RungResult,
    reached::testing::{Middlebox, OtherSource, Sick},
};

const ENDLESS_MS: u64 = 300_000;

fn silent(forgets_after: Option<u64>, idle_ms: u64) -> Sick {
    let middlebox = Middlebox {
        forgets_after: forgets_after.map(Duration::from_secs),
        ..Middlebox::default()
    };
    let id = TransportParameters::MAX_IDLE_TIMEOUT;
    Sick::new(middlebox)
        .announcing(id, &integer_value(idle_ms))
        .with(|it| it.options.tries_silences = true)
}

fn balanced() -> Sick {
    Sick::new(Middlebox {
        more_servers: 1,
        ..Middlebox::default()
    })
}

#[test]
fn a_connection_that_is_followed_stays_and_a_quick_look_takes_a_second() {
    let mut sick = Sick::new(Middlebox::default());
    let (rung, report) = sick.climb(climb);
    assert_eq!(
        (&report.findings[..], rung.result),
        (&[][..], RungResult::Passed)
    );
    assert_eq!(rung.facts["moves_nat_followed"], 8);
    assert_eq!(rung.facts["moves_active_followed"], 4);
    let (time, datagrams) = sick.spent.get();
    assert!(
        time < Duration::from_secs(8) && datagrams < 250,
        "{time:?} {datagrams}"
    );
    let mut sick = Sick::new(Middlebox::default());
    sick.options.is_quick = true;
    assert_eq!(sick.climb(climb).0.result, RungResult::Passed);
    let (time, _) = sick.spent.get();
    assert!(time < Duration::from_secs(1), "{time:?}");
}

#[test]
fn a_balancer_by_address_and_port_is_named() {
    assert_eq!(balanced().causes(climb), [Cause::MigrationLost]);
    let mut quick = balanced();
    quick.options.is_quick = true;
    assert_eq!(quick.causes(climb), [Cause::MigrationLost]);
}

#[test]
fn a_server_that_follows_each_connection_once_is_well() {
    let mut sick = Sick::new(Middlebox {
        ports_max: Some(2),
        ..Middlebox::default()
    });
    assert_eq!(sick.causes(climb), []);
}

fn with_other_source(other_source: OtherSource) -> Sick {
    Sick::new(Middlebox {
        other_source,
        ..Middlebox::default()
    })
}

#[test]
fn whoever_loses_another_address_of_this_host_alone_is_named() {
    let (rung, report) = with_other_source(OtherSource::LostUnlessNew).climb(climb);
    assert_eq!(report.cause(), Some(Cause::MigrationLost), "{rung:#?}");
    assert_eq!(rung.facts["moves_active_followed"], 4);
    assert_eq!(rung.facts["moves_address_followed"], 0);
    let finding = &report.findings[0];
    assert!(finding.sentence.contains("192.0.2.10"), "{finding:#?}");
    let fresh = "new connections from 192.0.2.10 work";
    assert!(
        finding.evidence.iter().any(|seen| seen == fresh),
        "{finding:#?}"
    );
}

#[test]
fn another_address_is_untried_where_new_connections_from_there_fail_too() {
    for (other_source, why) in [
        (OtherSource::None, "(no other reaches the server)"),
        (OtherSource::Lost, "(no other reaches the server)"),
        (
            OtherSource::LostAfter(1),
            "(new connections from there fail, too)",
        ),
    ] {
        let (rung, report) = with_other_source(other_source).climb(climb);
        assert_eq!(report.findings, []);
        assert_eq!(rung.result, RungResult::Passed);
        let untried = report.untried.join(", ");
        assert!(
            untried.contains("another address of this host"),
            "{untried}"
        );
        assert!(untried.contains(why), "{untried}");
    }
    let (rung, report) = with_other_source(OtherSource::Passes).climb(climb);
    assert_eq!(report.untried, ["silences (--nat)"]);
    assert_eq!(rung.facts["moves_address_followed"], 1);
}

#[test]
fn another_address_is_not_tried_against_a_server_that_forbids_it() {
    let id = TransportParameters::DISABLE_ACTIVE_MIGRATION;
    let mut sick = with_other_source(OtherSource::LostUnlessNew).announcing(id, &[]);
    let (_, report) = sick.climb(climb);
    assert_eq!(report.findings, []);
    let why = "(the server has announced disable_active_migration)";
    assert!(report.untried[0].contains(why), "{:?}", report.untried);
}

#[test]
fn a_server_of_no_further_connection_is_told_in_a_line() {
    let mut sick = Sick::new(Middlebox {
        larger_than: Some(0),
        ..Middlebox::default()
    });
    let (rung, report) = sick.climb(climb);
    assert_eq!(
        (report.findings, rung.result),
        (Vec::new(), RungResult::Untold)
    );
    let why = "(no further connection comes about)";
    assert!(rung.lines[0].starts_with("not tried: ") && rung.lines[0].contains(why));
}

#[test]
fn a_server_that_forbids_migration_may_lose_it() {
    let id = TransportParameters::DISABLE_ACTIVE_MIGRATION;
    let mut sick = balanced().announcing(id, &[]);
    let (rung, report) = sick.climb(climb);
    assert_eq!(report.findings, []);
    assert_eq!(rung.result, RungResult::Untold, "{:#?}", rung.lines);
}

#[test]
fn a_server_that_stays_with_the_old_port_is_free_to() {
    let mut sick = Sick::new(Middlebox::default())
        .with(|it| it.change = |server| server.with_faults([Fault::NoMigration]));
    let (rung, report) = sick.climb(climb);
    assert_eq!(report.findings, []);
    assert_eq!(rung.result, RungResult::Untold, "{:#?}", rung.lines);
}

#[test]
fn what_never_goes_on_is_not_called_well() {
    /// Closes a connection whose client uses another connection ID than its first.
    fn closes(endpoint: &mut Endpoint, _: usize) {
        let packets = endpoint.received().iter();
        let mut used = packets
            .filter(|packet| packet.level == Level::OneRtt)
            .map(|packet| packet.header.destination);
        let id = used.next();
        if used.any(|other| Some(other) != id) {
            endpoint.close(false, PROTOCOL_VIOLATION, "");
        }
    }
    let mut sick =
        Sick::new(Middlebox::default()).with(|it| it.change = |it| it.with_habit(closes));
    let (rung, report) = sick.climb(climb);
    assert_eq!(report.findings, []);
    assert_eq!(rung.facts["moves_nat_followed"], 8);
    assert_eq!(rung.result, RungResult::Untold, "{:#?}", rung.lines);
}

#[test]
fn loss_is_no_lost_migration_with_any_seed() {
    for seed in 0..10 {
        let mut sick = Sick::new(Middlebox::default())
            .with(|it| it.conditions = it.conditions.losing(0.1, seed));
        assert_eq!(sick.causes(climb), [], "seed {seed}");
    }
}

#[test]
fn a_nat_of_twenty_seconds_is_named_to_the_second() {
    let mut sick = silent(Some(20), ENDLESS_MS);
    let (rung, report) = sick.climb(climb);
    assert_eq!(report.cause(), Some(Cause::NatForgets), "{:#?}", rung.lines);
    assert_eq!(rung.facts["silence_forgotten_s"], 20);
    let advice = &report.findings[0].advice;
    assert!(advice.contains("every 13 s"), "{advice}");
}

#[test]
fn a_nat_that_forgets_after_the_idle_timeout_is_none() {
    assert_eq!(silent(Some(40), 30_000).causes(climb), []);
    assert_eq!(silent(None, ENDLESS_MS).causes(climb), []);
}

#[test]
fn a_server_that_follows_nobody_behind_such_a_nat_is_seen_by_its_silence() {
    let mut sick = silent(Some(20), ENDLESS_MS)
        .with(|it| it.change = |server| server.with_faults([Fault::NoMigration]));
    assert_eq!(sick.causes(climb), [Cause::NatForgets]);
}

#[test]
fn a_move_is_lost_only_if_the_old_port_lives_and_the_new_one_fails_twice_on_two_connections() {
    use Outcome::{Answered, AnsweredElsewhere, Closed, Silent, Strange};
    let seen = |new, old_and_again| Move {
        kind: Kind::Nat,
        policy: Policy::Follows,
        is_challenged: false,
        new,
        old_and_again,
    };
    let lost = seen(Silent, Some((Answered, Silent)));
    let strange = seen(Strange, Some((Answered, Strange)));
    for (one, other, is_cause) in [
        (lost, lost, true),
        (lost, strange, true),
        (lost, seen(Answered, None), false),
        (lost, seen(Silent, Some((Answered, Answered))), false),
        (lost, seen(Silent, Some((Silent, Silent))), false),
        (seen(Closed, None), seen(Closed, None), false),
        (
            seen(AnsweredElsewhere, None),
            seen(AnsweredElsewhere, None),
            false,
        ),
        (
            lost,
            Move {
                policy: Policy::Disabled,
                ..lost
            },
            false,
        ),
    ] {
        let finding = moving::judge(&[one, other]);
        assert_eq!(finding.is_some(), is_cause, "{one:?} {other:?}");
    }
}

#[test]
fn whoever_has_no_connection_id_is_told_to_choose_some_and_nothing_of_balancers() {
    let seen = |policy| Move {
        kind: Kind::Nat,
        policy,
        is_challenged: false,
        new: Outcome::Silent,
        old_and_again: Some((Outcome::Answered, Outcome::Silent)),
    };
    for (policy, word, other) in [
        (Policy::WithoutIds, "its own are empty", "balancer"),
        (Policy::Follows, "balancer", "empty"),
    ] {
        let finding = moving::judge(&[seen(policy); 2]).expect("a cause");
        assert!(finding.advice.contains(word), "{}", finding.advice);
        assert!(!finding.advice.contains(other), "{}", finding.advice);
    }
}

#[test]
fn a_nat_forgets_only_if_keeping_alive_helps_and_it_happens_again() {
    use silences::Outcome::{Kept, Moved, Silent, Untold};
    let tried = |outcomes: [silences::Outcome; 3]| {
        let lengths = [10, 19, 20].map(Duration::from_secs);
        lengths.into_iter().zip(outcomes).collect()
    };
    for (outcomes, confirmed, is_cause) in [
        ([Kept, Kept, Moved], Some((Kept, Moved)), true),
        ([Kept, Kept, Silent], Some((Kept, Silent)), true),
        ([Kept, Untold, Moved], Some((Kept, Moved)), true),
        ([Kept, Kept, Moved], Some((Kept, Kept)), false),
        ([Kept, Kept, Moved], Some((Moved, Moved)), false),
        ([Kept, Kept, Moved], None, false),
        ([Kept, Moved, Kept], Some((Kept, Moved)), false),
        ([Kept, Kept, Untold], Some((Kept, Moved)), false),
    ] {
        let confirmed = confirmed.map(|(alive, silent)| Confirmation {
            alive,
            beside: Kept,
            silent,
            length: Duration::from_secs(20),
        });
        let silences = Silences {
            tried: tried(outcomes),
            confirmed,
            idle_timeout: None,
        };
        let finding = silences::judge(&silences);
        assert_eq!(finding.is_some(), is_cause, "{silences:?}");
    }
}

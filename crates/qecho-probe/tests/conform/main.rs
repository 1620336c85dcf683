//! The suite tests itself, in virtual time: a mutant that each requirement catches, and a
//! well-behaved peer that keeps them all.

#![expect(clippy::unwrap_used, reason = "tests")]

mod client_mutants;
mod client_rows;
mod client_subject;
mod frame_rows;
mod habits;
mod handshake_rows;
mod later_rows;
mod moving_clients;
mod own_ways;
mod resuming_clients;
mod subject;

use std::{collections::BTreeSet, num::NonZero, thread, time::Duration};

use qecho_peer::{
    faults::Fault,
    simulated::{Conditions, SimulatedServer},
};
use qecho_probe::conform::{
    Finding, Prober, Requirement, Runner, Selection, Side, Target, Verdict,
};

use crate::{
    client_subject::{Guest, try_client},
    subject::{Simulation, good_server, server_config, try_row},
};

/// An endpoint that breaks what a requirement demands, and what the requirement must say of it.
#[derive(Clone)]
pub(crate) struct Mutant {
    id: &'static str,
    verdict: Verdict,
    make: Make,
}

/// How a mutant is made, in its role.
#[derive(Clone)]
pub(crate) enum Make {
    Server(fn() -> SimulatedServer),
    Client(Guest),
}

/// A server that a requirement fails.
pub(crate) fn fails(id: &'static str, make: fn() -> SimulatedServer) -> Mutant {
    let (verdict, make) = (Verdict::Fail, Make::Server(make));
    Mutant { id, verdict, make }
}

/// A server of which a requirement makes a note.
pub(crate) fn notes(id: &'static str, make: fn() -> SimulatedServer) -> Mutant {
    let (verdict, make) = (Verdict::Note, Make::Server(make));
    Mutant { id, verdict, make }
}

fn mutants() -> Vec<Mutant> {
    let mut all = frame_rows::mutants();
    all.extend(handshake_rows::mutants());
    all.extend(later_rows::mutants());
    all.extend(client_mutants::mutants());
    all.extend(moving_clients::mutants());
    all.extend(resuming_clients::mutants());
    all
}

/// Requirements that no mutant can break, and the reason.
const WITHOUT_MUTANT: &[(&str, &str)] = &[];

#[test]
fn each_requirement_catches_its_mutants() {
    let missed = mutants()
        .into_iter()
        .enumerate()
        .filter_map(|(place, mutant)| {
            let Mutant { id, verdict, make } = mutant;
            let conditions = Conditions::default();
            let finding = match make {
                Make::Server(make) => try_row(id, make(), conditions),
                Make::Client(guest) => try_client(id, guest, conditions),
            };
            let is_right = finding.verdict == verdict;
            (!is_right).then(|| format!("{id} ({place}): {}: {}", finding.verdict, finding.seen))
        });
    let missed: Vec<_> = missed.collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn each_requirement_with_a_script_has_a_mutant_or_a_reason_for_none() {
    let sides = [Side::Server, Side::Client].into_iter();
    let scripted: BTreeSet<_> = sides.flat_map(scripted).map(|row| row.id).collect();
    let all = mutants().into_iter().map(|mutant| mutant.id);
    let covered: BTreeSet<_> = all.chain(WITHOUT_MUTANT.iter().map(|row| row.0)).collect();
    assert_eq!(scripted, covered);
}

#[test]
fn the_well_behaved_server_keeps_all_that_there_is_a_script_for() {
    let rows = scripted(Side::Server);
    let mut target = Prober::new(Simulation::new(good_server(), Conditions::default()));
    let runner = Runner::new("the good server");
    let report = runner.run(&rows, &mut target, &mut |_| {}, &|| false);
    assert_eq!(report.rows.len(), rows.len());
    let (mut accused, mut unmarked) = (Vec::new(), Vec::new());
    for row in &report.rows {
        let id = row.requirement.id;
        let mut suited = handshake_rows::suited()
            .into_iter()
            .chain(later_rows::suited());
        let suited = suited.find(|suited| suited.0 == id);
        let finding = match suited {
            Some((_, make)) => &try_row(id, make(), Conditions::default()),
            None => &row.finding,
        };
        if finding.verdict != Verdict::Pass {
            accused.push(format!("{id} {}: {}", finding.verdict, finding.seen));
        }
        assert!(!finding.packets.is_empty(), "{id} shows no packets");
        if !finding.packets.iter().any(|packet| packet.is_stimulus) {
            unmarked.push(id);
        }
        let lines = finding.packets.iter().flat_map(|packet| &packet.lines);
        let lines: Vec<_> = lines.collect();
        assert!(lines.len() >= finding.packets.len(), "{id} has no words");
        // Without a handshake there are no secrets.
        let has_handshake = lines.iter().any(|line| line.contains("HANDSHAKE_DONE"));
        let has_secrets = !finding.key_log.is_empty();
        assert!(has_secrets || !has_handshake, "{id} shows no secrets");
    }
    assert!(accused.is_empty(), "{accused:#?}");
    assert_eq!(unmarked, WITHOUT_STIMULUS);
}

/// Requirements whose stimulus is no datagram: silence, a whole handshake, or other keys.
const WITHOUT_STIMULUS: [&str; 26] = [
    "V29", "V33", "V34", "V22", "V23", "V24", "F65", "F66", "P22", "P23", "P24", "P25", "T17",
    "K15", "K16", "V20", "K17", "K19", "V08", "V09", "K01", "K02", "F56", "F57", "K12", "K24",
];

#[test]
fn a_well_behaved_server_that_retries_is_not_accused() {
    let mut config = server_config();
    config.retry_token = Some(b"token".to_vec());
    let server = SimulatedServer::new(config);
    let mut target = Prober::new(Simulation::new(server, Conditions::default()));
    let mut accused = Vec::new();
    // The simulated server looks at the fixed bit of a packet when it opens it, and retries before.
    for row in scripted(Side::Server)
        .into_iter()
        .filter(|row| row.id != "V07")
    {
        let Finding { verdict, seen, .. } = target.run(row);
        if !matches!(verdict, Verdict::Pass | Verdict::NotApplicable) {
            accused.push(format!("{}: {verdict}: {seen}", row.id));
        }
    }
    assert!(accused.is_empty(), "{accused:#?}");
}

#[test]
fn a_server_that_gives_up_datagrams_at_packets_whose_keys_are_gone_is_accused_of_that_alone() {
    for id in ["T12", "T13"] {
        let server = handshake_rows::with(Fault::DropsBehindUnauthentic);
        let Finding { verdict, seen, .. } = try_row(id, server, Conditions::default());
        assert_eq!(verdict, Verdict::Pass, "{id}: {seen}");
    }
}

#[test]
fn loss_and_delay_change_no_verdict_but_to_not_reached() {
    are_steady(Side::Server, &|row, conditions| {
        Prober::new(Simulation::new(good_server(), conditions)).run(row)
    });
}

/// Tries a requirement on the well-behaved peer.
type Try = dyn Fn(&'static Requirement, Conditions) -> Finding + Sync;

/// Checks that bad networks change no verdict of a side, but to not reached.
pub(crate) fn are_steady(side: Side, run: &Try) {
    let rows = scripted(side);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    // Rows that take long stand beside one another: each thread takes some of them.
    let shares = (0..threads).map(|first| rows.iter().skip(first).step_by(threads));
    let (not_reached, accused) = thread::scope(|scope| {
        let shares: Vec<_> = shares
            .map(|share| scope.spawn(|| disturbed(share.copied(), run)))
            .collect();
        let shares = shares.into_iter().map(|share| share.join().unwrap());
        shares.fold((0, Vec::new()), |(count, all), (one, accused)| {
            (count + one, [all, accused].concat())
        })
    });
    assert!(accused.is_empty(), "{accused:#?}");
    assert!(
        not_reached <= NOT_REACHED_MAX,
        "{not_reached} times nothing was reached"
    );
}

/// Tries rows on bad networks; returns how often nothing was reached, and which other verdicts
/// have changed.
fn disturbed(rows: impl Iterator<Item = &'static Requirement>, run: &Try) -> (usize, Vec<String>) {
    let (mut not_reached, mut accused) = (0, Vec::new());
    for row in rows {
        // A single run each, without the second that a verdict against a peer needs.
        let undisturbed = run(row, Conditions::default().delayed(DELAY)).verdict;
        for seed in 0..SEEDS {
            let seed = seed + SEEDS * place(row.id);
            let lossy = Conditions::default().delayed(DELAY).losing(LOSS, seed);
            let Finding { verdict, seen, .. } = run(row, lossy);
            not_reached += usize::from(verdict == Verdict::NotReached);
            if verdict != undisturbed && verdict != Verdict::NotReached {
                accused.push(format!("{}, seed {seed}: {verdict}: {seen}", row.id));
            }
        }
    }
    (not_reached, accused)
}

/// Returns a number for an identifier that stays what it is when there are more.
fn place(id: &str) -> u64 {
    id.bytes().fold(0, |sum, byte| 100 * sum + u64::from(byte))
}

/// Networks on which steadiness is tried, and what datagrams meet there.
const SEEDS: u64 = 50;
const LOSS: f64 = 0.02;
const DELAY: Duration = Duration::from_millis(100);
/// Verdicts of all that may be missing: one that is always missing would be no check.
const NOT_REACHED_MAX: usize = 20;

/// Returns the requirements of a side that have scripts.
fn scripted(side: Side) -> Vec<&'static Requirement> {
    let all = Selection::new(side).with_crashing(true);
    let mut rows = all.rows().unwrap();
    rows.retain(|row| row.script.is_some());
    rows
}

//! What follows from moves: words for people, and a cause.

use super::{Kind, LOST_MIN, Move, Policy};
use crate::doctor::{Cause, Finding, RungReport};

/// Says what was seen of the moves of one kind.
pub(in crate::doctor::staying) fn report(moves: &[Move], rung: &mut RungReport) {
    let Some(first) = moves.first() else {
        return;
    };
    let count = moves.len();
    let followed = moves.iter().filter(|it| it.is_followed()).count();
    let worst = moves.iter().find(|it| !it.is_followed()).unwrap_or(first);
    let what = worst.new.words();
    let allowed = match worst.policy {
        Policy::Disabled => ", as a server may do that has announced disable_active_migration",
        _ => "",
    };
    let challenged = match moves.iter().any(|it| it.is_challenged) {
        true => ", and the server checks it (PATH_CHALLENGE)",
        false => "",
    };
    let words = match count - followed {
        0 => format!("the connection goes on{challenged}"),
        1 if count == 1 => format!("{what}{allowed}"),
        lost if lost == count => format!("{what}, each of {count} times{allowed}"),
        _ => {
            format!("the connection goes on {followed} of {count} times, and else {what}{allowed}")
        }
    };
    rung.say(format!("{}: {words}", first.kind));
    let key = match first.kind {
        Kind::Nat => "nat",
        Kind::Active => "active",
        Kind::Address(_) => "address",
    };
    rung.fact(&format!("moves_{key}"), count);
    rung.fact(&format!("moves_{key}_followed"), followed);
}

/// Judges moves of one kind: a cause if two connections died on a new port and lived on the old
/// one.
pub(in crate::doctor::staying) fn judge(moves: &[Move]) -> Option<Finding> {
    let lost: Vec<_> = moves.iter().filter(|it| it.is_lost()).collect();
    let first = lost.first().filter(|_| lost.len() >= LOST_MIN)?;
    let place = match first.kind {
        Kind::Nat | Kind::Active => "port",
        Kind::Address(_) => "address",
    };
    let (old, again) = first.old_and_again?;
    let evidence = [
        format!("from the new {place} {}", first.new.words()),
        format!("from the old {place} then {}", old.words()),
        format!("from the new {place} again {}", again.words()),
        format!(
            "on another connection from the new {place} {}",
            lost[1].new.words()
        ),
    ];
    let followed = moves.iter().filter(|it| it.is_followed()).count();
    let share = (followed > 0).then(|| {
        let count = moves.len();
        format!("at {followed} of {count} new ports it goes on: it depends on the port")
    });
    let fresh = match first.kind {
        Kind::Address(address) => Some(format!("new connections from {address} work")),
        _ => None,
    };
    let (sentence, advice) = words(first);
    let finding = Finding::new(Cause::MigrationLost, sentence, advice);
    Some(finding.with_evidence(evidence.into_iter().chain(share).chain(fresh)))
}

/// Returns what is wrong if such a move is lost, and what to do.
fn words(lost: &Move) -> (String, &'static str) {
    let when = match lost.kind {
        Kind::Nat => "its client comes from another port, as behind a NAT".to_owned(),
        Kind::Active => "its client moves to another port and connection ID".to_owned(),
        Kind::Address(address) => {
            format!("its client moves to another address of this host ({address})")
        }
    };
    let advice = match lost.kind {
        Kind::Nat if lost.policy == Policy::WithoutIds => {
            "Let the server choose connection IDs: its own are empty, so that it knows a client \
             by its address alone (RFC 9000 §5.1)."
        }
        Kind::Nat => {
            "Let the balancer choose the server by connection ID, not by address and port."
        }
        Kind::Active => "Let the balancer know all connection IDs that its servers give out.",
        Kind::Address(_) => {
            "Let the balancer or firewall before the server go by connection ID, not by the \
             client's address."
        }
    };
    (format!("A connection dies when {when}."), advice)
}

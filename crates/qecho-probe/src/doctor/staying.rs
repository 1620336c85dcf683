//! The staying rung: a connection that goes on when its client moves to another port, or was
//! silent.

mod moving;
mod silences;
#[cfg(test)]
mod tests;

use self::moving::{Kind, Move};
use super::{Report, Rung, RungReport, RungResult, reached::Reached};

/// New ports of one connection; servers follow a few, not any number.
const MOVES_PER_CONNECTION: usize = 2;
/// New ports as a NAT gives them: a balancer by address and port may lead any of them, by chance,
/// to the right server.
const MOVES: usize = 8;
/// Ports after which a loss that was seen once is not seen again, if it is not.
const MOVES_TO_CONFIRM: usize = 16;
/// Moves to another connection ID.
const MOVES_ACTIVE: usize = 4;
/// Moves that are neither lost nor followed, after which no more are tried.
const OTHERS_MAX: usize = 2;
/// Moves that have to be lost, each on another connection.
const LOST_MIN: usize = 2;

/// Climbs the staying rung.
pub(crate) fn climb(reached: &mut Reached<'_>, report: &mut Report) -> RungReport {
    let mut rung = RungReport::new(Rung::Staying, RungResult::Untold);
    let mut findings = Vec::new();
    reached.tries("a new port, as a NAT gives it");
    let is_quick = reached.options.is_quick;
    let mut moves = observe(reached, Kind::Nat, if is_quick { 1 } else { MOVES });
    // Where the port alone loses it, another connection ID says nothing more.
    if !is_quick && !moves.iter().any(Move::is_lost) {
        reached.tries("a new port and connection ID");
        moves.extend(observe(reached, Kind::Active, MOVES_ACTIVE));
    }
    moving::report(&moves, &mut rung, &mut report.untried);
    findings.extend(moving::judge(&moves));
    report.untried.push("a new address of this host".into());
    if reached.options.tries_silences {
        reached.tries("silences");
        match silences::observe(reached) {
            Some(silences) => {
                silences.report(&mut rung);
                findings.extend(silences::judge(&silences));
            }
            None => report.untried.push("silences".into()),
        }
    } else {
        report.untried.push("silences (--nat)".into());
    }
    if reached.world.is_stopped() {
        return RungReport {
            result: RungResult::Untold,
            ..rung
        };
    }
    rung.result = match findings.is_empty() {
        false => RungResult::Failed,
        true if moves.iter().any(Move::is_followed) => RungResult::Passed,
        true => RungResult::Untold,
    };
    report.findings.extend(findings);
    rung
}

/// Moves connections to new ports, until enough were lost or none is.
fn observe(reached: &mut Reached<'_>, kind: Kind, count: usize) -> Vec<Move> {
    let mut moves: Vec<Move> = Vec::new();
    loop {
        let lost = moves.iter().filter(|it| it.is_lost()).count();
        // Those that a server does not follow, and may not.
        let others = moves.iter().filter(|it| !it.is_followed() && !it.is_lost());
        let most = if lost > 0 { MOVES_TO_CONFIRM } else { count };
        let is_enough = moves.len() >= most || lost >= LOST_MIN || others.count() >= OTHERS_MAX;
        if is_enough || reached.world.is_stopped() {
            return moves;
        }
        let Some(mut connection) = reached.connect() else {
            return moves;
        };
        for _ in 0..MOVES_PER_CONNECTION.min(most - moves.len()) {
            let Some(seen) = moving::observe(&mut connection, kind) else {
                // Without another connection ID of the server, for example.
                return moves;
            };
            let goes_on = seen.is_followed();
            moves.push(seen);
            // Each that is lost counts once for its connection.
            if !goes_on {
                break;
            }
        }
    }
}

/// Returns the one finding of several moves.
#[cfg(test)]
fn finding_of(moves: &[Move]) -> Option<super::Finding> {
    moving::judge(moves)
}

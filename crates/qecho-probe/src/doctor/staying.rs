//! The staying rung: a connection that goes on when its client moves to another port or address,
//! or was silent.

mod moving;
mod silences;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use self::moving::{Kind, LOST_MIN, Move, PING_SIZE};
use super::{Report, Rung, RungReport, RungResult, reached::Reached};

/// New ports as a NAT gives them: a balancer by address and port may lead any of them, by chance,
/// to the right server.
const MOVES: usize = 8;
/// Ports after which a loss that was seen once is not seen again, if it is not.
const MOVES_TO_CONFIRM: usize = 16;
/// Moves to another connection ID.
const MOVES_ACTIVE: usize = 4;
/// Moves that are neither lost nor followed, after which no more are tried.
const OTHERS_MAX: usize = 2;
/// Other addresses of this host from which the server is asked: each that is no way to it costs the
/// time for which an answer is awaited.
const SOURCES_MAX: usize = 2;

/// Climbs the staying rung.
pub(crate) fn climb(reached: &mut Reached<'_>, report: &mut Report) -> RungReport {
    let mut rung = RungReport::new(Rung::Staying, RungResult::Untold);
    let (causes, untried) = (report.findings.len(), report.untried.len());
    let moves = climb_moves(reached, &mut rung, report);
    if !reached.options.tries_silences {
        report.untried.push("silences (--nat)".into());
    } else {
        match silences::observe(reached) {
            Ok(silences) => {
                silences.report(&mut rung);
                report.findings.extend(silences::judge(&silences));
            }
            Err(why) => report.untried.push(format!("silences ({why})")),
        }
    }
    if rung.lines.is_empty() {
        rung.say(format!("not tried: {}", report.untried[untried]));
    }
    let is_followed = |kind| moves.iter().any(|it| it.kind == kind && it.is_followed());
    rung.result = match report.findings.len() > causes {
        true => RungResult::Failed,
        // Whatever was tried goes on at least once.
        false if !moves.is_empty() && moves.iter().all(|it| is_followed(it.kind)) => {
            RungResult::Passed
        }
        false => RungResult::Untold,
    };
    rung
}

/// Moves connections in each way that may tell something.
fn climb_moves(reached: &mut Reached<'_>, rung: &mut RungReport, report: &mut Report) -> Vec<Move> {
    const ADDRESS: &str = "another address of this host";
    let causes = report.findings.len();
    let is_quick = reached.options.is_quick;
    let count = if is_quick { 1 } else { MOVES };
    let mut moves = climb_kind(reached, Kind::Nat, count, rung, report);
    // Where the port alone loses it, nothing else that changes says more.
    if is_quick || moves.is_empty() || report.findings.len() > causes {
        report.untried.push(Kind::Active.to_string());
        report.untried.push(ADDRESS.into());
        return moves;
    }
    let active = climb_kind(reached, Kind::Active, MOVES_ACTIVE, rung, report);
    if active.is_empty() || report.findings.len() > causes {
        report.untried.push(ADDRESS.into());
    } else if let Some(source) = other_source(reached) {
        moves.extend(climb_kind(reached, Kind::Address(source), 1, rung, report));
    } else {
        let why = "no other reaches the server";
        report.untried.push(format!("{ADDRESS} ({why})"));
    }
    moves.extend(active);
    moves
}

/// Moves connections in one way, says what was seen, and judges it.
fn climb_kind(
    reached: &mut Reached<'_>,
    kind: Kind,
    count: usize,
    rung: &mut RungReport,
    report: &mut Report,
) -> Vec<Move> {
    reached.tries(&kind.to_string());
    let moves = observe(reached, kind, count).unwrap_or_else(|why| {
        report.untried.push(format!("{kind} ({why})"));
        Vec::new()
    });
    moving::report(&moves, rung);
    report.findings.extend(moving::judge(&moves));
    moves
}

/// Moves connections until enough were lost or none is.
///
/// # Errors
/// Nothing can be said of such moves, and why.
fn observe(reached: &mut Reached<'_>, kind: Kind, count: usize) -> Result<Vec<Move>, &'static str> {
    let mut moves: Vec<Move> = Vec::new();
    let lost = |moves: &[Move]| moves.iter().filter(|it| it.is_lost()).count();
    loop {
        let lost = lost(&moves);
        // Those that a server does not follow, and may not.
        let others = moves.iter().filter(|it| !it.is_followed() && !it.is_lost());
        let most = if lost > 0 { MOVES_TO_CONFIRM } else { count };
        let is_enough = moves.len() >= most || lost >= LOST_MIN || others.count() >= OTHERS_MAX;
        if is_enough || reached.world.is_stopped() {
            break;
        }
        let seen = match reached.connect() {
            // Once each: quiche follows no second move while it still knows both ports.
            Some(mut connection) => moving::observe(&mut connection, kind),
            None => Err("no further connection comes about"),
        };
        match seen {
            Err(why) if moves.is_empty() => return Err(why),
            Err(_) => break,
            Ok(seen) => moves.push(seen),
        }
    }
    match kind {
        Kind::Address(source) if lost(&moves) >= LOST_MIN && !reaches(reached, source) => {
            Err("new connections from there fail, too")
        }
        _ => Ok(moves),
    }
}

/// Finds another address of this host from which new connections work.
fn other_source(reached: &mut Reached<'_>) -> Option<IpAddr> {
    let sources = reached.world.other_sources(reached.remote);
    let mut sources = sources.into_iter().take(SOURCES_MAX);
    sources.find(|source| {
        reached.tries(&format!("a connection from {source}"));
        reaches(reached, *source)
    })
}

/// Tells whether a new connection from this address works, also after its handshake.
fn reaches(reached: &mut Reached<'_>, source: IpAddr) -> bool {
    let connection = reached.connect_from(source);
    connection.is_some_and(|mut it| it.answers_to(|packet| packet.pad_to(PING_SIZE)))
}

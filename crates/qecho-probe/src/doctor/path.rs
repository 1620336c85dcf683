//! The path rung: sizes, marks, loss and bursts, on connections whose handshake completes.
//!
//! PING frames ask, and acknowledgements answer, so that any QUIC server will do.

mod bursts;
mod loss;
mod marks;
mod sizes;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{
    Cause, Finding, Report, Rung, RungReport, RungResult,
    reached::{Connection, Reached},
    world::Dropped,
};

/// Bytes of UDP payload that every path carries (RFC 9000 §14).
pub(super) const DATAGRAM_SIZE: usize = 1_200;
/// Datagrams of a volley, and the time between two.
const VOLLEY: (usize, Duration) = (100, Duration::from_millis(20));
/// The same where little time is taken.
const VOLLEY_QUICK: (usize, Duration) = (20, Duration::from_millis(10));
/// Packets with ECT(0) on one connection.
const MARKED: usize = 20;
/// Datagrams of the one burst where little time is taken.
const BURST_QUICK: usize = 16;
/// Connections that have to go dark after the handshake before it is called a cause.
const DARK_MIN: usize = 3;
/// Connections that are opened to find one that lives.
const CONNECTIONS_MAX: usize = 4;

/// Connections that were opened to see whether they live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lives {
    /// Handshakes that completed.
    opened: usize,
    /// Those after which nothing was answered any more, although no more than a few datagrams were
    /// under way. Each that completes later shows that the way is open to handshakes.
    dark: usize,
    /// Those that the server closed.
    closed: usize,
    /// Those that answered still, and too late to tell what came.
    slow: usize,
}

/// Climbs the path rung.
pub(crate) fn climb(reached: &mut Reached<'_>, report: &mut Report) -> RungReport {
    let mut rung = RungReport::new(Rung::Path, RungResult::Passed);
    let mut findings = Vec::new();
    reached.tries("loss, jitter and reordering");
    let mut lives = Lives::default();
    let first = live_connection(reached, &mut lives);
    findings.extend(judge_lives(lives));
    let mut untold = Vec::new();
    let is_alive = first.is_some();
    match first {
        Some((connection, volley)) => {
            let lost = look_at_loss(reached, volley, &mut rung, &mut untold);
            look_at_sizes(reached, connection, &mut rung, &mut findings, &mut untold);
            look_at_marks(reached, &mut rung, &mut findings, &mut untold);
            look_at_bursts(reached, &mut rung, &mut findings, &mut untold);
            // What passes slowly, and only then, is not lost whatever its pace.
            let is_policed = findings.iter().any(|it| it.cause == Cause::Policer);
            findings.extend(lost.filter(|_| !is_policed));
        }
        None => {
            rung.say(match lives {
                Lives { opened: 0, .. } => "no connection any more",
                Lives { slow: 1.., .. } => "answers come too late to tell what was lost",
                Lives { closed: 0, .. } => "nothing passes after the handshake",
                _ => "the server closes connections at once",
            });
            untold.push("sizes, ECN marks, loss and bursts");
        }
    }
    if reached.world.is_stopped() {
        findings.clear();
    }
    report.untried.extend(untold.iter().map(|it| (*it).into()));
    rung.result = match (findings.is_empty(), is_alive) {
        (false, _) => RungResult::Failed,
        (true, true) if !reached.world.is_stopped() => RungResult::Passed,
        _ => RungResult::Untold,
    };
    report.findings.extend(findings);
    rung
}

/// Opens connections until one lives through a volley, or enough do not.
fn live_connection(
    reached: &mut Reached<'_>,
    lives: &mut Lives,
) -> Option<(Connection, loss::Volley)> {
    let (count, pause) = match reached.options.is_quick {
        true => VOLLEY_QUICK,
        false => VOLLEY,
    };
    while lives.opened < CONNECTIONS_MAX && lives.dark < DARK_MIN {
        let mut connection = reached.connect()?;
        lives.opened += 1;
        // Some may not like that many PATH_CHALLENGE frames.
        let is_challenged = lives.opened == 1;
        let before = reached.world.dropped();
        let mut volley = match connection.answers() {
            true => loss::observe(&mut connection, count, pause, is_challenged),
            false => None,
        };
        if let Some(volley) = &mut volley {
            note_dropped(reached, before, volley);
        }
        match volley {
            Some(volley) => return Some((connection, volley)),
            None if connection.is_over() => lives.closed += 1,
            None if connection.is_silent() => lives.dark += 1,
            None => lives.slow += 1,
        }
    }
    None
}

/// Takes into account what this host dropped meanwhile.
fn note_dropped(reached: &mut Reached<'_>, before: Option<Dropped>, volley: &mut loss::Volley) {
    if let (Some(before), Some(after)) = (before, reached.world.dropped()) {
        volley.local.sent += after.sent.saturating_sub(before.sent);
        volley.local.received += after.received.saturating_sub(before.received);
    }
}

fn judge_lives(lives: Lives) -> Option<Finding> {
    let Lives { opened, dark, .. } = lives;
    (dark >= DARK_MIN && dark == opened).then(|| {
        Finding::new(
            Cause::BlackholeAfterHandshake,
            "The handshake completes, and soon after it nothing passes any more.",
            "Look for a firewall that lets QUIC handshakes pass and drops what comes after them.",
        )
        .with_evidence([
            format!("{opened} handshakes completed, one after another"),
            format!("on each of the {dark} connections PING frames were soon not acknowledged"),
            "a server that hangs after the handshake looks alike".into(),
        ])
    })
}

/// Judges the loss that was seen, and looks again where it is much.
fn look_at_loss(
    reached: &mut Reached<'_>,
    first: loss::Volley,
    rung: &mut RungReport,
    untold: &mut Vec<&str>,
) -> Option<Finding> {
    first.report(rung);
    if !first.is_lossy().contains(&true) {
        return None;
    }
    let before = reached.world.dropped();
    let connection = reached.connect();
    let second = connection.and_then(|mut it| loss::observe_small(&mut it));
    let Some(mut second) = second else {
        untold.push("loss at another pace");
        return None;
    };
    note_dropped(reached, before, &mut second);
    loss::judge(&[first, second])
}

fn look_at_sizes(
    reached: &mut Reached<'_>,
    mut connection: Connection,
    rung: &mut RungReport,
    findings: &mut Vec<Finding>,
    untold: &mut Vec<&str>,
) {
    reached.tries("the largest datagram that passes");
    let Some(sizes) = sizes::observe(reached, &mut connection) else {
        return untold.push("the largest datagram that passes");
    };
    sizes.report(rung);
    findings.extend(sizes::judge(&sizes));
}

fn look_at_marks(
    reached: &mut Reached<'_>,
    rung: &mut RungReport,
    findings: &mut Vec<Finding>,
    untold: &mut Vec<&str>,
) {
    reached.tries("ECN marks");
    let observe = |reached: &mut Reached<'_>, is_marked| {
        let mut connection = reached.connect()?;
        marks::observe(&mut connection, MARKED, is_marked)
    };
    let observe_later = |reached: &mut Reached<'_>| {
        let mut connection = reached.connect()?;
        marks::observe_later(&mut connection, MARKED)
    };
    let Some(first) = observe(reached, true) else {
        return untold.push("ECN marks");
    };
    first.report(rung);
    if first.is_odd() {
        let without = observe(reached, false);
        let again = observe_later(reached);
        let marked: Vec<_> = [first].into_iter().chain(again).collect();
        findings.extend(marks::judge(&marked, without.as_ref()));
    }
}

fn look_at_bursts(
    reached: &mut Reached<'_>,
    rung: &mut RungReport,
    findings: &mut Vec<Finding>,
    untold: &mut Vec<&str>,
) {
    reached.tries("bursts");
    let ladder = match reached.options.is_quick {
        true => &[BURST_QUICK][..],
        false => &bursts::LADDER[..],
    };
    let before = reached.world.dropped();
    let connection = reached.connect();
    let seen = connection.and_then(|mut connection| bursts::observe(&mut connection, ladder));
    let Some(mut bursts) = seen else {
        return untold.push("bursts");
    };
    if let (Some(before), Some(after)) = (before, reached.world.dropped()) {
        bursts.dropped += after.sent.saturating_sub(before.sent);
    }
    bursts.report(rung);
    findings.extend(bursts::judge(&bursts));
}

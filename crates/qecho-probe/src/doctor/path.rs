//! The path rung: sizes, marks, loss and bursts, on connections whose handshake completes.
//!
//! PING frames ask, and acknowledgements answer, so that any QUIC server will do.

mod bursts;
mod loss;
mod marks;
mod sizes;
#[cfg(test)]
mod tests;
mod volley;

use std::time::Duration;

use qecho_packet::{TransportParameters, wire::Frame};
use qecho_peer::{
    endpoint::{ClientConfig, Endpoint, integer_value},
    packet::one_rtt,
    tls::Level,
};

use self::{bursts::Bursts, volley::Volley};
use super::{
    Cause, Finding, Report, Rung, RungReport, RungResult,
    reached::{Connection, Reached, is_over},
};

/// Bytes of UDP payload that every path carries (RFC 9000 §14).
pub(super) const DATAGRAM_SIZE: usize = 1_200;
/// Time by which a datagram may be later than others, as on a way with much jitter.
const LATENESS: Duration = Duration::from_millis(500);
/// Time for which acknowledgements are held back, and the most that is announced for it: so that
/// not each answer costs one of them.
const ACKNOWLEDGEMENT_DELAY: Duration = Duration::from_millis(80);
const ACKNOWLEDGEMENT_DELAY_MAX_MS: u64 = 100;
/// Packets with ECT(0) on one connection.
const MARKED: usize = 20;
/// Datagrams of the one burst where little time is taken.
const BURST_QUICK: usize = 16;
/// Connections that have to go dark after the handshake before it is called a cause.
const DARK_MIN: usize = 3;
/// Further PINGs that go unanswered on each, and the time between two: a loss may come in long runs.
const DARK_PINGS: usize = 24;
const DARK_PAUSE: Duration = Duration::from_millis(50);
/// Datagrams of which this host does not send one, where that is much.
const UNSENT_ONE_IN: usize = 5;
/// Datagrams that are sent once more then.
const UNSENT_AGAIN: usize = 40;
/// Connections that are opened to find one that lives.
const CONNECTIONS_MAX: usize = 4;

/// Connections that were opened to see whether they live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Connections {
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

/// Share of datagrams that are lost on the way to the server, and the least time between two that
/// are not to be lost by a limit of rate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Loss {
    share: f64,
    pause: Duration,
}

/// Climbs the path rung.
pub(crate) fn climb(reached: &mut Reached<'_>, report: &mut Report) -> RungReport {
    let mut rung = RungReport::new(Rung::Path, RungResult::Passed);
    let mut findings = Vec::new();
    reached.tries("loss, jitter and reordering");
    let mut opened = Connections::default();
    let first = live_connection(reached, &mut opened);
    findings.extend(judge_connections(opened));
    let mut untold = Vec::new();
    let is_alive = first.is_some();
    match first {
        Some((mut connection, volley)) => {
            volley.report(&mut rung);
            findings.extend(look_at_unsent(reached, &mut connection, &volley));
            let loss = look_at_loss(reached, &mut connection, &volley, &mut rung, &mut findings);
            look_at_sizes(
                reached,
                connection,
                loss,
                &mut rung,
                &mut findings,
                &mut untold,
            );
            look_at_marks(reached, &mut rung, &mut findings, &mut untold);
            let is_loss = |it: &Finding| it.cause == Cause::Loss;
            match !loss.pause.is_zero() || findings.iter().any(is_loss) {
                true => untold.push("bursts, as single datagrams are lost"),
                false => {
                    let is_challenged = !volley.answered.is_empty();
                    match look_at_bursts(reached, is_challenged) {
                        Some(bursts) => {
                            bursts.report(&mut rung);
                            findings.extend(bursts::judge(&bursts));
                        }
                        None => untold.push("bursts"),
                    }
                }
            }
        }
        None => {
            rung.say(match opened {
                Connections { opened: 0, .. } => "no connection any more",
                Connections { slow: 1.., .. } => "answers come too late to tell what was lost",
                Connections { closed: 0, .. } => "nothing passes after the handshake",
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
    opened: &mut Connections,
) -> Option<(Connection, Volley)> {
    let announce = |config: &mut ClientConfig| {
        let delay = integer_value(ACKNOWLEDGEMENT_DELAY_MAX_MS);
        let id = TransportParameters::MAX_ACK_DELAY;
        config.parameters.push((id, delay));
    };
    while opened.opened < CONNECTIONS_MAX && opened.dark < DARK_MIN {
        let mut connection = reached.connect_with(&announce)?;
        let behaviour = &mut connection.probe.endpoint_mut().behaviour;
        behaviour.acknowledgement_delay = ACKNOWLEDGEMENT_DELAY;
        opened.opened += 1;
        // Some may not like that many PATH_CHALLENGE frames.
        let is_challenged = opened.opened == 1;
        let volley = match connection.answers() {
            true => loss::observe(reached, &mut connection, is_challenged),
            false => None,
        };
        match volley {
            Some(volley) => return Some((connection, volley)),
            None if connection.is_over() => opened.closed += 1,
            None if is_dark(&mut connection) => opened.dark += 1,
            None => opened.slow += 1,
        }
    }
    None
}

/// Tells whether a silent connection stays so.
fn is_dark(connection: &mut Connection) -> bool {
    for _ in 0..DARK_PINGS {
        if !connection.is_silent() {
            return false;
        }
        let number = connection.send(one_rtt([Frame::Ping]));
        connection.awaits(number, DARK_PAUSE);
    }
    connection.probe.settle(connection.usual_wait());
    connection.is_silent() && !connection.is_over()
}

/// Waits until the peer has told which of these packets came, also of those that are late. Returns
/// whether it has told.
fn hears_of(connection: &mut Connection, numbers: &[u64]) -> bool {
    // Where much is lost, all that asks for an answer may be, too.
    let is_told = connection.hears_of(numbers) || connection.hears_of(numbers);
    let is_whole = |endpoint: &Endpoint| {
        let is_acknowledged = |number: &u64| endpoint.is_acknowledged(Level::OneRtt, *number);
        numbers.iter().all(is_acknowledged) || is_over(endpoint)
    };
    if is_told {
        connection.probe.wait_for(is_whole, LATENESS);
    }
    is_told
}

/// Sends a volley, and takes into account what this host dropped meanwhile.
fn measure(
    reached: &mut Reached<'_>,
    connection: &mut Connection,
    count: usize,
    pause: Duration,
    is_challenged: bool,
) -> Option<Volley> {
    let before = reached.world.dropped();
    let mut volley = volley::send(connection, count, pause, is_challenged)?;
    if let (Some(before), Some(after)) = (before, reached.world.dropped()) {
        volley.local.sent += after.sent.saturating_sub(before.sent);
        volley.local.received += after.received.saturating_sub(before.received);
    }
    Some(volley)
}

fn judge_connections(connections: Connections) -> Option<Finding> {
    let Connections { opened, dark, .. } = connections;
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

/// Judges what this host did not send itself, and looks again where it is much.
fn look_at_unsent(
    reached: &mut Reached<'_>,
    connection: &mut Connection,
    volley: &Volley,
) -> Option<Finding> {
    let is_much = |volley: &Volley| UNSENT_ONE_IN * volley.unsent >= volley.arrived.len();
    if !is_much(volley) {
        return None;
    }
    let again = measure(reached, connection, UNSENT_AGAIN, volley.pause, false)?;
    let seen = |volley: &Volley| {
        let (unsent, of) = (volley.unsent, volley.arrived.len());
        let pause = volley.pause.as_millis();
        format!("this host did not send {unsent} of {of} datagrams, one each {pause} ms")
    };
    (is_much(&again) && volley.passed() > 0).then(|| {
        Finding::new(
            Cause::LocalDrops,
            "This host does not send part of the datagrams.",
            "Look for a rule of this host's firewall that limits UDP, and at its interface and queues.",
        )
        .with_evidence([volley, &again].map(seen))
        .with_evidence(["others on the same connection arrived"])
    })
}

/// Judges the loss that was seen, and looks again where it is much.
fn look_at_loss(
    reached: &mut Reached<'_>,
    connection: &mut Connection,
    volley: &Volley,
    rung: &mut RungReport,
    findings: &mut Vec<Finding>,
) -> Loss {
    let mut loss = Loss {
        share: volley.up().share(),
        pause: Duration::ZERO,
    };
    let Some(lossy) = loss::lossy(volley) else {
        return loss;
    };
    reached.tries("loss at another pace");
    match loss::look_into(reached, connection, volley, lossy) {
        loss::Judgement::Cause(finding) => {
            if finding.cause == Cause::Policer {
                loss = Loss {
                    share: 0.0,
                    pause: lossy.pause(volley),
                };
            }
            findings.push(finding);
        }
        loss::Judgement::Queue(rate) => {
            rung.say(format!(
                "it is a slow link with a short queue: {rate:.0} datagrams of {DATAGRAM_SIZE} bytes \
                 pass in a second"
            ));
            loss.pause = lossy.pause(volley);
        }
        loss::Judgement::Gone => rung.say("later, it was not seen again as clearly"),
        loss::Judgement::Unclear => {
            rung.say("whether a limit of rate or a slow link takes it did not become clear");
        }
    }
    loss
}

fn look_at_sizes(
    reached: &mut Reached<'_>,
    mut connection: Connection,
    loss: Loss,
    rung: &mut RungReport,
    findings: &mut Vec<Finding>,
    untold: &mut Vec<&str>,
) {
    reached.tries("the largest datagram that passes");
    let Some(sizes) = sizes::observe(reached, &mut connection, loss) else {
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

fn look_at_bursts(reached: &mut Reached<'_>, is_challenged: bool) -> Option<Bursts> {
    reached.tries("bursts");
    let ladder = match reached.options.is_quick {
        true => &[BURST_QUICK][..],
        false => &bursts::LADDER[..],
    };
    let mut connection = reached.connect()?;
    bursts::observe(reached, &mut connection, ladder, is_challenged)
}

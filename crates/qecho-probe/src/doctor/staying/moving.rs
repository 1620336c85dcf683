//! Moves of a connection to another local port (RFC 9000 §9).

use qecho_packet::{TransportParameters, wire::Frame};
use qecho_peer::{
    endpoint::Endpoint,
    network::PathId,
    packet::one_rtt,
    received::{ReceivedPacket, Unopened},
    tls::Level,
};

use crate::doctor::{
    Cause, Finding, RungReport,
    reached::{Connection, is_over},
};

/// Bytes of a PING from a new port: three times as many are room for PATH_CHALLENGE (RFC 9000
/// §8.1, §8.2.1).
const PING_SIZE: usize = 600;

/// Kind of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The port changes and nothing else, as a NAT makes it look.
    Nat,
    /// The client moves by itself: to another connection ID too (RFC 9000 §9.5).
    Active,
}

/// Outcome of PINGs from a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// They are acknowledged, to this port.
    Answered,
    /// They are acknowledged, to the old port alone.
    AnsweredElsewhere,
    /// Packets of the connection come, but no acknowledgement.
    Unanswered,
    /// Nothing comes.
    Silent,
    /// Something comes that is no packet of this connection: a stateless reset, or the answer of
    /// a server that does not know it.
    Strange,
    /// The server closes the connection.
    Closed,
}

impl Outcome {
    fn is_lost(self) -> bool {
        matches!(self, Self::Silent | Self::Strange)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Answered => "answers come",
            Self::AnsweredElsewhere => "answers go on to the old port",
            Self::Unanswered => "packets come, but no acknowledgement",
            Self::Silent => "no answer comes",
            Self::Strange => "a reset comes, or what is no packet of this connection",
            Self::Closed => "the server closes the connection",
        }
    }
}

/// A connection that moved to another port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) kind: Kind,
    /// Whether the server has announced disable_active_migration (RFC 9000 §18.2).
    pub(super) is_disabled: bool,
    /// Whether the server's connection IDs are empty: then it knows a client by its address alone
    /// (RFC 9000 §5.1).
    pub(super) has_no_id: bool,
    /// Whether it sent PATH_CHALLENGE to the new port.
    pub(super) is_challenged: bool,
    /// What came of the new port.
    pub(super) new: Outcome,
    /// What came of the old one then, and of the new one again, if it was lost.
    pub(super) old_and_again: Option<(Outcome, Outcome)>,
}

impl Move {
    /// Tells whether the connection died on the new port, lived on the old one, and died again.
    pub(super) fn is_lost(&self) -> bool {
        let is_back =
            |(old, again): (Outcome, Outcome)| old == Outcome::Answered && again.is_lost();
        // RFC 9000 §9, §18.2: who announces it may drop what comes from elsewhere, and a client
        // that moves by itself does wrong.
        !self.is_disabled && self.new.is_lost() && self.old_and_again.is_some_and(is_back)
    }

    pub(super) fn is_followed(&self) -> bool {
        self.new == Outcome::Answered
    }
}

/// Moves a connection to a new port, in the middle of an exchange, and back if that is lost. None
/// if it cannot be done.
pub(super) fn observe(connection: &mut Connection, kind: Kind) -> Option<Move> {
    let is_disabled = connection
        .endpoint()
        .peer_parameters()
        .and_then(|it| it.get(TransportParameters::DISABLE_ACTIVE_MIGRATION))
        .is_some();
    let ids = connection.endpoint().connection_ids();
    let first = connection.endpoint().first_source();
    let has_no_id = first.is_some_and(|id| id.is_empty());
    let has_other = ids.remote_active().any(|id| !id.is_used);
    if kind == Kind::Active && (is_disabled || !has_other) || !connection.answers() {
        return None;
    }
    let old = connection.endpoint().path();
    let new = connection.probe.open_path().ok()?;
    let endpoint = connection.probe.endpoint_mut();
    // A reset is looked at, and the old port afterwards.
    endpoint.behaviour.heeds_stateless_reset = false;
    match kind {
        Kind::Nat => endpoint.set_path(new),
        Kind::Active => endpoint.migrate(new),
    }
    let mut seen = Move {
        kind,
        is_disabled,
        has_no_id,
        is_challenged: false,
        new: ask(connection, new),
        old_and_again: None,
    };
    seen.is_challenged = is_challenged(connection.endpoint(), new);
    if seen.new.is_lost() && !is_disabled && !connection.is_over() {
        connection.probe.endpoint_mut().set_path(old);
        let back = ask(connection, old);
        connection.probe.endpoint_mut().set_path(new);
        let again = ask(connection, new);
        connection.probe.endpoint_mut().set_path(old);
        seen.old_and_again = Some((back, again));
    }
    Some(seen)
}

/// Asks from a path.
fn ask(connection: &mut Connection, path: PathId) -> Outcome {
    let first_packet = connection.endpoint().received().len();
    let first_unopened = connection.endpoint().record().unopened.len();
    let first = connection.next_number();
    let is_answered = connection.answers_to(|packet| packet.pad_to(PING_SIZE).path(path));
    if connection.is_over() {
        return Outcome::Closed;
    }
    // PATH_RESPONSE comes here whether the server follows or not (RFC 9000 §8.2.2).
    let answers_here = |endpoint: &Endpoint| {
        let mut packets = endpoint.received().iter().skip(first_packet);
        packets.any(|packet| packet.path == path && acknowledges(packet, first))
    };
    if is_answered && !answers_here(connection.endpoint()) {
        // It may go on to the old port until the new one is validated (RFC 9000 §9.3).
        connection.send(one_rtt([Frame::Ping]).pad_to(PING_SIZE).path(path));
        let is_decided = |endpoint: &Endpoint| answers_here(endpoint) || is_over(endpoint);
        let wait = connection.patience / 2;
        connection.probe.wait_for(is_decided, wait);
    }
    if is_answered {
        return match answers_here(connection.endpoint()) {
            true => Outcome::Answered,
            false => Outcome::AnsweredElsewhere,
        };
    }
    let record = connection.endpoint().record();
    let mut packets = record.packets.iter().skip(first_packet);
    let mut unopened = record.unopened.iter().skip(first_unopened);
    if packets.any(|packet| packet.path == path && packet.level == Level::OneRtt) {
        Outcome::Unanswered
    } else if unopened.any(|packet| packet.path == path && packet.why != Unopened::Refused) {
        Outcome::Strange
    } else {
        Outcome::Silent
    }
}

/// Tells whether a packet acknowledges one of this number or later.
fn acknowledges(packet: &ReceivedPacket, first: u64) -> bool {
    let frames = packet.frames();
    let mut frames = frames.iter();
    let is_late = |frame: &Frame<'_>| matches!(frame, Frame::Ack(ack) if ack.largest() >= first);
    packet.level == Level::OneRtt && frames.any(is_late)
}

fn is_challenged(endpoint: &Endpoint, path: PathId) -> bool {
    let packets = endpoint.received().iter();
    let mut there = packets.filter(|packet| packet.path == path);
    there.any(|packet| {
        let frames = packet.frames();
        let mut frames = frames.iter();
        frames.any(|frame| matches!(frame, Frame::PathChallenge { .. }))
    })
}

/// Says what was seen.
pub(super) fn report(moves: &[Move], rung: &mut RungReport, untried: &mut Vec<String>) {
    for (kind, words, key) in [
        (Kind::Nat, "a new port, as a NAT gives it", "nat"),
        (Kind::Active, "a new port and connection ID", "active"),
    ] {
        let all = moves.iter().filter(|it| it.kind == kind);
        let Some(first) = all.clone().next() else {
            untried.push(words.into());
            continue;
        };
        let count = all.clone().count();
        let followed = all.clone().filter(|it| it.is_followed()).count();
        let worst = all.clone().find(|it| !it.is_followed()).unwrap_or(first);
        let challenged = match all.clone().any(|it| it.is_challenged) {
            true => ", and PATH_CHALLENGE comes there",
            false => "",
        };
        let disabled = match first.is_disabled && followed < count {
            true => ", as the server may do that has announced disable_active_migration",
            false => "",
        };
        let what = worst.new.words();
        rung.say(match followed == count {
            true => format!("{words}: the connection goes on{challenged}"),
            false => format!("{words}: {what} ({followed} of {count} go on){disabled}"),
        });
        rung.fact(&format!("moves_{key}"), count);
        rung.fact(&format!("moves_{key}_followed"), followed);
    }
}

/// Judges moves: a cause if two connections died on a new port and lived on the old one.
pub(super) fn judge(moves: &[Move]) -> Option<Finding> {
    let kind = [Kind::Nat, Kind::Active].into_iter().find(|kind| {
        let lost = moves.iter().filter(|it| it.kind == *kind && it.is_lost());
        lost.count() >= super::LOST_MIN
    })?;
    let has_no_id = moves.iter().any(|it| it.has_no_id);
    let (when, advice) = match kind {
        Kind::Nat if has_no_id => (
            "its client comes from another port, as behind a NAT",
            "Let the server choose connection IDs: its own are empty, so that it knows a client \
             by its address alone (RFC 9000 §5.1).",
        ),
        Kind::Nat => (
            "its client comes from another port, as behind a NAT",
            "Let the balancer choose the server by connection ID, not by address and port; a \
             server that stays with one address announces disable_active_migration.",
        ),
        Kind::Active => (
            "its client moves to another port and connection ID",
            "Let the balancer know all connection IDs of a server; one that does not follow \
             clients announces disable_active_migration (RFC 9000 §18.2).",
        ),
    };
    let lost = moves.iter().filter(|it| it.kind == kind && it.is_lost());
    let evidence = lost.take(super::LOST_MIN).flat_map(|it| {
        let (old, again) = it.old_and_again.unwrap_or((it.new, it.new));
        [
            format!("from a new port {}", it.new.words()),
            format!("from the old port {} then", old.words()),
            format!("from the new port {} again", again.words()),
        ]
    });
    let all = moves.iter().filter(|it| it.kind == kind);
    let followed = all.clone().filter(|it| it.is_followed()).count();
    let share = (followed > 0).then(|| {
        let count = all.count();
        format!("{followed} of {count} new ports go on: it depends on the port, as with a balancer")
    });
    Some(
        Finding::new(
            Cause::MigrationLost,
            format!("A connection dies when {when}."),
            advice,
        )
        .with_evidence(evidence.chain(share)),
    )
}

//! Moves of a connection to another local port or address (RFC 9000 §9).

mod judging;

use std::{fmt, net::IpAddr};

use qecho_packet::{TransportParameters, wire::Frame};
use qecho_peer::{
    endpoint::Endpoint,
    network::PathId,
    packet::one_rtt,
    received::{ReceivedPacket, Unopened},
    tls::Level,
};

pub(super) use self::judging::{judge, report};
use crate::doctor::reached::{Connection, is_over};

/// Bytes of a PING from a new port: three times as many are room for PATH_CHALLENGE (RFC 9000
/// §8.1, §8.2.1).
pub(super) const PING_SIZE: usize = 600;
/// Moves that have to be lost, each on another connection.
pub(super) const LOST_MIN: usize = 2;

/// Kind of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The port changes and nothing else, as a NAT makes it look.
    Nat,
    /// The client moves by itself: to another connection ID too (RFC 9000 §9.5).
    Active,
    /// The same, to another address of this host.
    Address(IpAddr),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nat => f.write_str("a new port as a NAT gives it"),
            Self::Active => f.write_str("a new port and connection ID"),
            Self::Address(address) => write!(f, "another address of this host ({address})"),
        }
    }
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
            Self::AnsweredElsewhere => "answers go on to the old one",
            Self::Unanswered => "packets come, but no acknowledgement",
            Self::Silent => "no answer comes",
            Self::Strange => "a stateless reset comes, or what this connection cannot read",
            Self::Closed => "the server closes the connection",
        }
    }
}

/// What a server's transport parameters and connection IDs say of moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// It follows its clients.
    Follows,
    /// It has announced disable_active_migration (RFC 9000 §18.2).
    Disabled,
    /// Its connection IDs are empty: it knows a client by its address alone (RFC 9000 §5.1).
    WithoutIds,
}

impl Policy {
    fn of(server: &Endpoint) -> Self {
        let disabled = TransportParameters::DISABLE_ACTIVE_MIGRATION;
        let parameters = server.peer_parameters();
        if parameters.and_then(|it| it.get(disabled)).is_some() {
            return Self::Disabled;
        }
        match server.first_source().is_some_and(|id| id.is_empty()) {
            true => Self::WithoutIds,
            false => Self::Follows,
        }
    }
}

/// A connection that moved to another port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) kind: Kind,
    pub(super) policy: Policy,
    /// Whether the server sent PATH_CHALLENGE to the new port.
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
        self.policy != Policy::Disabled
            && self.new.is_lost()
            && self.old_and_again.is_some_and(is_back)
    }

    pub(super) fn is_followed(&self) -> bool {
        self.new == Outcome::Answered
    }
}

/// Moves a connection to a new port, in the middle of an exchange, and back if that is lost.
///
/// # Errors
/// It cannot be done, and why.
pub(super) fn observe(connection: &mut Connection, kind: Kind) -> Result<Move, &'static str> {
    let policy = Policy::of(connection.endpoint());
    if kind != Kind::Nat {
        let mut ids = connection.endpoint().connection_ids().remote_active();
        match policy {
            Policy::Disabled => return Err("the server has announced disable_active_migration"),
            // RFC 9000 §19.15: it gives no others either.
            Policy::WithoutIds => return Err("the server's connection IDs are empty"),
            _ if !ids.any(|id| !id.is_used) => {
                return Err("the server gives no other connection ID");
            }
            _ => {}
        }
    }
    if !connection.answers() {
        return Err("the connection is silent before it moves");
    }
    let old = connection.endpoint().path();
    let new = match kind {
        Kind::Address(address) => connection.probe.open_path_at(address),
        _ => connection.probe.open_path(),
    };
    let new = new.map_err(|_| "this host gives no port")?;
    let endpoint = connection.probe.endpoint_mut();
    // A reset is looked at, and the old port afterwards.
    endpoint.behaviour.heeds_stateless_reset = false;
    match kind {
        Kind::Nat => endpoint.set_path(new),
        Kind::Active | Kind::Address(_) => endpoint.migrate(new),
    }
    let outcome = ask(connection, new);
    let mut seen = Move {
        kind,
        policy,
        is_challenged: is_challenged(connection.endpoint(), new),
        new: outcome,
        old_and_again: None,
    };
    if outcome.is_lost() && policy != Policy::Disabled && !connection.is_over() {
        let mut ask_from = |path| {
            connection.probe.endpoint_mut().set_path(path);
            ask(connection, path)
        };
        seen.old_and_again = Some((ask_from(old), ask_from(new)));
        connection.probe.endpoint_mut().set_path(old);
    }
    Ok(seen)
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
    let is_late = |frame: &Frame<'_>| matches!(frame, Frame::Ack(ack) if ack.largest() >= first);
    packet.level == Level::OneRtt && packet.frames().iter().any(is_late)
}

fn is_challenged(endpoint: &Endpoint, path: PathId) -> bool {
    let packets = endpoint.received().iter();
    let mut there = packets.filter(|packet| packet.path == path);
    let is_challenge = |frame: &Frame<'_>| matches!(frame, Frame::PathChallenge { .. });
    there.any(|packet| packet.frames().iter().any(is_challenge))
}

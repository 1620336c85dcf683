//! Events between the packets: losses, new keys, other addresses, the
//! end.

use std::net::SocketAddr;

use anstyle::Style;
use qecho_packet::{
    CloseReason, Direction, RecoveryMetrics,
    text::{self, counted},
    trace::{Connection, Event, EventKind, LossReason, Lost},
};

use super::{
    colour::{DIM, PLAIN, STRONG, WRONG},
    names, packet,
};

/// Words about something, and how they look.
pub(crate) type Note = (Style, String);

/// Says who a connection is between, and which arrow points where.
pub(super) fn began(connection: &Connection) -> [Note; 3] {
    let Connection { local, remote, .. } = connection;
    let here = names::sender_name(Some(connection), Direction::Sent);
    let there = names::sender_name(Some(connection), Direction::Received);
    let (number, id) = (connection.number, &connection.original_destination);
    let heading = match id.is_empty() {
        true => format!("connection {number}, which began before the capture"),
        false => format!("connection {number}, original destination connection ID {id}"),
    };
    [
        (STRONG, heading),
        (PLAIN, format!("→ sent by {here} {local},")),
        (PLAIN, format!("← by {there} {remote}")),
    ]
}

/// Says why a packet was declared lost.
pub(crate) fn lost(lost: &Lost) -> String {
    let what = match lost.direction {
        Direction::Sent => "lost",
        Direction::Received => "lost on its way here",
    };
    let why = match lost.reason {
        LossReason::PacketThreshold { acknowledged } => {
            format!("{acknowledged} was acknowledged, three or more later (RFC 9002 §6.1.1)")
        }
        LossReason::TimeThreshold { acknowledged, age } => format!(
            "{acknowledged} was acknowledged, and it is {} old, over 9/8 of a round trip (RFC 9002 §6.1.2)",
            text::duration(age)
        ),
        LossReason::MtuProbe => {
            "it probed for a larger MTU; no sign of congestion (RFC 9000 §14.4)".into()
        }
        _ => return what.into(),
    };
    format!("{what}: {why}")
}

/// Says what happened between packets, where one line says all of it.
pub(crate) fn of(event: &Event<'_>) -> Option<Note> {
    let who = |direction| names::sender_name(event.connection, direction);
    Some(match &event.kind {
        EventKind::SpuriousLoss {
            packet_type,
            number,
            ..
        } => {
            let name = packet::numbered(*packet_type, *number);
            (
                STRONG,
                format!("{name} lost no more: it arrived late (RFC 9002 §6.1)"),
            )
        }
        EventKind::KeyUpdate {
            direction,
            generation,
        } => {
            let who = who(*direction);
            let words = format!("key update {generation}: {who} sends under new keys");
            (STRONG, words + " (RFC 9001 §6)")
        }
        EventKind::PathChanged { before } => {
            let words = path_changed(event.connection, *before);
            (STRONG, format!("{words} (RFC 9000 §9)"))
        }
        EventKind::Closed(CloseReason::Local) => {
            (STRONG, format!("closed by {}", who(Direction::Sent)))
        }
        EventKind::Closed(reason) => match (reason, text::shown(&reason.to_string())) {
            (CloseReason::Application { .. }, words) => (STRONG, words),
            (_, words) => (WRONG, format!("closed: {words}")),
        },
        EventKind::EventsDropped { count } => {
            let count = counted(*count, "observation");
            (WRONG, format!("{count} left out: too many at once"))
        }
        _ => return None,
    })
}

/// Says which address changed.
fn path_changed(connection: Option<&Connection>, before: (SocketAddr, SocketAddr)) -> String {
    let Some(connection) = connection else {
        return "the path changed".into();
    };
    let now = (connection.local, connection.remote);
    let here = names::sender_name(Some(connection), Direction::Sent);
    let there = names::sender_name(Some(connection), Direction::Received);
    let changes = [(here, before.0, now.0), (there, before.1, now.1)];
    let changes: Vec<_> = changes
        .into_iter()
        .filter(|(_, before, now)| before != now)
        .map(|(who, before, now)| format!("{who} moved from {before} to {now}"))
        .collect();
    match changes.is_empty() {
        true => "the path changed".into(),
        false => changes.join(", "),
    }
}

/// Says what of the path a person cares about: how large packets may be, and
/// that it is congested.
pub(super) fn recovery(before: &RecoveryMetrics, now: &RecoveryMetrics) -> Option<Note> {
    let mut changes = Vec::new();
    if now.mtu != before.mtu {
        let words = format!("the path carries datagrams of {}", counted(now.mtu, "byte"));
        changes.push(words + " (RFC 9000 §14.3)");
    }
    if now.congestion_events > before.congestion_events {
        let window = counted(now.congestion_window, "byte");
        changes.push(format!(
            "congestion: window cut to {window} (RFC 9002 §7.3.2)"
        ));
    }
    if changes.is_empty() {
        return None;
    }
    changes.push(format!("smoothed_rtt {}", text::duration(now.smoothed_rtt)));
    Some((DIM, changes.join(" · ")))
}

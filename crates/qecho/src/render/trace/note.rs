//! Events between the packets: losses, new keys, other addresses, the
//! end.

use std::net::SocketAddr;

use anstyle::Style;
use qecho_engine::CloseReason;
use qecho_packet::{
    Direction, RecoveryMetrics, text,
    trace::{Connection, LossReason, Lost},
};

use super::{
    colour::{DIM, PLAIN, STRONG, WRONG},
    names,
    number::counted,
};

/// Words about something, and how they look.
pub(crate) type Note = (Style, String);

/// Says who a connection is between, and which arrow points where.
pub(super) fn began(connection: &Connection) -> [Note; 3] {
    let Connection { local, remote, .. } = connection;
    let here = names::sender_name(Some(connection), Direction::Sent);
    let there = names::sender_name(Some(connection), Direction::Received);
    let id = &connection.original_destination;
    [
        (
            STRONG,
            format!(
                "connection {}, original destination connection ID {id}",
                connection.number
            ),
        ),
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

/// Says that a packet that was declared lost has arrived.
pub(super) fn found_again() -> Note {
    let note = "lost no more: it arrived late (RFC 9002 §6.1)";
    (STRONG, note.into())
}

/// Says that an endpoint uses new keys.
pub(crate) fn key_update(
    connection: Option<&Connection>,
    direction: Direction,
    generation: u64,
) -> Note {
    let who = names::sender_name(connection, direction);
    let note = format!("key update {generation}: {who} sends under new keys (RFC 9001 §6)");
    (STRONG, note)
}

/// Says which address changed.
pub(crate) fn path_changed(
    connection: Option<&Connection>,
    before: (SocketAddr, SocketAddr),
) -> Note {
    let Some(connection) = connection else {
        return (STRONG, "the path changed (RFC 9000 §9)".into());
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
    let note = match changes.as_slice() {
        [] => "the path changed".into(),
        _ => changes.join(", "),
    };
    (STRONG, format!("{note} (RFC 9000 §9)"))
}

/// Says why a connection is over.
pub(crate) fn closed(connection: Option<&Connection>, reason: &CloseReason) -> Note {
    match reason {
        CloseReason::Local => {
            let who = names::sender_name(connection, Direction::Sent);
            (STRONG, format!("closed by {who}"))
        }
        CloseReason::Application { .. } => (STRONG, text::shown(&reason.to_string())),
        _ => (
            WRONG,
            format!("closed: {}", text::shown(&reason.to_string())),
        ),
    }
}

/// Says that events are missing.
pub(crate) fn left_out(count: u64) -> Note {
    let note = format!(
        "{} left out: too many at once",
        counted(count, "observation")
    );
    (WRONG, note)
}

/// Says what of the path a person cares about: how large packets may be, and
/// that it is congested.
pub(super) fn recovery(before: &RecoveryMetrics, now: &RecoveryMetrics) -> Option<Note> {
    let mut changes = Vec::new();
    if now.mtu != before.mtu {
        let size = counted(now.mtu, "byte");
        changes.push(format!(
            "the path carries datagrams of {size} (RFC 9000 §14.3)"
        ));
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

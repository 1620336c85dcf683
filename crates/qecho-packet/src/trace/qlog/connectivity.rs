//! Beginnings, addresses, keys and datagrams (QUIC events §4–§6).

use serde::Serialize;

use super::{
    tuples::Addresses,
    value::{endpoint, object, raw},
};
use crate::{
    Direction, Side,
    trace::{Connection, Datagram},
};

/// Returns the data of `quic:connection_started`.
pub(super) fn started(connection: &Connection) -> impl Serialize + '_ {
    let original = Some(&connection.original_destination[..]).filter(|id| !id.is_empty());
    let id_of = |side| original.filter(|_| connection.side == side);
    object! {
        local: endpoint(connection.local, id_of(Side::Server)),
        remote: endpoint(connection.remote, id_of(Side::Client)),
    }
}

/// Returns the data of `quic:tuple_assigned`.
pub(super) fn tuple_assigned(tuple_id: &str, (local, remote): Addresses) -> impl Serialize {
    object! {
        tuple_id: tuple_id,
        tuple_remote: endpoint(remote, None),
        tuple_local: endpoint(local, None),
    }
}

/// Returns the data of `quic:migration_state_updated` of a connection that goes
/// on between these addresses.
pub(super) fn migration_started(tuple_id: &str, (local, remote): Addresses) -> impl Serialize {
    object! {
        new: "migration_started",
        tuple_id: tuple_id,
        tuple_remote: endpoint(remote, None),
        tuple_local: endpoint(local, None),
    }
}

/// Returns the data of `quic:key_updated`, of the keys of the 1-RTT packets that
/// `direction` means, seen by `side`; `first` was the first to use keys of that
/// generation.
pub(super) fn key_updated(
    side: Side,
    direction: Direction,
    generation: u64,
    first: Direction,
) -> impl Serialize {
    object! {
        key_type: match (side == Side::Client) == (direction == Direction::Sent) {
            true => "client_1rtt_secret",
            false => "server_1rtt_secret",
        },
        key_phase: generation,
        trigger: match first {
            Direction::Sent => "local_update",
            Direction::Received => "remote_update",
        },
    }
}

/// Returns the data of `quic:udp_datagrams_sent` and `…_received`.
pub(super) fn datagrams(datagram: &Datagram<'_>, id: u32) -> impl Serialize + use<> {
    // RFC 3168 §5
    let ecn = match datagram.ecn & 0b11 {
        0b00 => "Not-ECT",
        0b01 => "ECT(1)",
        0b10 => "ECT(0)",
        _ => "CE",
    };
    object! { count: 1, raw: [raw(datagram.size, None)], ecn: [ecn], datagram_ids: [id] }
}

//! Beginnings, addresses, versions, keys and datagrams (QUIC events §4–§6).

use serde::Serialize;

use super::{
    tuples::Addresses,
    value::{RawInfo, TupleEndpointInfo, Version, hex},
};
use crate::{
    Direction, Side,
    trace::{Connection, Datagram},
};

#[derive(Serialize)]
struct ConnectionStarted<'a> {
    local: TupleEndpointInfo<'a>,
    remote: TupleEndpointInfo<'a>,
}

/// Returns the data of `quic:connection_started`.
pub(super) fn started(connection: &Connection) -> impl Serialize + '_ {
    let mut local = TupleEndpointInfo::from(connection.local);
    let mut remote = TupleEndpointInfo::from(connection.remote);
    let server = match connection.side {
        Side::Client => &mut remote,
        Side::Server => &mut local,
    };
    server.connection_ids = Some([hex(&connection.original_destination)]);
    ConnectionStarted { local, remote }
}

/// `quic:connection_state_updated`.
#[derive(Serialize)]
pub(super) struct StateUpdated {
    pub(super) new: &'static str,
}

/// `quic:tuple_assigned`.
#[derive(Serialize)]
pub(super) struct TupleAssigned<'a> {
    tuple_id: &'a str,
    tuple_remote: TupleEndpointInfo<'static>,
    tuple_local: TupleEndpointInfo<'static>,
}

impl<'a> TupleAssigned<'a> {
    pub(super) fn new(tuple_id: &'a str, (local, remote): Addresses) -> Self {
        Self {
            tuple_id,
            tuple_remote: remote.into(),
            tuple_local: local.into(),
        }
    }
}

/// `quic:migration_state_updated`.
#[derive(Serialize)]
pub(super) struct MigrationStateUpdated<'a> {
    new: &'static str,
    #[serde(flatten)]
    tuple: TupleAssigned<'a>,
}

impl<'a> MigrationStateUpdated<'a> {
    /// Of a connection that goes on between these addresses.
    pub(super) fn started(tuple_id: &'a str, pair: Addresses) -> Self {
        Self {
            new: "migration_started",
            tuple: TupleAssigned::new(tuple_id, pair),
        }
    }
}

/// `quic:version_information`.
#[derive(Default, Serialize)]
pub(super) struct VersionInformation {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) server_versions: Vec<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) chosen_version: Option<Version>,
}

/// `quic:key_updated`.
#[derive(Serialize)]
pub(super) struct KeyUpdated {
    key_type: &'static str,
    key_phase: u64,
    trigger: &'static str,
}

impl KeyUpdated {
    /// Of the keys of the 1-RTT packets that `direction` means, seen by `side`;
    /// `first` was the first to use keys of that generation.
    pub(super) fn new(side: Side, direction: Direction, generation: u64, first: Direction) -> Self {
        let ours = direction == Direction::Sent;
        Self {
            key_type: match (side == Side::Client) == ours {
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
}

#[derive(Serialize)]
struct UdpDatagrams {
    count: u16,
    raw: [RawInfo<'static>; 1],
    ecn: [&'static str; 1],
    datagram_ids: [u32; 1],
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
    UdpDatagrams {
        count: 1,
        raw: [RawInfo::of_length(datagram.size)],
        ecn: [ecn],
        datagram_ids: [id],
    }
}

/// `quic:udp_datagram_dropped`.
#[derive(Serialize)]
pub(super) struct UdpDatagramDropped {
    raw: RawInfo<'static>,
}

impl UdpDatagramDropped {
    pub(super) fn new(datagram: &Datagram<'_>) -> Self {
        Self {
            raw: RawInfo::of_length(datagram.size),
        }
    }
}

/// An event of the main schema's `loglevel` namespace (§9.1).
#[derive(Serialize)]
pub(super) struct Message {
    pub(super) message: String,
}

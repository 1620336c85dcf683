//! Turns the events of one trace into those of qlog, given those before.

use super::{
    close, connectivity, metrics, packet,
    parameters::ParametersSet,
    record::{EventContext, Records},
    tuples::{Addresses, Tuples},
    value::{Version, object, raw},
};
use crate::{
    Direction, RecoveryMetrics, Side,
    trace::{Connection, Datagram, Event, EventKind},
    wire::{Header, PacketType},
};

/// The part of a trace that later events need.
#[derive(Debug)]
pub(super) struct QlogState {
    tuples: Tuples,
    datagrams: u32,
    /// The version that the connection uses, once that was told.
    version: Option<Version>,
    /// The newest generation of keys, and who used it first.
    keys: (u64, Direction),
    recovery: RecoveryMetrics,
}

impl QlogState {
    pub(super) fn new(connection: Option<&Connection>) -> Self {
        Self {
            tuples: Tuples::new(connection.map(pair)),
            datagrams: 0,
            version: None,
            keys: (0, Direction::Sent),
            recovery: RecoveryMetrics::default(),
        }
    }

    /// Writes an event, as none, one or more of qlog.
    pub(super) fn note(&mut self, event: &Event<'_>, records: &mut Records) {
        let context = EventContext {
            at: event.at,
            ..EventContext::default()
        };
        if let EventKind::Datagram(datagram) = &event.kind {
            let in_connection = event.connection.is_some();
            self.note_datagram(datagram, in_connection, context, records);
        } else if let Some(connection) = event.connection {
            self.note_connection(connection, &event.kind, context, records);
        } else if let EventKind::EventsDropped { count } = event.kind {
            warn_left_out(count, context, records);
        }
    }

    fn note_connection(
        &mut self,
        connection: &Connection,
        kind: &EventKind<'_>,
        context: EventContext<'_>,
        records: &mut Records,
    ) {
        match kind {
            EventKind::Began => {
                let started = connectivity::started(connection);
                records.event("quic:connection_started", context, started);
            }
            EventKind::Datagram(_) => {}
            EventKind::Lost(lost) => packet::write_lost(lost, context, records),
            EventKind::SpuriousLoss {
                direction,
                packet_type,
                number,
            } => {
                let passed = match direction {
                    Direction::Sent => "sent",
                    Direction::Received => "received",
                };
                let name = packet_type.name();
                let message = format!(
                    "{name} packet {number} ({passed}) was declared lost and has arrived after all"
                );
                records.event("loglevel:info", context, object! { message: message });
            }
            EventKind::Parameters {
                direction,
                parameters,
            } => {
                let initiator = match direction {
                    Direction::Sent => "local",
                    Direction::Received => "remote",
                };
                let set = ParametersSet {
                    initiator,
                    parameters,
                };
                records.event("quic:parameters_set", context, set);
            }
            EventKind::KeyUpdate {
                direction,
                generation,
            } => self.note_keys(connection.side, *direction, *generation, context, records),
            EventKind::PathChanged { .. } => self.note_path(pair(connection), context, records),
            EventKind::Recovery(recovery) => {
                metrics::write(&self.recovery, recovery, context, records);
                self.recovery = **recovery;
            }
            EventKind::Closed(reason) => {
                records.event("quic:connection_closed", context, close::closed(reason));
            }
            EventKind::Forgotten => {
                let closed = object! { new: "closed" };
                records.event("quic:connection_state_updated", context, closed);
            }
            EventKind::EventsDropped { count } => warn_left_out(*count, context, records),
        }
    }

    fn note_datagram(
        &mut self,
        datagram: &Datagram<'_>,
        in_connection: bool,
        context: EventContext<'_>,
        records: &mut Records,
    ) {
        let id = self.datagrams;
        self.datagrams = id.wrapping_add(1);
        for packet in &datagram.packets {
            if let Some(header) = packet.header {
                self.note_version(header, in_connection, context, records);
            }
        }
        let addresses = (datagram.local, datagram.remote);
        let (tuple, is_new) = self.tuples.name(addresses);
        if let Some(tuple) = tuple.filter(|_| is_new) {
            let assigned = connectivity::tuple_assigned(tuple, addresses);
            records.event("quic:tuple_assigned", context, assigned);
        }
        let context = EventContext { tuple, ..context };
        if datagram.direction == Direction::Received {
            let received = connectivity::datagrams(datagram, id);
            records.event("quic:udp_datagrams_received", context, received);
            if datagram
                .packets
                .iter()
                .all(|packet| packet.header.is_none())
            {
                drop_datagram(datagram, context, records);
                return;
            }
        }
        for packet in &datagram.packets {
            packet::write(packet, datagram.direction, id, context, records);
        }
        match datagram.direction {
            Direction::Sent if datagram.unsent.is_some() => {
                drop_datagram(datagram, context, records);
            }
            Direction::Sent => {
                let sent = connectivity::datagrams(datagram, id);
                records.event("quic:udp_datagrams_sent", context, sent);
            }
            Direction::Received => {}
        }
    }

    /// Tells which versions there are to choose from, and which is chosen.
    fn note_version(
        &mut self,
        header: &Header,
        in_connection: bool,
        context: EventContext<'_>,
        records: &mut Records,
    ) {
        let (server_versions, chosen_version) = match header.packet_type {
            PacketType::VersionNegotiation if !header.versions.is_empty() => {
                (packet::offered_versions(header), None)
            }
            PacketType::Initial if in_connection => {
                let version = header.version.map(Version);
                if self.version == version {
                    return;
                }
                self.version = version;
                (None, version)
            }
            _ => return,
        };
        let more_versions = packet::more_versions(header);
        let context = EventContext {
            note: more_versions.as_deref().or(context.note),
            ..context
        };
        let information = object! {
            server_versions?: server_versions, chosen_version?: chosen_version,
        };
        records.event("quic:version_information", context, information);
    }

    fn note_keys(
        &mut self,
        side: Side,
        direction: Direction,
        generation: u64,
        context: EventContext<'_>,
        records: &mut Records,
    ) {
        if generation > self.keys.0 {
            self.keys = (generation, direction);
        }
        let updated = connectivity::key_updated(side, direction, generation, self.keys.1);
        records.event("quic:key_updated", context, updated);
    }

    fn note_path(&mut self, after: Addresses, context: EventContext<'_>, records: &mut Records) {
        let (tuple, is_new) = self.tuples.name(after);
        let name = tuple.unwrap_or_default();
        if is_new {
            let assigned = connectivity::tuple_assigned(name, after);
            records.event("quic:tuple_assigned", context, assigned);
        }
        let started = connectivity::migration_started(name, after);
        let context = EventContext { tuple, ..context };
        records.event("quic:migration_state_updated", context, started);
    }
}

fn pair(connection: &Connection) -> Addresses {
    (connection.local, connection.remote)
}

/// Writes that a datagram did not leave, or was of no use at all.
fn drop_datagram(datagram: &Datagram<'_>, context: EventContext<'_>, records: &mut Records) {
    let dropped = datagram.packets.first().and_then(|packet| packet.dropped);
    let dropped = dropped.map(|reason| reason.to_string());
    let context = EventContext {
        note: datagram.unsent.or(dropped.as_deref()),
        ..context
    };
    let dropped = object! { raw: raw(datagram.size, None) };
    records.event("quic:udp_datagram_dropped", context, dropped);
}

fn warn_left_out(count: u64, context: EventContext<'_>, records: &mut Records) {
    let message = format!("nobody looked fast enough: {count} observations were left out");
    records.event("loglevel:warning", context, object! { message: message });
}

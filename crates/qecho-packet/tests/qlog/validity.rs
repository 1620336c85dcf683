//! Whatever a trace tells is valid qlog, and says the same.

use std::{collections::BTreeSet, fs};

use qecho_packet::{
    Direction, DropReason, Side,
    trace::{
        Connection, Datagram, Event, EventKind, Packet, Sink,
        qlog::{Form, Qlog},
    },
    wire::{Frame, Header, PacketType},
};
use qecho_testkit::schema::check_file;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::sample;

/// All that a connection can have, and what belongs to none; returns the
/// records of both files.
pub(crate) fn every_record() -> [Vec<Value>; 2] {
    records_of(Form::Current)
}

/// The same in a form of the files.
pub(crate) fn records_of(form: Form) -> [Vec<Value>; 2] {
    let folder = TempDir::new().expect("there is room");
    let connection = sample::connection(1, Side::Server);
    let qlog = Qlog::new(folder.path().into(), "qecho test", Side::Server);
    let mut qlog = qlog.expect("the folder is there").with_form(form);
    let mut take = |event: &Event<'_>| qlog.take(event).expect("a sink never fails");

    let headers = sample::headers();
    let parameters = [sample::parameters(), sample::broken_parameters()];
    let recoveries = [sample::recovery(1200), sample::recovery(1452)];
    let reasons = sample::close_reasons();

    let mut milliseconds = 0;
    let mut tell = |connection: Option<&Connection>, kind: EventKind<'_>| {
        milliseconds += 1;
        take(&sample::event(milliseconds, connection, kind));
    };
    tell(Some(&connection), EventKind::Began);
    for connection in [Some(&connection), None] {
        for direction in [Direction::Received, Direction::Sent] {
            for datagram in datagrams(direction, &headers) {
                tell(connection, EventKind::Datagram(datagram));
            }
        }
        tell(connection, EventKind::EventsDropped { count: 3 });
    }
    for kind in sample::losses() {
        tell(Some(&connection), kind);
    }
    for (direction, parameters) in [Direction::Sent, Direction::Received]
        .into_iter()
        .zip(&parameters)
    {
        let kind = EventKind::Parameters {
            direction,
            parameters,
        };
        tell(Some(&connection), kind);
        let kind = EventKind::KeyUpdate {
            direction,
            generation: 1,
        };
        tell(Some(&connection), kind);
    }
    for recovery in &recoveries {
        tell(Some(&connection), EventKind::Recovery(recovery));
    }
    let before = (connection.local, connection.remote);
    let moved = Connection {
        remote: sample::address("198.51.100.9:9"),
        ..connection.clone()
    };
    tell(Some(&moved), EventKind::PathChanged { before });
    for reason in &reasons {
        tell(Some(&moved), EventKind::Closed(reason));
    }
    tell(Some(&moved), EventKind::Forgotten);
    let report = qlog.report();
    assert_eq!(report.events_lost, 0);
    assert_eq!(report.files, 2);
    let names = [
        "83 94 c8 f0 3e 51 57 01".replace(' ', ""),
        "endpoint".into(),
    ];
    names.map(|name| {
        let file = fs::read(folder.path().join(format!("{name}_server.sqlog")));
        let file = file.expect("it was written");
        match form {
            Form::Current => check_file(&file).expect("it is valid"),
            _ => records(&file),
        }
    })
}

/// Returns the records of a file whose schema is not at hand.
fn records(file: &[u8]) -> Vec<Value> {
    let records = file.split(|byte| *byte == 0x1e).skip(1);
    let records = records.map(serde_json::from_slice);
    records.collect::<Result<_, _>>().expect("they are JSON")
}

/// Datagrams with every kind of packet, processed and not, and no packet.
fn datagrams(direction: Direction, headers: &[Header]) -> Vec<Datagram<'_>> {
    let mut datagrams = Vec::new();
    for header in headers {
        let bare = sample::packet(Some(header), None);
        let mut packets = vec![bare.clone()];
        if header.packet_type.is_protected() {
            packets.push(sample::packet(Some(header), Some(sample::frames())));
        }
        for dropped in sample::UNPROCESSED {
            packets.push(Packet {
                dropped: Some(dropped),
                ..packets[packets.len() - 1].clone()
            });
        }
        datagrams.push(sample::datagram(direction, packets));
        if header.packet_type == PacketType::OneRtt {
            let reset = Packet {
                is_stateless_reset: true,
                ..bare
            };
            datagrams.push(sample::datagram(direction, vec![reset]));
        }
    }
    let nothing = Packet {
        dropped: Some(DropReason::Malformed(sample::MALFORMED)),
        ..sample::packet(None, None)
    };
    let mut cut = sample::packet(headers.last(), Some(vec![Frame::Ping]));
    cut.header = headers.iter().find(|header| header.version.is_none());
    if let Some(content) = &mut cut.content {
        content.malformed = Some(sample::MALFORMED);
    }
    datagrams.push(sample::datagram(direction, vec![nothing.clone()]));
    datagrams.push(sample::datagram(direction, vec![cut, nothing]));
    let mut unsent = sample::datagram(direction, Vec::new());
    unsent.unsent = Some("no buffer space");
    unsent.remote = sample::address("198.51.100.1:1");
    datagrams.push(unsent);
    datagrams
}

#[test]
fn every_kind_of_event_is_told_and_valid() {
    let told = every_record().concat();
    let told: BTreeSet<_> = told
        .iter()
        .filter_map(|event| event["name"].as_str())
        .collect();
    let all = BTreeSet::from([
        "loglevel:info",
        "loglevel:warning",
        "quic:connection_closed",
        "quic:connection_started",
        "quic:connection_state_updated",
        "quic:key_updated",
        "quic:migration_state_updated",
        "quic:mtu_updated",
        "quic:packet_dropped",
        "quic:packet_lost",
        "quic:packet_received",
        "quic:packet_sent",
        "quic:parameters_set",
        "quic:recovery_metrics_updated",
        "quic:tuple_assigned",
        "quic:udp_datagram_dropped",
        "quic:udp_datagrams_received",
        "quic:udp_datagrams_sent",
        "quic:version_information",
    ]);
    assert_eq!(told, all);
}

#[test]
fn every_kind_of_frame_is_told_in_its_order() {
    let [connection, _] = every_record();
    let names: Vec<_> = sample::frames().iter().map(sample::frame_name).collect();
    let packets = connection
        .iter()
        .filter(|event| event["name"] == "quic:packet_sent" && event["data"]["frames"].is_array());
    let told: Vec<Vec<_>> = packets
        .filter_map(|event| event["data"]["frames"].as_array())
        .map(|frames| {
            frames
                .iter()
                .filter_map(|frame| frame["frame_type"].as_str())
                .collect()
        })
        .collect();
    assert!(told.contains(&names), "{told:?}");
}

#[test]
fn the_header_names_the_connection_and_who_looks() {
    let [connection, endpoint] = every_record();
    let header = &connection[0]["trace"];
    assert_eq!(header["vantage_point"]["type"], "server");
    assert_eq!(header["common_fields"]["group_id"], "8394c8f03e515701");
    assert_eq!(endpoint[0]["trace"]["common_fields"].get("group_id"), None);
}

#[test]
fn what_happened_is_told_as_it_was() {
    let [connection, _] = every_record();
    let find = |name: &str| connection.iter().find(|event| event["name"] == name);
    let data = |name: &str| find(name).map(|event| event["data"].clone());
    assert_eq!(
        find("quic:connection_started").map(|event| &event["time"]),
        Some(&json!(1_795_000_000_001.125))
    );
    let started = json!({
        "local": {"ip_v4": "192.0.2.1", "port_v4": 4433, "connection_ids": ["8394c8f03e515701"]},
        "remote": {"ip_v6": "2001:db8::7", "port_v6": 50000},
    });
    assert_eq!(data("quic:connection_started"), Some(started));
    let key = json!({
        "key_type": "server_1rtt_secret", "key_phase": 1, "trigger": "local_update",
    });
    assert_eq!(data("quic:key_updated"), Some(key));
    let lost = json!({
        "header": {"packet_type": "1RTT", "packet_number": 5}, "trigger": "reordering_threshold",
    });
    assert_eq!(data("quic:packet_lost"), Some(lost));
    let metrics = json!({"min_rtt": 1.0, "smoothed_rtt": 1.5, "congestion_window": 12_000});
    assert_eq!(data("quic:recovery_metrics_updated"), Some(metrics));
}

#[test]
fn parameters_that_are_odd_are_among_the_unknown_ones() {
    let [connection, _] = every_record();
    let sets = connection
        .iter()
        .filter(|event| event["name"] == "quic:parameters_set");
    let unknown: Vec<_> = sets
        .map(|set| set["data"]["unknown_parameters"].clone())
        .collect();
    let twice = json!([{"id": 0x1b1b, "value": "677265617365"}, {"id": 0x0e, "value": "05"}]);
    let broken = json!([
        {"id": 1, "value": "8000"}, {"id": 0x0d, "value": "00"}, {"id": 4, "value": ""},
    ]);
    assert_eq!(unknown, [twice, broken]);
}

#[test]
fn acknowledged_ranges_ascend_and_single_ones_stand_alone() {
    let [connection, _] = every_record();
    let ack = connection
        .iter()
        .filter_map(|event| event["data"]["frames"].as_array())
        .flatten()
        .find(|frame| frame["frame_type"] == "ack");
    let wanted = json!({
        "frame_type": "ack", "ack_delay": 2.0, "acked_ranges": [[0, 2], [7], [90, 99]],
    });
    assert_eq!(ack, Some(&wanted));
}

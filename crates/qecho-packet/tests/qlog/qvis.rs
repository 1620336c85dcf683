//! The form that qvis loads, by the rules of its loader and its diagrams
//! (<https://github.com/quiclog/qvis>, October 2025).

use std::collections::BTreeSet;

use qecho_packet::trace::qlog::Form;
use serde_json::{Value, json};

use super::validity::{every_record, records_of};

/// The categories of `QlogSchema02.ts`, and what the main schema has for messages.
const CATEGORIES: [&str; 5] = [
    "connectivity",
    "transport",
    "security",
    "recovery",
    "loglevel",
];

fn events() -> Vec<Value> {
    let [connection, endpoint] = records_of(Form::Qvis);
    let events = connection.into_iter().skip(1);
    events.chain(endpoint.into_iter().skip(1)).collect()
}

#[test]
fn a_file_begins_as_the_loader_wants_it() {
    for records in records_of(Form::Qvis) {
        let header = &records[0];
        assert_eq!(header["qlog_version"], "0.3");
        assert_eq!(header["qlog_format"], "JSON-SEQ");
        let trace = &header["trace"];
        assert_eq!(trace["vantage_point"]["type"], "server");
        assert_eq!(trace["common_fields"]["time_format"], "absolute");
        // It parses a reference time of text alone.
        assert_eq!(trace["common_fields"]["reference_time"], "0");
    }
}

#[test]
fn every_event_has_the_name_that_it_had() {
    let names: BTreeSet<_> = events()
        .iter()
        .map(|event| event["name"].as_str().expect("a name").to_owned())
        .collect();
    for name in &names {
        let category = name.split(':').next().unwrap_or_default();
        assert!(CATEGORIES.contains(&category), "{name}");
    }
    // Those that its diagrams look for.
    for name in [
        "transport:packet_sent",
        "transport:packet_received",
        "transport:parameters_set",
        "transport:datagrams_sent",
        "transport:datagrams_received",
        "recovery:packet_lost",
        "recovery:metrics_updated",
        "security:key_updated",
        "connectivity:connection_started",
    ] {
        assert!(names.contains(name), "{name}");
    }
    let [now, _] = every_record();
    let [then, _] = records_of(Form::Qvis);
    assert_eq!(now.len(), then.len(), "nothing is left out");
    for (now, then) in now.iter().zip(&then).skip(1) {
        assert_eq!(now["time"], then["time"]);
    }
}

#[test]
fn members_stand_where_its_diagrams_look_for_them() {
    let events = events();
    let named = |name: &str| -> Vec<&Value> {
        let events = events.iter();
        events.filter(|event| event["name"] == name).collect()
    };
    let mut lengths = BTreeSet::new();
    for name in ["transport:packet_sent", "transport:packet_received"] {
        for event in named(name) {
            let data = &event["data"];
            assert!(data["header"]["packet_type"].is_string(), "{event}");
            assert!(data["raw"]["length"].is_u64(), "{event}");
            for frame in data["frames"].as_array().into_iter().flatten() {
                let kind = frame["frame_type"].as_str().expect("a name");
                if ["stream", "crypto", "datagram", "padding"].contains(&kind) {
                    assert_eq!(frame["length"], frame["raw"]["length"], "{frame}");
                    lengths.insert(kind.to_owned());
                }
            }
        }
    }
    assert_eq!(lengths.len(), 4, "{lengths:?}");
    let owners: Vec<_> = named("transport:parameters_set")
        .into_iter()
        .map(|event| &event["data"]["owner"])
        .collect();
    assert_eq!(owners, [&json!("local"), &json!("remote")]);
    let started = named("connectivity:connection_started")[0];
    for member in ["src_ip", "src_port", "dst_ip", "dst_port"] {
        assert!(!started["data"][member].is_null(), "{member}: {started}");
    }
}

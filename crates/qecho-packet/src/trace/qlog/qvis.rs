//! The form of qlog that qvis loads (draft-ietf-quic-qlog-main-schema-02, which it calls 0.3): the
//! same events under their older names, with older members where its diagrams look for them.

use serde_json::{Map, Value, json};

/// Returns the name that an event had.
pub(super) fn name(name: &'static str) -> &'static str {
    match name {
        "quic:connection_started" => "connectivity:connection_started",
        "quic:connection_closed" => "connectivity:connection_closed",
        "quic:connection_state_updated" => "connectivity:connection_state_updated",
        "quic:mtu_updated" => "connectivity:mtu_updated",
        // These are newer than the form; qvis shows what it does not know by its name.
        "quic:tuple_assigned" => "connectivity:tuple_assigned",
        "quic:migration_state_updated" => "connectivity:migration_state_updated",
        "quic:version_information" => "transport:version_information",
        "quic:parameters_set" => "transport:parameters_set",
        "quic:packet_sent" => "transport:packet_sent",
        "quic:packet_received" => "transport:packet_received",
        "quic:packet_dropped" => "transport:packet_dropped",
        "quic:udp_datagrams_sent" => "transport:datagrams_sent",
        "quic:udp_datagrams_received" => "transport:datagrams_received",
        "quic:udp_datagram_dropped" => "transport:datagram_dropped",
        "quic:key_updated" => "security:key_updated",
        "quic:packet_lost" => "recovery:packet_lost",
        "quic:recovery_metrics_updated" => "recovery:metrics_updated",
        other => {
            debug_assert!(!other.starts_with("quic:"), "{other} had no older name");
            other
        }
    }
}

/// Gives the data of an event its older form.
pub(super) fn data(mut data: Value) -> Value {
    let Some(members) = data.as_object_mut() else {
        return data;
    };
    rename(members, "initiator", "owner");
    for end in ["local", "remote"] {
        if let Some(Value::Object(endpoint)) = members.remove(end) {
            members.extend(flat(if end == "local" { "src" } else { "dst" }, &endpoint));
        }
    }
    let frames = members.get_mut("frames").and_then(Value::as_array_mut);
    for frame in frames
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        let length = frame.get("raw").and_then(|raw| raw.get("length"));
        if let Some(length) = length.cloned() {
            frame.insert("length".into(), length);
        }
    }
    data
}

fn rename(members: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = members.remove(from) {
        members.insert(to.into(), value);
    }
}

/// Returns one end of a connection as members of the event.
fn flat(prefix: &str, endpoint: &Map<String, Value>) -> Vec<(String, Value)> {
    let mut members = Vec::new();
    for (name, value) in endpoint {
        match name.as_str() {
            "ip_v4" | "ip_v6" => members.push((format!("{prefix}_ip"), value.clone())),
            "port_v4" | "port_v6" => members.push((format!("{prefix}_port"), value.clone())),
            "connection_ids" => members.push((format!("{prefix}_cid"), value[0].clone())),
            _ => {}
        }
    }
    members
}

/// Returns the record that begins a file.
pub(super) fn header(title: &str, program: &str, side: &str, group_id: Option<String>) -> Value {
    let mut common = json!({
        "protocol_type": "QUIC",
        "time_format": "absolute",
        "reference_time": "0",
    });
    if let Some(id) = group_id {
        common["ODCID"] = id.into();
    }
    json!({
        "qlog_version": "0.3",
        "qlog_format": "JSON-SEQ",
        "title": title,
        "trace": {
            "title": title,
            "vantage_point": { "name": program, "type": side },
            "common_fields": common,
        },
    })
}

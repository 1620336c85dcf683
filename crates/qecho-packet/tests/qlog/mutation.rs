//! The check can fail: whatever is changed in a valid record is found.

use qecho_testkit::schema::{check_event, check_file, check_header, split};
use serde_json::{Map, Value, json};

use super::validity::every_record;

/// Returns copies of a value, each changed in one place.
fn changed(value: &Value, change: &dyn Fn(&Value) -> Vec<Value>) -> Vec<Value> {
    let mut copies = change(value);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                for changed in changed(member, change) {
                    let mut copy = members.clone();
                    copy.insert(name.clone(), changed);
                    copies.push(Value::Object(copy));
                }
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                for changed in changed(element, change) {
                    let mut copy = elements.clone();
                    copy[index] = changed;
                    copies.push(Value::Array(copy));
                }
            }
        }
        _ => {}
    }
    copies
}

/// Renames each member of an object, one at a time.
fn misspelt(value: &Value) -> Vec<Value> {
    let Value::Object(members) = value else {
        return Vec::new();
    };
    let rename = |renamed: &String| {
        let name = |name: &String| match name == renamed {
            true => format!("{name}_"),
            false => name.clone(),
        };
        let members = members
            .iter()
            .map(|(key, member)| (name(key), member.clone()));
        Value::Object(members.collect::<Map<_, _>>())
    };
    members.keys().map(rename).collect()
}

/// Makes of a number or a truth value something else.
fn of_other_kind(value: &Value) -> Vec<Value> {
    match value {
        Value::Number(_) | Value::Bool(_) => vec![json!("1"), json!([])],
        _ => Vec::new(),
    }
}

fn sample_of(records: &[Value]) -> impl Iterator<Item = &Value> {
    // A file has hundreds of alike packets: those of each size suffice.
    let mut seen = std::collections::BTreeSet::new();
    records.iter().skip(1).filter(move |record| {
        let name = record["name"].to_string();
        let header = record["data"]["header"]["packet_type"].to_string();
        seen.insert((name, header, record["data"]["frames"].is_array()))
    })
}

#[test]
fn a_misspelt_member_is_refused_wherever_it_stands() {
    let mut tried = 0;
    for records in every_record() {
        for copy in changed(&records[0], &misspelt) {
            assert!(check_header(&copy).is_err(), "{copy}");
        }
        for record in sample_of(&records) {
            for copy in changed(record, &misspelt) {
                assert!(check_event(&copy).is_err(), "{copy}");
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "{tried} members");
}

#[test]
fn a_value_of_another_kind_is_refused() {
    for records in every_record() {
        for record in sample_of(&records) {
            for copy in changed(record, &of_other_kind) {
                assert!(check_event(&copy).is_err(), "{copy}");
            }
        }
    }
}

#[test]
fn an_event_without_what_it_must_have_is_refused() {
    let mandatory = [
        ("quic:connection_started", "local"),
        ("quic:packet_sent", "header"),
        ("quic:packet_received", "raw"),
        ("quic:packet_dropped", "trigger"),
        ("quic:packet_lost", "header"),
        ("quic:parameters_set", "initiator"),
        ("quic:key_updated", "key_type"),
        ("quic:mtu_updated", "new"),
        ("quic:tuple_assigned", "tuple_id"),
        ("quic:udp_datagrams_sent", "count"),
        ("loglevel:info", "message"),
    ];
    let records = every_record().concat();
    for (name, member) in mandatory {
        let event = records.iter().find(|event| event["name"] == name);
        let mut event = event.expect("there is one").clone();
        assert_eq!(check_event(&event), Ok(()));
        let data = event["data"].as_object_mut().expect("data are an object");
        data.remove(member).expect("it has the member");
        assert!(check_event(&event).is_err(), "{name} without {member}");
    }
    for member in ["time", "name", "data"] {
        let mut event = records[1].clone();
        let members = event.as_object_mut().expect("an event is an object");
        members.remove(member);
        assert!(check_event(&event).is_err(), "an event without {member}");
    }
}

#[test]
fn events_of_another_name_or_draft_are_refused() {
    let data = json!({"header": {"packet_type": "1RTT", "packet_number": 5}});
    for name in ["recovery:packet_lost", "transport:packet_lost", "header"] {
        let event = json!({"time": 1.5, "name": name, "data": data});
        assert!(check_event(&event).is_err(), "{name}");
    }
}

#[test]
fn what_is_no_text_sequence_is_refused() {
    for file in ["", "{}\n", "\x1e{}", "\x1e{}\n\x1e", "\x1e{}\n\x1e{\n"] {
        assert!(split(file.as_bytes()).is_err(), "{file:?}");
    }
    assert_eq!(split(b"\x1e{}\n\x1e1\n"), Ok(vec![json!({}), json!(1)]));
    assert!(check_file(b"\x1e{}\n").is_err());
}

#[test]
fn records_that_go_back_in_time_are_refused() {
    let [records, _] = every_record();
    let file = |order: [usize; 3]| {
        let records = order.map(|index| format!("\x1e{}\n", records[index]));
        check_file(records.concat().as_bytes()).map(|records| records.len())
    };
    assert_eq!(file([0, 1, 2]), Ok(3));
    assert!(file([0, 2, 1]).is_err());
}

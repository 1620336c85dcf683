//! Tells whether a file is qlog as `schema.cddl` has it.

use std::sync::LazyLock;

use cddl_cat::{
    context::{BasicContext, LookupContext},
    flatten::flatten_from_str,
    validate_json,
};
use serde_json::Value;

/// The rules, read once.
static SCHEMA: LazyLock<BasicContext> = LazyLock::new(|| {
    let rules = flatten_from_str(include_str!("schema.cddl"));
    BasicContext::new(rules.expect("the schema is CDDL"))
});

/// Checks a whole file and returns its records, of which the first is the
/// header.
pub fn check_file(file: &[u8]) -> Result<Vec<Value>, String> {
    let records = split(file)?;
    let mut latest = 0.0;
    for (index, record) in records.iter().enumerate() {
        let checked = match index {
            0 => check_header(record),
            _ => check_event(record),
        };
        checked.map_err(|error| format!("record {index}: {error}: {record}"))?;
        let time = record["time"].as_f64().unwrap_or(latest);
        if time < latest {
            return Err(format!("record {index} is older than the one before"));
        }
        latest = time;
    }
    Ok(records)
}

/// Splits a JSON text sequence (RFC 7464 §2) into its records.
pub fn split(file: &[u8]) -> Result<Vec<Value>, String> {
    let text = std::str::from_utf8(file).map_err(|error| error.to_string())?;
    let rest = text
        .strip_prefix('\x1e')
        .ok_or("a record begins with a record separator")?;
    let read = |record: &str| {
        let json = record.strip_suffix('\n').ok_or("a record is cut")?;
        serde_json::from_str(json).map_err(|error| format!("{error}: {json}"))
    };
    rest.split('\x1e').map(read).collect()
}

/// Checks the record that begins a file.
pub fn check_header(record: &Value) -> Result<(), String> {
    check("header", record)
}

/// Checks an event by the rule of its name.
pub fn check_event(record: &Value) -> Result<(), String> {
    let name = record["name"].as_str().ok_or("an event has a name")?;
    check(&name.replace(':', "_"), record)
}

fn check(rule: &str, record: &Value) -> Result<(), String> {
    let definition = SCHEMA
        .lookup_rule(rule)
        .map_err(|error| error.to_string())?;
    validate_json(definition, record, &*SCHEMA).map_err(|error| error.to_string())
}

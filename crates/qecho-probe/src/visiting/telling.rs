//! Lines and objects that tell of visits, before they come and when they are over.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use qecho_packet::text::{counted, name};
use serde_json::json;

use crate::conform::{Event, Requirement, write};

/// Writes an object for programs that says where clients are awaited; `ca` is the file of the CA by
/// which they are to trust the server. `time` is now (RFC 3339).
///
/// # Errors
/// If it cannot be written.
pub fn json_serving(
    addresses: &[SocketAddr],
    ca: &str,
    time: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let line = json!({
        "event": "serving",
        "time": time,
        "addresses": addresses,
        "ca": ca,
    });
    write::json_line(&line, out)
}

/// Says to the owner of a client what is going to be done to it: to that of a command, or to
/// whoever comes. `place` is where, and `ca` the file of the CA that it has to trust.
pub fn announcement(command: Option<&str>, requirements: usize, place: &str, ca: &str) -> String {
    let count = counted(requirements as u64, "requirement");
    match command {
        Some(command) => format!(
            "trying {count} on `{}`, which is run for each connection to {place} (CA: {ca}); it \
             is sent what no server may send",
            name(command)
        ),
        None => format!(
            "trying {count} on the client that visits {place}, a connection for each (CA: {ca}); \
             it is sent what no server may send\n\
             next: an ordinary handshake, which shows whether it comes at all"
        ),
    }
}

/// Asks somebody who starts a client for each visit for another one.
pub const ANOTHER_VISIT: &str = "next: another visit for the same requirement";

/// Says what comes next, or what came of a visit, to somebody who starts a client for each.
pub fn words_for_visitor(event: &Event<'_>) -> String {
    let next = |row: &Requirement| {
        let (id, section, level) = (row.id, row.section, row.level.as_str());
        format!("next: {id} {section} {level}: {}", row.stimulus)
    };
    match event {
        Event::Started(row) => next(row),
        Event::Repeated(row, finding) => format!(
            "{} {}: {}; a second visit has to agree\n{}",
            row.id,
            finding.verdict,
            finding.seen,
            next(row)
        ),
        Event::Finished(row) => {
            let (id, verdict) = (row.requirement.id, row.verdict());
            format!("{id} {verdict}: {}", row.finding.seen)
        }
        Event::Lost { why, .. } => format!("no more visits: {why}"),
    }
}

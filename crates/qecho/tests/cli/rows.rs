//! The words of a trace on each packet, read from its lines and from its qlog
//! files.

use std::{fs, path::Path};

use serde_json::Value;

use crate::tshark::{self, Seen};

/// Packets as one end has told of them.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Packets that were processed.
    pub(crate) processed: Vec<Seen>,
    /// Packets that were not, and why.
    pub(crate) dropped: Vec<(Seen, String)>,
    pub(crate) datagrams: usize,
    pub(crate) key_updates: usize,
}

impl Rows {
    /// Reads the lines of a trace in its `frames` detail.
    pub(crate) fn of_lines(text: &str) -> Self {
        let mut rows = Self::default();
        let mut in_dropped = false;
        for line in text.lines() {
            rows.key_updates += usize::from(line.contains("• key update "));
            if let Some(packet) = packet_of(line) {
                rows.datagrams += usize::from(!packet.coalesced);
                in_dropped = packet.why.is_some();
                match packet.why {
                    None => rows.processed.push(packet.seen),
                    Some(why) => rows.dropped.push((packet.seen, why.to_owned())),
                }
            } else if line.starts_with(FRAME_INDENT)
                && let Some(frame) = frame_of(line.trim_start())
            {
                let packet = match in_dropped {
                    false => rows.processed.last_mut(),
                    true => rows.dropped.last_mut().map(|(seen, _)| seen),
                };
                packet.expect("it stands under one").frames.push(frame);
            }
        }
        rows
    }

    /// Reads every file of a folder of qlog files, each of which must be valid.
    pub(crate) fn of_qlog(directory: &Path) -> Self {
        let mut rows = Self::default();
        for file in fs::read_dir(directory).expect("it is there") {
            let path = file.expect("it can be read").path();
            let content = fs::read(&path).expect("it is ours");
            let records = qecho_testkit::schema::check_file(&content);
            let records = records.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            for record in &records {
                rows.take(record);
            }
        }
        rows
    }

    fn take(&mut self, record: &Value) {
        let data = &record["data"];
        match record["name"].as_str().unwrap_or_default() {
            "quic:packet_sent" => self.processed.push(seen(data, false)),
            "quic:packet_received" => self.processed.push(seen(data, true)),
            "quic:key_updated" => self.key_updates += 1,
            "quic:packet_dropped" => {
                let trigger = data["trigger"].as_str().unwrap_or_default();
                self.dropped.push((seen(data, true), trigger.to_owned()));
            }
            "quic:udp_datagrams_sent" | "quic:udp_datagrams_received" => {
                let count = data["count"].as_u64().expect("a number");
                self.datagrams += count as usize;
            }
            _ => {}
        }
    }
}

/// The kinds of packets, by their names in RFC 9000 and in qlog.
const TYPES: [(&str, &str); 8] = [
    ("Initial", "initial"),
    ("Handshake", "handshake"),
    ("0-RTT", "0RTT"),
    ("1-RTT", "1RTT"),
    ("Retry", "retry"),
    ("Version Negotiation", "version_negotiation"),
    ("Stateless Reset", "stateless_reset"),
    ("unknown", "unknown"),
];

/// Columns before a frame, at least.
const FRAME_INDENT: &str = "              ";

/// A line about a packet.
struct PacketLine<'a> {
    seen: Seen,
    /// Whether it is not the first of its datagram.
    coalesced: bool,
    /// Reason for which it was not processed, if it was not.
    why: Option<&'a str>,
}

fn packet_of(line: &str) -> Option<PacketLine<'_>> {
    let mark = line.find(['→', '←'])?;
    let stamp = line[..mark].split_whitespace().next_back()?;
    let rest = line[mark..].split_once(' ')?.1;
    let mut names = TYPES.iter().map(|(name, _)| *name);
    let (packet_type, rest) = names.find_map(|name| Some((name, rest.strip_prefix(name)?)))?;
    let (words, rest) = rest.split_once(" B  ")?;
    let mut words: Vec<&str> = words.split_whitespace().collect();
    words.pop();
    let number = words.pop();
    let seen = Seen {
        came: line[mark..].starts_with('←'),
        packet_type,
        number: number.map(|number| number.parse().expect("a number")),
        frames: Vec::new(),
    };
    Some(PacketLine {
        seen,
        coalesced: stamp == "+",
        why: rest.strip_prefix("not processed: "),
    })
}

/// Reads a frame's line in our words.
fn frame_of(line: &str) -> Option<String> {
    let line = line.replace(',', "");
    let head = line.split(" · ").next()?;
    let (name, rest) = head.split_once(' ').unwrap_or((head, ""));
    let first = rest.split([' ', ':']).next().unwrap_or_default();
    let number = |text: &str| -> u64 { text.parse().unwrap_or_else(|_| panic!("`{line}`")) };
    // A range such as `[3..17)`, as where it begins and how long it is.
    let range = |text: &str| {
        let inner = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(')'));
        let ends = inner.and_then(|inner| inner.split_once(".."));
        let (start, end) = ends.unwrap_or_else(|| panic!("`{line}`"));
        (number(start), number(end) - number(start))
    };
    Some(match name {
        "PING" | "HANDSHAKE_DONE" | "IMMEDIATE_ACK" | "PATH_CHALLENGE" | "PATH_RESPONSE"
        | "NEW_TOKEN" | "DATA_BLOCKED" | "STREAMS_BLOCKED" => name.to_owned(),
        "ACK" => {
            let ranges = rest.split(' ').map(|range| {
                let (first, last) = range.split_once('–').unwrap_or((range, range));
                (number(first), number(last))
            });
            tshark::acknowledged(ranges.collect())
        }
        "CRYPTO" => {
            let (start, length) = range(first);
            format!("CRYPTO {start}+{length}")
        }
        "STREAM" => {
            let mut words = rest.split(' ');
            let id = number(words.next()?);
            let (start, length) = range(words.next()?);
            tshark::stream(id, start, length, words.next() == Some("FIN"))
        }
        "DATAGRAM" => {
            let length = line.split(" · ").nth(1)?;
            format!("{name} {}", length.split(' ').next()?)
        }
        "NEW_CONNECTION_ID" => {
            let id = line.split(" · ").nth(1)?;
            format!("{name} {first} {id}")
        }
        "CONNECTION_CLOSE" => {
            let code = rest
                .split(' ')
                .find_map(|word| match word.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16).ok(),
                    None => word.parse().ok(),
                });
            format!("{name} {}", code?)
        }
        "PADDING"
        | "MAX_DATA"
        | "MAX_STREAMS"
        | "MAX_STREAM_DATA"
        | "STREAM_DATA_BLOCKED"
        | "RESET_STREAM"
        | "STOP_SENDING"
        | "RETIRE_CONNECTION_ID" => format!("{name} {first}"),
        _ => return None,
    })
}

fn seen(data: &Value, came: bool) -> Seen {
    let header = &data["header"];
    let packet_type = header["packet_type"].as_str().unwrap_or_default();
    let named = TYPES.iter().find(|(_, name)| *name == packet_type);
    let frames = data["frames"].as_array();
    Seen {
        came,
        packet_type: named.map_or("unknown", |(name, _)| *name),
        number: header["packet_number"].as_u64(),
        frames: frames.into_iter().flatten().map(frame_in).collect(),
    }
}

/// Reads a frame of a qlog file in our words.
fn frame_in(frame: &Value) -> String {
    let field = |name: &str| frame[name].as_u64().unwrap_or_default();
    let length = frame["raw"]["payload_length"]
        .as_u64()
        .or(frame["raw"]["length"].as_u64())
        .unwrap_or_default();
    let name = frame["frame_type"].as_str().expect("a name");
    let upper = name.to_uppercase();
    match name {
        "padding" => format!("PADDING {length}"),
        "ack" => {
            let ranges = frame["acked_ranges"].as_array().expect("a list");
            let end = |range: &Value, at: usize| {
                let range = range.as_array().expect("a list");
                range[at.min(range.len() - 1)].as_u64().expect("a number")
            };
            let ranges = ranges.iter().map(|range| (end(range, 0), end(range, 1)));
            tshark::acknowledged(ranges.collect())
        }
        "crypto" => format!("CRYPTO {}+{length}", field("offset")),
        "stream" => {
            let fin = frame["fin"].as_bool().unwrap_or_default();
            tshark::stream(field("stream_id"), field("offset"), length, fin)
        }
        "datagram" => format!("DATAGRAM {length}"),
        "max_data" => format!("{upper} {}", field("maximum")),
        "max_stream_data" | "stream_data_blocked" | "reset_stream" | "stop_sending" => {
            format!("{upper} {}", field("stream_id"))
        }
        "max_streams" => format!("{upper} {}", field("maximum")),
        "new_connection_id" => {
            let id = frame["connection_id"].as_str().expect("digits");
            format!("{upper} {} {id}", field("sequence_number"))
        }
        "retire_connection_id" => format!("{upper} {}", field("sequence_number")),
        "connection_close" => {
            let code = frame["error_code"].as_u64().or(frame["error"].as_u64());
            format!("{upper} {}", code.unwrap_or_default())
        }
        "unknown" => tshark::IMMEDIATE_ACK.into(),
        _ => upper,
    }
}

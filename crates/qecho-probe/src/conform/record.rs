//! Packets of a run, in words.

use std::time::Instant;

use qecho_packet::{Direction, wire::frames};
use qecho_peer::{
    received::{Record, Unopened, UnopenedPacket},
    tls::Level,
};

use super::{Finding, PacketRecord, Verdict, stimulus::OddLevels};

/// What the connections of a run have sent and received.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The time at which the first connection was begun.
    began: Option<Instant>,
    until: Option<Instant>,
    packets: Vec<PacketRecord>,
    key_log: Vec<String>,
    /// Whether not all that came was read.
    is_cut: bool,
}

/// The record of a connection, until some time.
pub(super) struct Stretch<'a> {
    pub(super) record: &'a Record,
    pub(super) odd: &'a OddLevels,
    pub(super) until: Instant,
}

impl Log {
    pub(super) fn begin(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    pub(super) fn add(&mut self, Stretch { record, odd, until }: Stretch<'_>) {
        self.until = self.until.max(Some(until));
        let began = *self.began.get_or_insert(until);
        for (index, datagram) in record.datagrams.iter().enumerate() {
            let lines = match datagram.direction {
                Direction::Sent => sent_lines(record, index),
                Direction::Received => received_lines(record, index),
            };
            self.packets.push(PacketRecord {
                time: datagram.at.saturating_duration_since(began),
                direction: datagram.direction,
                lines,
                size: datagram.bytes.len(),
                datagram: datagram.bytes.clone(),
                is_stimulus: odd.concern(record, index),
            });
        }
        self.is_cut |= record.dropped > 0;
        self.key_log.extend(record.key_log.iter().cloned());
    }

    /// Gives all to a finding.
    pub(super) fn finish(&mut self, mut finding: Finding) -> Finding {
        if self.is_cut && finding.verdict.speaks_against() {
            finding.verdict = Verdict::NotReached;
            finding.seen += "; but more has come than is read";
        }
        let mut packets = std::mem::take(&mut self.packets);
        packets.sort_by_key(|packet| packet.time);
        let took = self.until.zip(self.began);
        let took = took.map(|(until, began)| until.saturating_duration_since(began));
        finding
            .with_packets(packets)
            .with_key_log(std::mem::take(&mut self.key_log))
            .with_took(took.unwrap_or_default())
    }
}

fn sent_lines(record: &Record, datagram: usize) -> Vec<String> {
    let packets = record.sent.iter().filter(|sent| sent.datagram == datagram);
    let lines: Vec<_> = packets
        .map(|sent| packet_line(sent.level, sent.number, &sent.payload))
        .collect();
    match lines.is_empty() {
        true => vec![format!("{} bytes", record.datagrams[datagram].bytes.len())],
        false => lines,
    }
}

fn received_lines(record: &Record, datagram: usize) -> Vec<String> {
    let packets = record.packets.iter();
    let opened = packets
        .filter(|packet| packet.datagram == datagram)
        .map(|packet| packet_line(packet.level, packet.number, &packet.payload));
    let unopened = record.unopened.iter();
    let unopened = unopened
        .filter(|packet| packet.datagram == datagram)
        .map(unopened_line);
    opened.chain(unopened).collect()
}

/// Writes a packet as `1-RTT 5: PING, STREAM 0 [0..5)`.
fn packet_line(level: Level, number: u64, payload: &[u8]) -> String {
    let kind = match level {
        Level::Initial => "Initial",
        Level::EarlyData => "0-RTT",
        Level::Handshake => "Handshake",
        Level::OneRtt => "1-RTT",
    };
    let frames = frames(payload).map(|frame| match frame {
        Ok(frame) => frame.to_string(),
        Err(malformed) => malformed.to_string(),
    });
    match frames.collect::<Vec<_>>().join(", ") {
        frames if frames.is_empty() => format!("{kind} {number}: no frames"),
        frames => format!("{kind} {number}: {frames}"),
    }
}

fn unopened_line(packet: &UnopenedPacket) -> String {
    let kind = packet.header.as_ref();
    let kind = kind.map_or("datagram", |header| header.packet_type.name());
    let size = packet.bytes.len();
    let why = match packet.why {
        Unopened::Malformed(malformed) => malformed.to_string(),
        Unopened::NoKeys => "no keys for it".to_owned(),
        Unopened::NotAuthentic => "not authentic".to_owned(),
        Unopened::ForeignDestination => "to a foreign connection ID".to_owned(),
        Unopened::Refused => "discarded".to_owned(),
        Unopened::VersionNegotiation => {
            let versions = packet.header.iter().flat_map(|header| &header.versions);
            let versions: Vec<_> = versions.map(|version| format!("{version:#010x}")).collect();
            versions.join(", ")
        }
        Unopened::Retry => "followed".to_owned(),
        Unopened::StatelessReset => "stateless reset".to_owned(),
        _ => "not expected".to_owned(),
    };
    format!("{kind}, {size} bytes: {why}")
}

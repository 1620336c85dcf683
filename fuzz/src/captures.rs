//! Captures, and the datagrams in them.

use std::{net::SocketAddr, time::Duration};

use qecho_packet::{
    Observation,
    capture::{CaptureReader, Item},
    dissect::{CapturedDatagram, Dissector},
    trace::{LossSource, Tracer},
};
use qecho_testkit::tampering;

/// A capture in which the other samples are found.
const CAPTURE: &[u8] = include_bytes!("../../crates/qecho-packet/tests/captures/segmented.pcapng");

/// Connections and sessions that are kept: few, so that room is made.
const KEPT: usize = 4;

/// Reads a file as `qecho trace` does, from its first byte to its last event.
pub fn read_capture(input: &[u8]) {
    let Ok(mut reader) = CaptureReader::new(input) else {
        return;
    };
    let mut story = Story::new();
    let mut last = 0;
    // An error ends a file, and is told.
    while let Ok(Some(item)) = reader.next() {
        match item {
            Item::Datagram(captured) => {
                assert!(captured.offset > last && captured.offset <= input.len() as u64);
                last = captured.offset;
                story.tell(captured.at, &captured.datagram());
            }
            Item::Skipped { offset, .. } => {
                assert!(offset > last && offset <= input.len() as u64);
                last = offset;
            }
            Item::Secrets(text) => story.dissector.add_secrets(&text),
        }
    }
    story.finish();
}

/// Dissects datagrams: lines of a key log to the first zero byte; then, again and again, a byte
/// with who sends, two with the length, and a datagram.
pub fn dissect(input: &[u8]) {
    let mut story = Story::new();
    let (key_log, mut rest) = match input.iter().position(|byte| *byte == 0) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (&[][..], input),
    };
    story
        .dissector
        .add_secrets(&String::from_utf8_lossy(key_log));
    let ends = [([127, 0, 0, 1], 40_000), ([127, 0, 0, 1], 4_433)].map(SocketAddr::from);
    let mut at = Duration::ZERO;
    while let Some((&[sender, high, low], after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(after.len());
        let (datagram, after) = after.split_at(length);
        rest = after;
        let [source, destination] = match sender % 2 {
            0 => ends,
            _ => [ends[1], ends[0]],
        };
        at += Duration::from_millis(1);
        let mut seen = CapturedDatagram::new(source, destination, datagram);
        seen.cut = sender & 0x40 != 0;
        story.tell(at, &seen);
    }
    story.finish();
}

/// A dissector, and what tells the events of what it finds.
struct Story {
    dissector: Dissector,
    tracer: Tracer,
}

impl Story {
    fn new() -> Self {
        Self {
            dissector: Dissector::new(KEPT, KEPT),
            tracer: Tracer::new(LossSource::Inferred),
        }
    }

    fn tell(&mut self, at: Duration, seen: &CapturedDatagram<'_>) {
        let tracer = &mut self.tracer;
        let mut sizes = 0;
        self.dissector.datagram(seen, &mut |observation| {
            if let Observation::Datagram(datagram) = &observation {
                sizes += datagram
                    .packets
                    .iter()
                    .map(|packet| packet.size)
                    .sum::<usize>();
            }
            tracer.observe(at, &observation, &mut |event| drop(format!("{event:?}")));
        });
        assert!(
            sizes <= seen.payload.len(),
            "packets are longer than what they came in"
        );
    }

    fn finish(mut self) {
        let tracer = &mut self.tracer;
        self.dissector.finish(&mut |observation| {
            tracer.observe(Duration::MAX, &observation, &mut |_| ());
        });
    }
}

pub(crate) fn files() -> Vec<Vec<u8>> {
    let mut files = tampering::samples().to_vec();
    files.push(include_bytes!("../../crates/qecho-packet/tests/captures/dumpcap.pcapng").to_vec());
    files
}

/// Returns what a capture has, in the form that [`dissect`] takes.
pub(crate) fn conversations() -> Vec<Vec<u8>> {
    let (mut key_log, mut datagrams) = (String::new(), Vec::new());
    let mut reader = CaptureReader::new(CAPTURE).expect("it is a capture");
    while let Some(item) = reader.next().expect("it is whole") {
        match item {
            Item::Datagram(captured) => {
                datagrams.push(u8::from(
                    captured.source.port() < captured.destination.port(),
                ));
                datagrams.extend((captured.payload.len() as u16).to_be_bytes());
                datagrams.extend(captured.payload);
            }
            Item::Secrets(text) => key_log += &text,
            Item::Skipped { .. } => {}
        }
    }
    vec![[key_log.as_bytes(), &[0], &datagrams].concat()]
}

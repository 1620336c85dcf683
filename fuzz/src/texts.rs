//! Files of text that come from elsewhere: key logs and reports.

use qecho_measure::bench::Report;
use qecho_packet::{
    capture::{CaptureReader, Item},
    dissect::Dissector,
};
use qecho_testkit::tampering;

/// Reads a key log (RFC 9850).
pub fn read_key_log(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut dissector = Dissector::default();
    dissector.add_secrets(&text);
    // Some editors end lines by a carriage return alone.
    let lines = text.split(['\r', '\n']).count() as u64;
    assert!(dissector.malformed_secrets() <= lines);
}

/// Reads a report of `qecho bench`, writes it again, and merges it with itself.
pub fn read_report(input: &[u8]) {
    let Ok(report) = serde_json::from_slice::<Report>(input) else {
        return;
    };
    let written = serde_json::to_string(&report).expect("its figures are finite");
    let again: Report = serde_json::from_str(&written).expect("it was just written");
    assert_eq!(
        serde_json::to_string(&again).expect("its figures are finite"),
        written
    );
    // Some reports cannot be merged, and say so.
    let _ = Report::merge(&[report.clone(), report]);
}

pub(crate) fn key_logs() -> Vec<Vec<u8>> {
    let [capture, _] = tampering::samples();
    let mut reader = CaptureReader::new(&capture[..]).expect("it is a capture");
    let mut logs = vec![b"# nothing\r\nCLIENT_RANDOM 00 11\n".to_vec()];
    while let Some(item) = reader.next().expect("it is whole") {
        if let Item::Secrets(text) = item {
            logs.push(text.into_bytes());
        }
    }
    logs
}

pub(crate) fn reports() -> Vec<Vec<u8>> {
    vec![include_bytes!("../corpus/report/closed-loop.json").to_vec()]
}

//! Captures that somebody has tampered with, as they are shown.

use std::{
    io::Cursor,
    path::Path,
    sync::{Arc, Mutex},
};

use qecho_trace::{Layout, TraceText};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

const SEEDS: u64 = 500;

/// Shows events in every form that there is, to nobody.
struct AllFormats {
    texts: Vec<TraceText>,
    sequence: Sequence,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl AllFormats {
    fn new(shown: Arc<Mutex<Vec<u8>>>) -> Self {
        let text = |detail| {
            let layout = Layout::default().with_width(100);
            TraceText::new(detail, layout)
        };
        Self {
            texts: [Detail::Handshake, Detail::Packets, Detail::Frames]
                .map(text)
                .into(),
            sequence: Sequence::new(SEQUENCE_COLUMNS),
            shown,
        }
    }
}

impl Sink for AllFormats {
    fn take(&mut self, event: &Event<'_>) -> io::Result<()> {
        let mut shown = self.shown.lock().expect("nobody panics with it");
        for text in &mut self.texts {
            text.write(event, &mut *shown)?;
        }
        self.sequence.write(event, &mut *shown)
    }

    fn finish(&mut self) -> io::Result<()> {
        let mut shown = self.shown.lock().expect("nobody panics with it");
        self.sequence.finish(&mut *shown)
    }
}

/// Reads a file; returns what is shown of it, and why it could not be read to
/// its end.
fn view(file: &[u8]) -> (String, Option<Failure>) {
    let shown = Arc::default();
    let mut view = FileTracer {
        tracer: Tracer::new(LossSource::Inferred),
        sinks: vec![Box::new(AllFormats::new(Arc::clone(&shown)))],
        recognition: Some(Recognition::default()),
        counts: Counts::default(),
        failure: None,
    };
    let source = Box::new(Cursor::new(file.to_vec()));
    let outcome = CaptureInput::of(source, Path::new("file"), "a file".into())
        .and_then(|mut input| view.read(&mut input, &mut Dissector::default()));
    view.finish().expect("memory takes it all");
    let shown = std::mem::take(&mut *shown.lock().expect("nobody panics with it"));
    let shown = String::from_utf8(shown).expect("what is shown is text");
    (shown, outcome.err())
}

#[test]
fn whatever_a_capture_holds_what_is_shown_is_lines_of_text() {
    let samples = qecho_testkit::tampering::samples();
    let (mut lines, mut failures) = (0, 0);
    for seed in 0..SEEDS {
        let mut random = StdRng::seed_from_u64(seed);
        let mut file = samples[random.random_range(0..samples.len())].clone();
        for _ in 0..random.random_range(1..8) {
            qecho_testkit::tampering::tamper(&mut file, &mut random);
        }
        let (shown, failure) = view(&file);
        let control = |character: &char| character.is_control() && *character != '\n';
        let found = shown.chars().find(control);
        assert_eq!(found, None, "a terminal would obey it; the seed was {seed}");
        lines += shown.lines().count();
        failures += usize::from(failure.is_some());
    }
    let seeds = SEEDS as usize;
    assert!(lines > 50 * seeds, "{lines}");
    assert!(failures > seeds / 5, "{failures}");
}

#[test]
fn what_is_repeated_of_another_file_is_not_shown() {
    let [all, repeated] = qecho_testkit::tampering::samples().map(|file| {
        let (shown, failure) = view(&file);
        assert!(failure.is_none());
        shown
    });
    for hidden in ["ClientHello", "ServerHello", "[904..2074)", "lost: "] {
        assert_eq!(repeated.matches(hidden).count(), 0, "{hidden}");
    }
    for shown in ["connection 1, original destination", "CONNECTION_CLOSE"] {
        let count = |text: &str| text.matches(shown).count();
        assert!(
            count(&all) > 0 && count(&all) == count(&repeated),
            "{shown}"
        );
    }
}

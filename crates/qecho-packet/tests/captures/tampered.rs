//! Captures that somebody has tampered with, on the whole way that `qecho
//! trace` takes them: no panic, one error at most, and a limit to the memory.

use std::time::Duration;

use qecho_packet::{
    Observation,
    capture::{CaptureReader, Item, ReadError},
    dissect::Dissector,
    trace::{Event, EventKind, LossSource, Tracer},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use qecho_testkit::{
    counting::live,
    seed::ShowsSeed,
    tampering::{samples, tamper},
};

const SEEDS: u64 = 2_000;

/// Bytes that a byte of a file may cost while it is read, and those that any
/// file may.
const BYTES_PER_BYTE: isize = 8;
const SMALL: isize = 40_000;

/// Outcomes of all files.
#[derive(Debug, Default)]
struct Counts {
    datagrams: usize,
    opened: usize,
    closed: usize,
    lost: usize,
    errors: usize,
    whole: usize,
}

impl Counts {
    fn hear(&mut self, event: &Event<'_>) {
        match &event.kind {
            EventKind::Lost(_) => self.lost += 1,
            EventKind::Datagram(datagram) => {
                self.datagrams += 1;
                for packet in &datagram.packets {
                    match packet.content {
                        Some(_) => self.opened += 1,
                        None => self.closed += 1,
                    }
                }
            }
            _ => {}
        }
    }

    /// Reads a file; returns the most bytes that were in use meanwhile.
    fn read(&mut self, file: &[u8]) -> isize {
        let before = live();
        let mut most = 0;
        let mut dissector = Dissector::default();
        let mut tracer = Tracer::new(LossSource::Inferred);
        let outcome = each_item(file, |item| {
            let captured = match item {
                Item::Datagram(captured) => captured,
                Item::Secrets(secrets) => return dissector.add_secrets(&secrets),
                Item::Skipped { .. } => return,
            };
            dissector.datagram(&captured.datagram(), &mut |observation| {
                most = most.max(live() - before);
                let mut tell = |event: &Event<'_>| self.hear(event);
                match captured.repeated {
                    true => tracer.learn(captured.at, &observation, &mut tell),
                    false => tracer.observe(captured.at, &observation, &mut tell),
                }
            });
            most = most.max(live() - before);
        });
        dissector.finish(&mut |observation: Observation| {
            tracer.observe(Duration::ZERO, &observation, &mut |event| self.hear(event));
        });
        match outcome {
            Ok(()) => self.whole += 1,
            Err(error) => {
                self.errors += 1;
                let words = error.to_string();
                let placed = words.contains("at byte") || words.starts_with("is ");
                assert!(placed, "{words}");
            }
        }
        drop((dissector, tracer));
        assert!(live() - before < 10_000, "{} bytes stay", live() - before);
        most
    }
}

/// Hands out all that can be read; an error must be the last word.
fn each_item(file: &[u8], mut take: impl FnMut(Item)) -> Result<(), ReadError> {
    let mut reader = CaptureReader::new(file)?;
    loop {
        match reader.next() {
            Ok(Some(item)) => take(item),
            Ok(None) => return Ok(()),
            Err(error) => {
                assert!(
                    matches!(reader.next(), Ok(None)),
                    "it goes on after {error}"
                );
                return Err(error);
            }
        }
    }
}

#[test]
fn no_capture_makes_the_trace_of_it_panic_or_take_more_than_its_share_of_memory() {
    let samples = samples();
    let mut tally = Counts::default();
    for seed in 0..SEEDS {
        let _shows_seed = ShowsSeed(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let mut file = samples[random.random_range(0..samples.len())].clone();
        for _ in 0..random.random_range(1..8) {
            tamper(&mut file, &mut random);
        }
        let most = tally.read(&file);
        let limit = SMALL + BYTES_PER_BYTE * file.len() as isize;
        assert!(most <= limit, "{most} bytes for {}", file.len());
    }
    let seeds = SEEDS as usize;
    for (count, least) in [
        (tally.datagrams, 5 * seeds),
        (tally.opened, 5 * seeds),
        (tally.closed, seeds / 2),
        (tally.lost, seeds / 10),
        (tally.errors, seeds / 5),
        (tally.whole, seeds / 5),
    ] {
        assert!(count >= least, "{least} of {tally:?}");
    }
}

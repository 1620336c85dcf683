//! A distribution as text, exact enough to be merged with others.

use base64::{Engine, prelude::BASE64_STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2DeflateSerializer},
};

use crate::latency::empty_histogram;

/// Encodes a distribution in the form that HdrHistograms are exchanged in.
pub(super) fn encode(histogram: &Histogram<u64>) -> String {
    let mut compressed = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut compressed)
        .expect("its counts fit, and memory can be written to");
    BASE64_STANDARD.encode(compressed)
}

/// Decodes a distribution; `None` if the text is none.
pub(super) fn decode(text: &str) -> Option<Histogram<u64>> {
    let compressed = BASE64_STANDARD.decode(text).ok()?;
    Deserializer::new().deserialize(&mut &compressed[..]).ok()
}

/// Decodes two distributions and adds them; a text that is none adds nothing.
pub(super) fn joined(one: &str, other: &str) -> Histogram<u64> {
    let mut sum = empty_histogram();
    for part in [one, other].into_iter().filter_map(decode) {
        sum.add(part).expect("it grows for any value");
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::latency::LatencyRecorder;

    #[test]
    fn a_distribution_is_read_back_as_it_was() {
        let mut times = empty_histogram();
        for number in 1..=10_000 {
            times.saturating_record(1_000 * number);
        }
        assert_eq!(decode(&encode(&times)), Some(times));
        assert_eq!(decode("no Base64"), None);
        assert_eq!(decode("bm8gaGlzdG9ncmFt"), None);
    }

    #[test]
    fn a_time_of_hours_stays_in_a_joined_distribution() {
        let mut times = LatencyRecorder::default();
        times.record(Duration::from_secs(2 * 3_600));
        let one = encode(times.histogram());
        times.record(Duration::from_millis(1));
        let joined = joined(&one, &encode(times.histogram()));
        assert_eq!(joined.len(), 3);
        assert!(joined.max() >= 2 * 3_600 * 1_000_000_000);
    }
}

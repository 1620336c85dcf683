//! A distribution as text, exact enough to be merged with others.

use base64::{Engine, prelude::BASE64_STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2DeflateSerializer},
};

use crate::bench::tally::Times;

/// Encodes a distribution in the form that HdrHistograms are exchanged in.
pub(super) fn encode(times: &Times) -> String {
    let mut compressed = Vec::new();
    V2DeflateSerializer::new()
        .serialize(&times.0, &mut compressed)
        .expect("its counts fit, and memory can be written to");
    BASE64_STANDARD.encode(compressed)
}

/// Decodes a distribution; what is none is `None`.
pub(super) fn decode(text: &str) -> Option<Histogram<u64>> {
    let compressed = BASE64_STANDARD.decode(text).ok()?;
    Deserializer::new().deserialize(&mut &compressed[..]).ok()
}

/// Decodes two distributions and adds them; what is none adds nothing.
pub(super) fn joined(one: &str, other: &str) -> Times {
    let mut times = Times::default();
    for part in [one, other].into_iter().filter_map(decode) {
        // A value beyond the bounds is in no distribution of ours.
        let _ = times.0.add(part);
    }
    times
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_distribution_is_read_back_as_it_was() {
        let mut times = Times::default();
        for number in 1..=10_000 {
            times.record(Duration::from_micros(number));
        }
        assert_eq!(decode(&encode(&times)), Some(times.0));
        assert_eq!(decode("no Base64"), None);
        assert_eq!(decode("bm8gaGlzdG9ncmFt"), None);
    }
}

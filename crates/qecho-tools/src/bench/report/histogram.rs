//! A distribution as text, exact enough to be merged with others.

use base64::{Engine, prelude::BASE64_STANDARD};
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use crate::bench::tally::Times;

/// Encodes a distribution in the form that HdrHistograms are exchanged in.
pub(super) fn encode(times: &Times) -> String {
    let mut compressed = Vec::new();
    V2DeflateSerializer::new()
        .serialize(&times.0, &mut compressed)
        .expect("its counts fit, and memory can be written to");
    BASE64_STANDARD.encode(compressed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hdrhistogram::{Histogram, serialization::Deserializer};

    use super::*;

    #[test]
    fn a_distribution_is_read_back_as_it_was() {
        let mut times = Times::default();
        for number in 1..=10_000 {
            times.record(Duration::from_micros(number));
        }
        let compressed = BASE64_STANDARD.decode(encode(&times));
        let mut compressed = &compressed.expect("it is Base64")[..];
        let read: Histogram<u64> = Deserializer::new()
            .deserialize(&mut compressed)
            .expect("it is an HdrHistogram");
        assert_eq!(read, times.0);
    }
}

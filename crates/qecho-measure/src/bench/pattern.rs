//! Bytes to send, by which one can tell what comes back wrong.

use bytes::Bytes;

use qecho_echo::COALESCE_MAX;

/// Bytes after which the pattern repeats: a prime number, so that messages of
/// round sizes differ from one another for a long time.
const PERIOD: usize = 1_048_573;

/// A long sequence of bytes; every stream sends the part of it that begins
/// where the stream's own origin is.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Bytes);

impl Pattern {
    pub(super) fn new() -> Self {
        // A multiplicative generator is random enough to tell bytes apart.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state = state.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
            (state >> 56) as u8
        };
        let mut bytes: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        bytes.extend_from_within(..COALESCE_MAX);
        Self(bytes.into())
    }

    /// Returns where the `number`-th stream begins.
    pub(super) fn origin(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % PERIOD as u64
    }

    /// Returns at most `length` bytes from `at`, uncopied.
    pub(super) fn piece(&self, at: u64, length: usize) -> Bytes {
        let start = (at % PERIOD as u64) as usize;
        self.0.slice(start..start + length.min(COALESCE_MAX))
    }

    /// Compares what came with what was sent from `at`; returns the place of
    /// the first byte that differs.
    pub(super) fn compare(&self, at: u64, came: &[u8]) -> Result<(), u64> {
        let mut offset = 0;
        for part in came.chunks(COALESCE_MAX) {
            let start = ((at + offset) % PERIOD as u64) as usize;
            let sent = &self.0[start..start + part.len()];
            if sent != part {
                let mut pairs = sent.iter().zip(part);
                let place = pairs.position(|(sent, came)| sent != came);
                return Err(offset + place.unwrap_or_default() as u64);
            }
            offset += part.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_is_expected_wherever_it_begins() {
        let pattern = Pattern::new();
        for at in [0, 1, PERIOD as u64 - 1, 7 * PERIOD as u64 - 30_000] {
            let first = pattern.piece(at, COALESCE_MAX);
            let second = pattern.piece(at + first.len() as u64, 100);
            let mut both = [&first[..], &second[..]].concat();
            assert_eq!(pattern.compare(at, &both), Ok(()));
            both[65_540] ^= 1;
            assert_eq!(pattern.compare(at, &both), Err(65_540));
        }
    }

    #[test]
    fn streams_are_told_apart_and_so_are_messages_of_one_stream() {
        let pattern = Pattern::new();
        let origin = Pattern::origin(1);
        let message = pattern.piece(origin, 64);
        assert!(pattern.compare(origin + 64, &message).is_err());
        for number in (0..1_000).filter(|number| *number != 1) {
            let other = Pattern::origin(number);
            assert!(pattern.compare(other, &message).is_err(), "{number}");
        }
    }
}

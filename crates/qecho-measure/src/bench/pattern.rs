//! Bytes to send, which show where an echo differs.

use bytes::Bytes;
use qecho_echo::COALESCE_MAX;

use super::failure::{ConnectionFailure, ErrorKind};

/// Bytes after which the pattern repeats: a prime number, so that messages of
/// round sizes differ from one another for a long time.
const PERIOD: usize = 1_048_573;

/// A long sequence of bytes; every stream sends the part of it that begins
/// at the stream's own origin.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    bytes: Bytes,
    /// Whether echoes are compared.
    verify: bool,
}

impl Pattern {
    pub(super) fn new(verify: bool) -> Self {
        // A multiplicative generator is random enough to tell bytes apart.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state = state.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
            (state >> 56) as u8
        };
        let mut bytes: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        bytes.extend_from_within(..COALESCE_MAX);
        let bytes = bytes.into();
        Self { bytes, verify }
    }

    /// Returns the origin of the `number`-th stream.
    pub(super) fn origin(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % PERIOD as u64
    }

    /// Returns at most `length` bytes from `at`, uncopied.
    pub(super) fn piece(&self, at: u64, length: usize) -> Bytes {
        let start = (at % PERIOD as u64) as usize;
        self.bytes.slice(start..start + length.min(COALESCE_MAX))
    }

    /// Compares bytes that came back with those sent from `at`, if the load is
    /// to be verified.
    pub(super) fn check(&self, at: u64, received: &[u8]) -> Result<(), ConnectionFailure> {
        if !self.verify {
            return Ok(());
        }
        self.compare(at, received).map_err(|offset| {
            let reason = format!("byte {offset} of a piece of {} differs", received.len());
            ConnectionFailure::new(ErrorKind::Differs, reason)
        })
    }

    /// Compares received bytes with those from `at`; the error is the offset
    /// of the first that differs.
    fn compare(&self, at: u64, received: &[u8]) -> Result<(), u64> {
        let mut offset = 0;
        for part in received.chunks(COALESCE_MAX) {
            let start = ((at + offset) % PERIOD as u64) as usize;
            let sent = &self.bytes[start..start + part.len()];
            if sent != part {
                let mut pairs = sent.iter().zip(part);
                let differing = pairs.position(|(sent, received)| sent != received);
                return Err(offset + differing.unwrap_or_default() as u64);
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
        let pattern = Pattern::new(true);
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
        let pattern = Pattern::new(true);
        let origin = Pattern::origin(1);
        let message = pattern.piece(origin, 64);
        assert!(pattern.compare(origin + 64, &message).is_err());
        for number in (0..1_000).filter(|number| *number != 1) {
            let other = Pattern::origin(number);
            assert!(pattern.compare(other, &message).is_err(), "{number}");
        }
    }
}

//! Contents of a message: its number, its stamp, and a pattern.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};

use super::{config::SIZE_MIN, probes::Probe};

/// Contents of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    /// From 1.
    pub(super) sequence: u64,
    /// Time at which it was to be sent, in nanoseconds since the ping began.
    pub(super) stamp: u64,
    /// Bytes in all.
    pub(super) size: usize,
}

impl Payload {
    /// Returns the message of a ping; stamps count from `epoch`.
    pub(super) fn of(probe: Probe, epoch: Instant, size: usize) -> Self {
        Self {
            sequence: probe.sequence,
            stamp: stamp(epoch, probe.intended),
            size,
        }
    }

    /// Returns the message's bytes.
    pub(super) fn bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.size.max(SIZE_MIN));
        bytes.put_u64(self.sequence);
        bytes.put_u64(self.stamp);
        // Every message differs from the one before in every byte.
        let pattern = (0..self.size.saturating_sub(SIZE_MIN))
            .map(|place| (place as u64).wrapping_add(self.sequence) as u8);
        bytes.extend(pattern);
        bytes.freeze()
    }

    /// Reads the contents of a message.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (sequence, rest) = bytes.split_first_chunk()?;
        let (stamp, _) = rest.split_first_chunk()?;
        Some(Self {
            sequence: u64::from_be_bytes(*sequence),
            stamp: u64::from_be_bytes(*stamp),
            size: bytes.len(),
        })
    }
}

/// Returns the stamp of a message that was to be sent at `intended`, in
/// nanoseconds.
pub(super) fn stamp(epoch: Instant, intended: Instant) -> u64 {
    intended.saturating_duration_since(epoch).as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_tells_its_number_and_stamp() {
        for size in [16, 17, 64, 1_000] {
            let payload = Payload {
                sequence: 7,
                stamp: 1 << 40,
                size,
            };
            let bytes = payload.bytes();
            assert_eq!(bytes.len(), size);
            assert_eq!(Payload::read(&bytes), Some(payload));
        }
        assert_eq!(Payload::read(&[0; SIZE_MIN - 1]), None);
    }

    #[test]
    fn no_message_equals_the_next() {
        let (stamp, size) = (0, 300);
        let [one, next] = [1, 2].map(|sequence| Payload {
            sequence,
            stamp,
            size,
        });
        let (one, next) = (one.bytes(), next.bytes());
        let mut pairs = one.iter().zip(&next).skip(SIZE_MIN);
        assert!(pairs.all(|(one, next)| one != next));
    }
}

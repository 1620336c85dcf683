//! Keys that cut PADDING off the end of what they decrypt: the state machine reads
//! each byte of it as a frame, which costs more than the rest of the packet.

use bytes::BytesMut;
use quinn_proto::crypto::{CryptoError, KeyPair, Keys, PacketKey};

use crate::wire::{Frame, frames};

/// PADDING that is worth cutting off, in bytes.
const WORTHWHILE: usize = 32;

/// Cuts PADDING off what these keys decrypt.
///
/// Not for a client's first packet, whose length after decryption the state machine
/// takes for what has arrived: a server may answer with three times as much
/// (RFC 9000 §8.1).
pub(super) fn cut(keys: Keys) -> Keys {
    Keys {
        header: keys.header,
        packet: cut_pair(keys.packet),
    }
}

/// As [`cut`], for packet keys.
pub(super) fn cut_pair(keys: KeyPair<Box<dyn PacketKey>>) -> KeyPair<Box<dyn PacketKey>> {
    KeyPair {
        local: keys.local,
        remote: cut_single(keys.remote),
    }
}

/// As [`cut`], for one key.
pub(super) fn cut_single(key: Box<dyn PacketKey>) -> Box<dyn PacketKey> {
    Box::new(CuttingKey(key))
}

struct CuttingKey(Box<dyn PacketKey>);

impl PacketKey for CuttingKey {
    fn encrypt(&self, number: u64, packet: &mut [u8], header_length: usize) {
        self.0.encrypt(number, packet, header_length);
    }

    fn decrypt(
        &self,
        number: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        self.0.decrypt(number, header, payload)?;
        if let Some(length) = length_of_frames(payload) {
            // A copy, not a part: what is kept of a packet counts as much as its payload
            // is long, so it must not keep the whole packet alive. One byte of PADDING
            // stays, so that a packet of nothing else does not become an empty one.
            *payload = BytesMut::from(&payload[..=length]);
        }
        Ok(())
    }

    fn tag_len(&self) -> usize {
        self.0.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.0.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.0.integrity_limit()
    }
}

/// Returns how many bytes stand before the PADDING at the end of a payload, if that is
/// worth cutting off. The end of a STREAM frame may be zeros, too, so frames are read.
fn length_of_frames(payload: &[u8]) -> Option<usize> {
    if payload.last_chunk() != Some(&[0; WORTHWHILE]) {
        return None;
    }
    let mut padding = 0;
    for frame in frames(payload) {
        padding = match frame.ok()? {
            Frame::Padding { length } => length,
            _ => 0,
        };
    }
    (padding >= WORTHWHILE).then(|| payload.len() - padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_zeros(frames: &[u8], zeros: usize) -> Vec<u8> {
        [frames, &vec![0; zeros]].concat()
    }

    #[test]
    fn padding_at_the_end_is_found() {
        assert_eq!(length_of_frames(&with_zeros(&[0x01], 1_300)), Some(1));
        let crypto = [0x06, 0x00, 0x02, 0xaa, 0x00];
        assert_eq!(length_of_frames(&with_zeros(&crypto, 900)), Some(5));
        assert_eq!(length_of_frames(&[0; 100]), Some(0));
        let scattered = [0x01, 0x00, 0x00, 0x01];
        assert_eq!(length_of_frames(&with_zeros(&scattered, 65_000)), Some(4));
    }

    #[test]
    fn zeros_that_somebody_sent_are_left() {
        let to_the_end = [0x08, 0x00];
        assert_eq!(length_of_frames(&with_zeros(&to_the_end, 1_000)), None);
        let counted = [0x0a, 0x00, 0x40, 0xc8];
        assert_eq!(length_of_frames(&with_zeros(&counted, 200)), None);
        assert_eq!(length_of_frames(&with_zeros(&counted, 300)), Some(204));
        let datagram = [0x30];
        assert_eq!(length_of_frames(&with_zeros(&datagram, 1_000)), None);
    }

    #[test]
    fn little_padding_none_and_what_is_malformed_are_left() {
        assert_eq!(length_of_frames(&with_zeros(&[0x01], 31)), None);
        assert_eq!(length_of_frames(&[]), None);
        assert_eq!(length_of_frames(&[0x01; 100]), None);
        assert_eq!(length_of_frames(&with_zeros(&[0x3f], 100)), None);
    }
}

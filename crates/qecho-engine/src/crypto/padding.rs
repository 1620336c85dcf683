//! Spares the QUIC state machine the PADDING at a packet's end: it takes each
//! byte for a frame of its own, which for a client's first datagram costs more
//! than to open it, and for a probe of 65 kB some hundred times as much.
//!
//! What the packet means stays as it is (RFC 9000 §19.1): the datagram has been
//! counted, and one byte of the PADDING is left.

use bytes::BytesMut;
use quinn_proto::crypto::{CryptoError, PacketKey};

use crate::wire::{Frame, frames};

/// Shorter PADDING costs less than to look where it begins.
const WORTHWHILE: usize = 64;

/// A key whose packets have lost the PADDING at their end once they are open.
pub(super) struct Trimming(pub(super) Box<dyn PacketKey>);

impl PacketKey for Trimming {
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
        trim(payload);
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

/// Leaves one byte of the PADDING that ends a packet, if there is much of it.
///
/// A frame's fields and data may end in zeros, too: only a reading of the frames
/// tells where they end. What cannot be read is left alone.
///
/// The rest moves to memory of its own size. The state machine keeps pieces of it
/// until what comes before them has arrived, and takes the payload's length for the
/// memory that each holds back: a byte of data would be able to hold 65 kB.
fn trim(payload: &mut BytesMut) {
    let ends_in_zeros = payload
        .last_chunk::<WORTHWHILE>()
        .is_some_and(|end| *end == [0; WORTHWHILE]);
    if !ends_in_zeros {
        return;
    }
    let last = frames(payload).last();
    if let Some(Ok(Frame::Padding { length })) = last {
        *payload = BytesMut::from(&payload[..=payload.len() - length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 0x01;

    fn trimmed(packet: &[u8]) -> BytesMut {
        let mut payload = BytesMut::from(packet);
        trim(&mut payload);
        payload
    }

    fn with_zeros(frames: &[u8], count: usize) -> Vec<u8> {
        [frames, &vec![0; count]].concat()
    }

    #[test]
    fn of_much_padding_at_the_end_one_byte_stays() {
        assert_eq!(trimmed(&with_zeros(&[PING], 1_000))[..], [PING, 0]);
        // An ACK whose last fields are zeros, too: of packet 0, with no delay.
        let ack = [0x02, 0, 0, 0, 0];
        assert_eq!(trimmed(&with_zeros(&ack, 1_000))[..], [2, 0, 0, 0, 0, 0]);
        assert_eq!(trimmed(&[0; 65_507])[..], [0]);
    }

    #[test]
    fn what_is_left_holds_no_memory_that_it_does_not_show() {
        // STREAM with an offset and a length: a byte that waits for those before it.
        let stream = [0x0e, 0, 0x40, 0x64, 1, b'x'];
        let payload = trimmed(&with_zeros(&stream, 65_000));
        assert_eq!(payload.len(), stream.len() + 1);
        assert_eq!(payload.capacity(), payload.len());
    }

    #[test]
    fn padding_before_and_between_frames_stays() {
        let packet = [with_zeros(&[PING], 500), with_zeros(&[PING], 500)].concat();
        assert_eq!(trimmed(&packet)[..], packet[..503]);
        let packet = [with_zeros(&[], 500), vec![PING]].concat();
        assert_eq!(trimmed(&packet)[..], packet);
    }

    #[test]
    fn zeros_that_a_frame_carries_stay() {
        // CRYPTO with a length; STREAM and DATAGRAM, without one, go on to the end.
        for start in [&[0x06, 0, 0x43, 0xe8][..], &[0x08, 0], &[0x30]] {
            let packet = with_zeros(start, 1_000);
            assert_eq!(trimmed(&packet)[..], packet);
        }
    }

    #[test]
    fn little_padding_and_what_cannot_be_read_stay() {
        for packet in [
            with_zeros(&[PING], WORTHWHILE - 1),
            // No frame has this type, and so it is not known what the zeros are.
            with_zeros(&[0x3f], 1_000),
        ] {
            assert_eq!(trimmed(&packet)[..], packet);
        }
        assert!(trimmed(&[]).is_empty());
    }
}

//! Spares the QUIC state machine the PADDING at a packet's end: it takes each
//! byte for a frame of its own, which for a client's first datagram costs more
//! than to open it, and for a probe of 65 kB some hundred times as much.
//!
//! What the packet means stays as it is (RFC 9000 §19.1): one byte of the PADDING
//! is left, or, where its length counts, all of it in fewer frames.

use bytes::BytesMut;

use qecho_packet::wire::{Frame, frames};

/// Shorter PADDING costs less than to look where it begins.
const WORTHWHILE: usize = 64;

/// The frame type of PADDING as a variable-length integer of eight bytes (RFC 9000
/// §16). On the wire a frame type must be in the shortest form (§12.4); this never
/// goes there, and the state machine does not insist. If it ever does, no handshake
/// works, and every test says so.
const PADDING_IN_EIGHT_BYTES: [u8; 8] = [0xc0, 0, 0, 0, 0, 0, 0, 0];

/// Leaves one byte of the PADDING that ends a packet, if there is much of it.
///
/// The rest moves to memory of its own size. The state machine keeps pieces of it
/// until what comes before them has arrived, and takes the payload's length for the
/// memory that each holds back: a byte of data would be able to hold 65 kB.
pub(super) fn trim(payload: &mut BytesMut) {
    if let Some(length) = padding_at_the_end(payload) {
        *payload = BytesMut::from(&payload[..=payload.len() - length]);
    }
}

/// Joins the PADDING that ends a packet to fewer frames, if there is much of it.
///
/// That is for the first packet which a server opens, whose length counts: as much as three
/// times of it the server may send (RFC 9000 §8.1), and here the state machine does not
/// count the datagram, but what was in the packet.
pub(super) fn keep_length(payload: &mut BytesMut) {
    if let Some(length) = padding_at_the_end(payload) {
        let begin = payload.len() - length;
        for padding in payload[begin..].chunks_exact_mut(PADDING_IN_EIGHT_BYTES.len()) {
            padding.copy_from_slice(&PADDING_IN_EIGHT_BYTES);
        }
    }
}

/// Returns how many bytes of PADDING end a packet, if they are many.
///
/// A frame's fields and data may end in zeros, too: only a reading of the frames
/// tells where they end. What cannot be read is left alone.
fn padding_at_the_end(payload: &[u8]) -> Option<usize> {
    if *payload.last_chunk::<WORTHWHILE>()? != [0; WORTHWHILE] {
        return None;
    }
    match frames(payload).last() {
        Some(Ok(Frame::Padding { length })) => Some(length),
        _ => None,
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
    fn where_its_length_counts_a_packet_keeps_it() {
        let mut payload = BytesMut::from(&with_zeros(&[PING], 1_003)[..]);
        keep_length(&mut payload);
        assert_eq!(payload.len(), 1_004);
        assert_eq!(payload[..2], [PING, 0xc0]);
        assert_eq!(payload[1..1_001], PADDING_IN_EIGHT_BYTES.repeat(125));
        assert_eq!(payload[1_001..], [0; 3]);
        // Zeros that a frame carries are none.
        let crypto = with_zeros(&[0x06, 0, 0x43, 0xe8], 1_000);
        let mut payload = BytesMut::from(&crypto[..]);
        keep_length(&mut payload);
        assert_eq!(payload[..], crypto);
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

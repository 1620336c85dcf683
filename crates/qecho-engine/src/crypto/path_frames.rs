//! Frames by which a path is validated (RFC 9000 §8.2), in packets as they are sealed and
//! opened: quinn-proto tells neither that it has validated a path nor leaves out PADDING
//! that the anti-amplification limit forbids.

use quinn_proto::crypto::PacketKey;

use qecho_packet::wire::{Frame, frames};

/// Bytes after a packet's header that decide how the header is protected, and that must
/// stay what they are: the sample ends 20 bytes after the packet number begins (RFC 9001
/// §5.4.2).
const SAMPLED: usize = 20;

/// Path validation frames of a 1-RTT packet that was sealed.
pub(crate) struct PathFrames {
    /// Data of its PATH_CHALLENGE.
    pub(crate) challenge: Option<[u8; 8]>,
    unpadded: Option<Unpadded>,
}

/// End of the same packet without the PADDING at its end. The bytes before it are the
/// same: AES-GCM and ChaCha20-Poly1305 encrypt each byte by itself, and only one of both
/// packets is ever sent.
struct Unpadded {
    /// Bytes of PADDING that are left out.
    length: usize,
    tag: Vec<u8>,
}

impl PathFrames {
    /// Reads a packet that `key` is about to seal, which ends with room for the tag.
    pub(super) fn read(
        key: &dyn PacketKey,
        number: u64,
        packet: &[u8],
        header_length: usize,
    ) -> Option<Self> {
        let end = packet.len() - key.tag_len();
        let payload = &packet[header_length..end];
        let (mut challenge, mut response, mut padding) = (None, false, 0);
        for frame in frames(payload).flatten() {
            padding = 0;
            match frame {
                Frame::PathChallenge { data } => challenge = Some(data),
                Frame::PathResponse { .. } => response = true,
                Frame::Padding { length } => padding = length,
                _ => {}
            }
        }
        if challenge.is_none() && !response {
            return None;
        }
        let kept = (payload.len() - padding).max(SAMPLED.min(payload.len()));
        let length = payload.len() - kept;
        let unpadded = (length > 0).then(|| {
            let content = &packet[..header_length + kept];
            let mut sealed = [content, &vec![0; key.tag_len()]].concat();
            key.encrypt(number, &mut sealed, header_length);
            let tag = sealed.split_off(content.len());
            Unpadded { length, tag }
        });
        Some(Self {
            challenge,
            unpadded,
        })
    }

    /// Leaves out the PADDING at the end of a datagram that ends with this packet; returns
    /// how many bytes it had.
    pub(crate) fn strip_padding(&self, datagram: &mut Vec<u8>) -> usize {
        let Some(Unpadded { length, tag }) = &self.unpadded else {
            return 0;
        };
        let Some(end) = datagram.len().checked_sub(tag.len() + length) else {
            return 0;
        };
        datagram.truncate(end);
        datagram.extend_from_slice(tag);
        *length
    }
}

/// Returns what the PATH_RESPONSE frames of a packet say.
pub(super) fn responses(payload: &[u8]) -> impl Iterator<Item = [u8; 8]> {
    frames(payload).filter_map(|frame| match frame {
        Ok(Frame::PathResponse { data }) => Some(data),
        _ => None,
    })
}

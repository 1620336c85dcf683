//! As much of a QUIC packet as it takes to tell whose it is and whether it is
//! the last.

use crate::wire::{self, Frame};

const LONG: u8 = 0x80;
const CONNECTION_ID_MAX: usize = 20;

/// The connection IDs of a datagram that begins with a long header.
pub(super) struct LongHeader<'a> {
    pub(super) destination: &'a [u8],
    pub(super) source: &'a [u8],
    /// Whether it may begin a connection.
    pub(super) is_initial: bool,
}

/// Tells whether the first packet has a long header (RFC 8999 §5.1).
pub(super) fn is_long(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & LONG != 0)
}

/// Reads the first packet's long header (RFC 9000 §17.2).
pub(super) fn long(datagram: &[u8]) -> Option<LongHeader<'_>> {
    let (destination, rest) = connection_id(datagram.get(5..)?)?;
    let (source, _) = connection_id(rest)?;
    Some(LongHeader {
        destination,
        source,
        is_initial: datagram[0] & 0x30 == 0 && datagram[1..5] == [0, 0, 0, 1],
    })
}

fn connection_id(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let length = usize::from(*length);
    (length <= CONNECTION_ID_MAX).then_some(())?;
    rest.split_at_checked(length)
}

/// Tells whether a packet closes its connection.
pub(super) fn closes(frames: &[u8]) -> bool {
    let mut frames = wire::frames(frames).map_while(Result::ok);
    frames.any(|frame| matches!(frame, Frame::ConnectionClose { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_header_tells_both_connection_ids() {
        let mut datagram = vec![0xc3, 0, 0, 0, 1, 3, 1, 2, 3, 0, 9];
        assert!(is_long(&datagram));
        let header = long(&datagram).expect("a header");
        assert_eq!(
            (header.destination, header.source),
            (&[1, 2, 3][..], &[][..])
        );
        assert!(header.is_initial);
        datagram[0] = 0xe3;
        assert!(!long(&datagram).expect("a header").is_initial, "Handshake");
        for length in 0..10 {
            assert!(long(&datagram[..length]).is_none());
        }
        datagram[5] = 21;
        assert!(long(&datagram).is_none());
        assert!(!is_long(&[0x43, 1]));
    }

    #[test]
    fn a_close_is_seen_alone_and_after_acknowledgements() {
        let acknowledgement = [2, 0x40, 9, 0, 1, 0, 0, 0];
        let with_ecn = [3, 9, 0, 0, 0, 1, 2, 3];
        let close = [0x1d, 0, 0];
        for before in [&[][..], &acknowledgement, &with_ecn, &[0, 1, 0]] {
            assert!(closes(&[before, &close].concat()));
            assert!(!closes(before));
            assert!(
                !closes(&[before, &[0x08, 0x1d]].concat()),
                "a stream's data"
            );
        }
        assert!(!closes(&[
            2, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
        ]));
    }
}

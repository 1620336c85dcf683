//! Datagrams, the payloads of their packets, and transport parameters.

use std::ops::Range;

use qecho_packet::{
    TransportParameters,
    wire::{ConnectionId, Frame, Header, PacketType, frames, packets, write_integer},
};

/// Reads a datagram, after a byte that says how long the connection IDs are; each header is
/// read the same from what it writes.
pub fn read_packets(input: &[u8]) {
    let Some((length, datagram)) = input.split_first() else {
        return;
    };
    let mut read = 0;
    let mut decoded = packets(
        datagram,
        usize::from(*length) % (ConnectionId::LENGTH_MAX + 1),
    );
    while let Some(packet) = decoded.next() {
        match packet {
            Ok(packet) => {
                assert_eq!(place(datagram, packet.bytes).start, read);
                assert!(!packet.bytes.is_empty());
                assert!(packet.number_offset <= packet.bytes.len());
                read += packet.bytes.len();
                assert_eq!(decoded.rest().len(), datagram.len() - read);
                check_written(&packet.header);
            }
            Err(malformed) => {
                assert!((read..=datagram.len()).contains(&malformed.offset));
                assert!(decoded.next().is_none(), "a malformed packet is the last");
                return;
            }
        }
    }
    assert!(read <= datagram.len());
}

/// Checks that a header which was read is read the same from what it writes.
fn check_written(header: &Header) {
    let mut written = Vec::new();
    header.write(&mut written);
    match header.packet_type {
        PacketType::Initial | PacketType::ZeroRtt | PacketType::Handshake => {
            write_integer(&mut written, 0);
        }
        PacketType::Retry => written.extend([0; 16]),
        PacketType::OneRtt => written.push(0),
        PacketType::VersionNegotiation | PacketType::Unknown => {}
    }
    let again = packets(&written, header.destination.len()).next();
    let again = again
        .expect("there is a packet")
        .map(|packet| packet.header);
    assert_eq!(again.as_ref(), Ok(header));
}

/// Reads the payload of a packet; what was read is read the same from what it writes.
pub fn read_frames(payload: &[u8]) {
    let mut end = 0;
    let (mut read, mut written) = (Vec::new(), Vec::new());
    let mut decoded = frames(payload);
    while let Some(frame) = decoded.next() {
        match frame {
            Ok(frame) => {
                if let Some(borrowed) = borrowed(&frame) {
                    let place = place(payload, borrowed);
                    assert!(end <= place.start && place.end <= payload.len());
                    end = place.end;
                }
                assert!(decoded.offset() <= payload.len());
                frame.write(&mut written);
                read.push(frame);
            }
            Err(malformed) => {
                assert!(malformed.offset <= payload.len());
                assert!(decoded.next().is_none(), "a malformed frame is the last");
            }
        }
    }
    let again: Result<Vec<_>, _> = frames(&written).collect();
    assert_eq!(again, Ok(read));
}

/// Reads transport parameters (RFC 9000 §18).
pub fn read_parameters(input: &[u8]) {
    let parameters = TransportParameters::parse(input);
    let mut length = 0;
    for (id, value) in parameters.iter() {
        length += 2 + value.len();
        assert!(parameters.get(id).is_some(), "{id}");
        if parameters.integer(id).is_some() {
            assert!((1..=8).contains(&parameters.get(id).map_or(0, <[u8]>::len)));
        }
    }
    assert!(length <= input.len());
    let written = TransportParameters::from_pairs(parameters.iter());
    assert!(written.iter().eq(parameters.iter()));
}

/// Returns where in `whole` the bytes stand that were borrowed of it.
fn place(whole: &[u8], borrowed: &[u8]) -> Range<usize> {
    let begin = borrowed.as_ptr() as usize - whole.as_ptr() as usize;
    begin..begin + borrowed.len()
}

fn borrowed<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    match frame {
        Frame::Crypto { data, .. } | Frame::Stream { data, .. } | Frame::Datagram { data } => {
            Some(data)
        }
        Frame::NewToken { token } => Some(token),
        Frame::ConnectionClose { reason, .. } => Some(reason),
        _ => None,
    }
}

pub(crate) fn datagrams() -> Vec<Vec<u8>> {
    let kinds: [&[u8]; 7] = [
        b"\x08\xc0\0\0\0\x01\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08\0\x02\xaa\xbb\x40\x08\x01\x02\x03\x04\x05\x06\x07\x08",
        b"\x01\xd0\0\0\0\x01\x01\xaa\x01\xbb\x03\x01\x02\x03",
        b"\x01\xe0\0\0\0\x01\x01\xaa\x01\xbb\x05\x01\x02\x03\x04\x05",
        b"\x01\xf0\0\0\0\x01\0\x01\xbbtoken\x04\xa2\x65\xba\x2e\xff\x4d\x82\x90\x58\xfb\x3f\x0f\x24\x96\xba",
        b"\x02\x80\0\0\0\0\x02\x01\x02\0\0\0\0\x01\x6b\x33\x43\xcf",
        b"\x01\xc0\x6b\x33\x43\xcf\x01\xaa\x01\xbb\x01\x02\x03",
        b"\x08\x40\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02",
    ];
    kinds.map(<[u8]>::to_vec).to_vec()
}

/// Returns payloads that between them have a frame of every kind.
pub(crate) fn payloads() -> Vec<Vec<u8>> {
    let kinds: [&[u8]; 8] = [
        b"\0\0\0\x01\x02\x05\0\x01\x01\0\x01\x03\x07\x01\0\x02\x01\x01\x01",
        b"\x04\x03\x40\x07\x08\x05\x04\x40\x09\x06\0\x05hello\x07\x03abc",
        b"\x0e\0\x40\x40\x02hi\x0a\x04\x03abc\x09\x08rest",
        b"\x10\x44\0\x11\0\x44\0\x12\x40\x64\x13\x40\x64\x14\x05\x15\0\x05\x16\x07\x17\x07",
        b"\x18\x02\x01\x04abcd0123456789abcdef\x19\x01\x1a01234567\x1b76543210",
        b"\x1c\x0a\x06\x03why\x1e\x31\x04data\x30to the end",
        b"\x1d\x05\x03why",
        b"\x40\xaf\x01\x02\x43\xe8\x01\x1f",
    ];
    kinds.map(<[u8]>::to_vec).to_vec()
}

pub(crate) fn parameters() -> Vec<Vec<u8>> {
    vec![
        b"\x01\x04\x80\0\x75\x30\x03\x02\x45\xac\x04\x04\x80\x40\0\0\x08\x02\x40\x64\x0e\x01\x08\x0f\x08\x07\x07\x07\x07\x07\x07\x07\x07\x20\x04\x80\0\xff\xff".to_vec(),
        b"\0\x08\x01\x02\x03\x04\x05\x06\x07\x08\x02\x10aaaaaaaaaaaaaaaa\x0c\0\x6a\xb2\0".to_vec(),
    ]
}

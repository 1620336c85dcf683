//! Frames (RFC 9000 §19, RFC 9221 §4).

use qecho_packet::wire::{Frame, Malformed, frames};

use super::sample::{delimited, hex, last};

fn decode(payload: &[u8]) -> Vec<Result<Frame<'_>, Malformed>> {
    frames(payload).collect()
}

fn malformed(payload: &str) -> Malformed {
    let payload = hex(payload);
    let error = decode(&payload).pop().expect("there is something");
    error.expect_err("it is malformed")
}

#[test]
fn every_frame_decodes_with_every_field() {
    for (bytes, frame) in delimited().into_iter().chain(last()) {
        assert_eq!(decode(&bytes), [Ok(frame)], "{bytes:02x?}");
    }
}

#[test]
fn four_frames_alone_probe_a_path() {
    const PROBING: [u8; 4] = [0x00, 0x18, 0x1a, 0x1b];
    for (bytes, frame) in delimited().into_iter().chain(last()) {
        assert_eq!(frame.is_probing(), PROBING.contains(&bytes[0]), "{frame:?}");
    }
}

#[test]
fn frames_follow_one_another() {
    let (ends, _) = last().pop().expect("there is one");
    for (first, frame) in delimited() {
        for (second, follower) in delimited() {
            if frame == follower && matches!(frame, Frame::Padding { .. }) {
                continue;
            }
            let payload = [first.clone(), second, ends.clone()].concat();
            let end = Frame::Datagram { data: b"ab" };
            assert_eq!(decode(&payload), [Ok(frame.clone()), Ok(follower), Ok(end)]);
        }
    }
}

#[test]
fn a_frame_cut_anywhere_is_malformed_inside_its_payload() {
    for (bytes, frame) in delimited() {
        if matches!(frame, Frame::Padding { .. }) {
            continue;
        }
        for length in 1..bytes.len() {
            let cut = [b"\x01".as_slice(), &bytes[..length]].concat();
            let decoded = decode(&cut);
            let [Ok(Frame::Ping), Err(Malformed { offset, what, .. })] = decoded[..] else {
                panic!("{cut:02x?} became {decoded:?}");
            };
            assert!((1..=cut.len()).contains(&offset), "{cut:02x?}: {offset}");
            assert!(!what.is_empty());
        }
    }
}

#[test]
fn what_reaches_to_the_end_may_be_shorter() {
    for (bytes, frame) in last() {
        let shorter = &bytes[..bytes.len() - 2];
        let emptied = match frame {
            Frame::Stream {
                id, offset, fin, ..
            } => Frame::Stream {
                id,
                offset,
                fin,
                data: b"",
            },
            _ => Frame::Datagram { data: b"" },
        };
        assert_eq!(decode(shorter), [Ok(emptied)]);
    }
}

#[test]
fn padding_is_joined_but_not_across_another_frame() {
    let payload = hex("00 00 01 00 00 00");
    let wanted = [
        Ok(Frame::Padding { length: 2 }),
        Ok(Frame::Ping),
        Ok(Frame::Padding { length: 3 }),
    ];
    assert_eq!(decode(&payload), wanted);
}

#[test]
fn nothing_has_no_frames() {
    assert_eq!(decode(&[]), []);
}

#[test]
fn an_unknown_type_ends_the_frames_where_it_stands() {
    for (unknown, words) in [
        ("20", "unknown frame type 0x20 at byte 1"),
        ("02f0", "malformed ACK at byte 2"),
        ("40b0", "unknown frame type 0xb0 at byte 1"),
        ("80000040", "unknown frame type 0x40 at byte 1"),
        (
            "ffffffffffffffff",
            "unknown frame type 0x3fffffffffffffff at byte 1",
        ),
    ] {
        let error = malformed(&format!("01 {unknown}"));
        assert_eq!(error.to_string(), words);
    }
}

#[test]
fn a_length_beyond_the_packet_is_malformed_whatever_its_size() {
    for kind in ["06 00", "07", "0a 00", "31", "1c 00 00", "1d 00"] {
        for length in ["03", "4003", "80000003", "ffffffffffffffff"] {
            let error = malformed(&format!("{kind} {length} 6162"));
            assert!(error.offset > 0, "{kind} {length}");
        }
    }
}

#[test]
fn a_connection_id_of_more_than_20_bytes_is_malformed() {
    let bytes = "07".repeat(21);
    let token = "00".repeat(16);
    let error = malformed(&format!("18 02 01 15 {bytes} {token}"));
    assert_eq!((error.offset, error.what), (3, "NEW_CONNECTION_ID"));
}

#[test]
fn a_type_in_more_bytes_than_needed_is_the_same_type() {
    // RFC 9000 §12.4 lets an endpoint refuse it; who looks on should see it.
    assert_eq!(
        decode(&hex("4001 80000001")),
        [Ok(Frame::Ping), Ok(Frame::Ping)]
    );
}

//! Puts integers and counted bytes at the end.

/// The largest integer that can be written (RFC 9000 §16).
pub const INTEGER_MAX: u64 = (1 << 62) - 1;

/// Writes a variable-length integer in as few bytes as it takes (RFC 9000 §16).
///
/// # Panics
/// If it is larger than [`INTEGER_MAX`].
pub fn write_integer(out: &mut Vec<u8>, value: u64) {
    let length = match value {
        0..0x40 => 1,
        0x40..0x4000 => 2,
        0x4000..0x4000_0000 => 4,
        _ => 8,
    };
    write_integer_in(out, value, length);
}

/// Writes a variable-length integer in `length` bytes, which may be more than it takes (RFC
/// 9000 §16).
///
/// # Panics
/// If the length is not 1, 2, 4 or 8, or the integer is too large for it.
pub fn write_integer_in(out: &mut Vec<u8>, value: u64, length: usize) {
    assert!(
        matches!(length, 1 | 2 | 4 | 8),
        "no integer has {length} bytes"
    );
    let bits = 8 * length - 2;
    assert!(value >> bits == 0, "{value} has more than {bits} bits");
    let form = u64::from(length.trailing_zeros());
    let bytes = (form << bits | value).to_be_bytes();
    out.extend_from_slice(&bytes[bytes.len() - length..]);
}

/// Writes bytes behind their number.
pub(crate) fn write_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    write_integer(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::whole_integer;

    fn written(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        write_integer(&mut out, value);
        out
    }

    #[test]
    fn integers_of_rfc_9000_appendix_a1_are_written_so() {
        let long = [0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c];
        assert_eq!(written(151_288_809_941_952_652), long);
        assert_eq!(written(494_878_333), [0x9d, 0x7f, 0x3e, 0x7d]);
        assert_eq!(written(15_293), [0x7b, 0xbd]);
        assert_eq!(written(37), [0x25]);
        let mut out = vec![7];
        write_integer_in(&mut out, 37, 2);
        assert_eq!(out, [7, 0x40, 0x25]);
    }

    #[test]
    fn integers_around_every_change_of_length_are_as_short_as_can_be() {
        for (bits, length) in [(6, 1), (14, 2), (30, 4), (62, 8)] {
            let largest = (1 << bits) - 1;
            assert_eq!(written(largest).len(), length, "{bits} bits");
            assert_eq!(whole_integer(&written(largest)), Some(largest));
            if largest < INTEGER_MAX {
                assert_eq!(written(largest + 1).len(), 2 * length);
            }
        }
    }

    #[test]
    fn integers_are_read_in_every_length_that_has_room_for_them() {
        for value in [0, 37, 63] {
            for length in [1, 2, 4, 8] {
                let mut out = Vec::new();
                write_integer_in(&mut out, value, length);
                assert_eq!((out.len(), whole_integer(&out)), (length, Some(value)));
            }
        }
    }

    #[test]
    fn what_no_integer_can_say_is_refused() {
        for (value, length) in [(64, 1), (1 << 14, 2), (1 << 30, 4), (1 << 62, 8), (0, 3)] {
            let write = || write_integer_in(&mut Vec::new(), value, length);
            assert!(std::panic::catch_unwind(write).is_err(), "{value}");
        }
    }
}

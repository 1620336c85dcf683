//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng-03), little-endian.

use std::time::Duration;

use crate::Direction;

/// Packets begin with their IP header (LINKTYPE_RAW).
const LINK_TYPE_RAW: u16 = 101;
/// `TLSK`: secrets in the NSS key log format (§4.7).
pub(super) const TLS_KEY_LOG: u32 = 0x544c_534b;

/// Bytes of key log in one block.
const SECRETS_BLOCK_MAX: usize = 32 << 10;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
pub(super) const ENHANCED_PACKET: u32 = 6;
pub(super) const DECRYPTION_SECRETS: u32 = 0x0000_000a;

/// The comments of packets that did not pass now. Our own reader knows them by
/// these words: whoever changes them keeps the old ones for it too.
pub(super) const REPEATED: &str = "repeated: so its connection began; it opens what follows";
pub(super) const SYNTHETIC: &str = "never sent: written here to tell a reader the packet numbers \
                                    and keys of what follows";
pub(super) const COMMENTS_OF_REPEATED: [&str; 2] = [REPEATED, SYNTHETIC];

pub(super) const OPTION_COMMENT: u16 = 1;
const SHB_USER_APPLICATION: u16 = 4;
const IF_NAME: u16 = 2;
pub(super) const IF_TIME_RESOLUTION: u16 = 9;
pub(super) const EPB_FLAGS: u16 = 2;
const ISB_RECEIVED: u16 = 4;
const ISB_DROPPED: u16 = 5;

/// Returns what a file begins with: a Section Header Block (§4.1) and one
/// Interface Description Block (§4.2) for all our sockets.
pub(super) fn opening(program: &str, comment: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    block(&mut out, SECTION_HEADER, |out| {
        out.extend(0x1a2b_3c4d_u32.to_le_bytes());
        out.extend(1_u16.to_le_bytes());
        out.extend(0_u16.to_le_bytes());
        // The section's length is not known.
        out.extend(u64::MAX.to_le_bytes());
        if let Some(comment) = comment {
            option(out, OPTION_COMMENT, comment.as_bytes());
        }
        option(out, SHB_USER_APPLICATION, program.as_bytes());
        end_of_options(out);
    });
    block(&mut out, INTERFACE_DESCRIPTION, |out| {
        out.extend(LINK_TYPE_RAW.to_le_bytes());
        out.extend([0; 2]);
        // Packets are never cut.
        out.extend(0_u32.to_le_bytes());
        option(out, IF_NAME, b"UDP sockets");
        // Stamps count nanoseconds.
        option(out, IF_TIME_RESOLUTION, &[9]);
        end_of_options(out);
    });
    out
}

/// Returns Decryption Secrets Blocks (§4.7), none of them long. They open the
/// packets after them.
pub(super) fn secrets(key_log: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = key_log;
    while !rest.is_empty() {
        let (lines, after) = rest.split_at(whole_lines(rest));
        rest = after;
        block(&mut out, DECRYPTION_SECRETS, |out| {
            out.extend(TLS_KEY_LOG.to_le_bytes());
            out.extend((lines.len() as u32).to_le_bytes());
            out.extend(lines.as_bytes());
            pad(out);
        });
    }
    out
}

/// Returns how many bytes of a key log go into one block.
fn whole_lines(key_log: &str) -> usize {
    if key_log.len() <= SECRETS_BLOCK_MAX {
        return key_log.len();
    }
    let end = key_log.as_bytes()[..SECRETS_BLOCK_MAX]
        .iter()
        .rposition(|byte| *byte == b'\n');
    end.map_or(key_log.len(), |end| end + 1)
}

/// Appends an Enhanced Packet Block (§4.3) whose packet `write` writes.
pub(super) fn packet(
    out: &mut Vec<u8>,
    at: Duration,
    direction: Direction,
    comment: Option<&str>,
    write: impl FnOnce(&mut Vec<u8>),
) {
    block(out, ENHANCED_PACKET, |out| {
        out.extend(0_u32.to_le_bytes());
        stamp(out, at);
        let lengths = out.len();
        out.extend([0; 8]);
        write(out);
        let length = ((out.len() - lengths - 8) as u32).to_le_bytes();
        out[lengths..lengths + 4].copy_from_slice(&length);
        out[lengths + 4..lengths + 8].copy_from_slice(&length);
        pad(out);
        if let Some(comment) = comment {
            option(out, OPTION_COMMENT, comment.as_bytes());
        }
        let direction: u32 = match direction {
            Direction::Received => 0b01,
            Direction::Sent => 0b10,
        };
        option(out, EPB_FLAGS, &direction.to_le_bytes());
        end_of_options(out);
    });
}

/// Returns the block of a packet with one more comment.
pub(super) fn with_comment(packet: &[u8], comment: &str) -> Vec<u8> {
    let word = |at: usize| u32::from_le_bytes(packet[at..at + 4].try_into().expect("four bytes"));
    debug_assert_eq!(word(0), ENHANCED_PACKET, "only packets are commented later");
    let options = 28 + (word(20) as usize).next_multiple_of(4);
    let mut out = Vec::new();
    block(&mut out, ENHANCED_PACKET, |out| {
        out.extend(&packet[8..options]);
        option(out, OPTION_COMMENT, comment.as_bytes());
        out.extend(&packet[options..packet.len() - 4]);
    });
    out
}

/// Returns an Interface Statistics Block (§4.6).
pub(super) fn statistics(at: Duration, seen: u64, left_out: u64, comment: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    block(&mut out, INTERFACE_STATISTICS, |out| {
        out.extend(0_u32.to_le_bytes());
        stamp(out, at);
        if let Some(comment) = comment {
            option(out, OPTION_COMMENT, comment.as_bytes());
        }
        option(out, ISB_RECEIVED, &seen.to_le_bytes());
        option(out, ISB_DROPPED, &left_out.to_le_bytes());
        end_of_options(out);
    });
    out
}

/// Returns one block after another of those that we have made.
pub(super) fn split(blocks: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = blocks;
    std::iter::from_fn(move || {
        let length = u32::from_le_bytes(*rest.get(4..)?.first_chunk()?);
        let (block, after) = rest.split_at_checked(length as usize)?;
        rest = after;
        Some(block)
    })
}

/// Appends a block (§3.1): its length stands at both of its ends.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    body(out);
    let length = ((out.len() - start + 4) as u32).to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&length);
    out.extend(length);
    debug_assert!(
        out.len().is_multiple_of(4),
        "every block is padded to 32 bits"
    );
}

fn stamp(out: &mut Vec<u8>, at: Duration) {
    // Nanoseconds since 1970 fit until the year 2554.
    let nanoseconds = at.as_nanos() as u64;
    out.extend(((nanoseconds >> 32) as u32).to_le_bytes());
    out.extend((nanoseconds as u32).to_le_bytes());
}

/// Appends an option (§3.5).
fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend(code.to_le_bytes());
    out.extend((value.len() as u16).to_le_bytes());
    out.extend(value);
    pad(out);
}

fn end_of_options(out: &mut Vec<u8>) {
    out.extend([0; 4]);
}

/// Pads to 32 bits; `out` begins with a block, and blocks are padded.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protection::vectors::bytes;

    /// Reads bytes as they are written in a specification.
    fn hex(text: &str) -> Vec<u8> {
        bytes(&text.split_whitespace().collect::<String>())
    }

    const AT: Duration = Duration::from_nanos(0x0123_4567_89ab_cdef);

    #[test]
    fn a_file_begins_with_its_section_and_its_interface() {
        let expected = "
            0a0d0d0a 28000000 4d3c2b1a 0100 0000 ffffffffffffffff
              0400 0100 71000000 00000000 28000000
            01000000 30000000 6500 0000 00000000
              0200 0b00 55445020736f636b65747300 0900 0100 09000000
              00000000 30000000";
        assert_eq!(opening("q", None), hex(expected));
    }

    #[test]
    fn secrets_are_padded_and_their_true_length_is_told() {
        let expected = "0a000000 1c000000 4b534c54 05000000 6120620a63000000 1c000000";
        let expected = expected.replace("6120620a63000000", "61206220 0a000000");
        assert_eq!(secrets("a b \n"), hex(&expected));
    }

    #[test]
    fn a_packet_has_its_stamp_lengths_and_direction() {
        let mut out = vec![0xff; 4];
        packet(&mut out, AT, Direction::Sent, None, |out| {
            out.extend([1, 2, 3, 4, 5])
        });
        let expected = "ffffffff
            06000000 34000000 00000000 67452301 efcdab89 05000000 05000000
              0102030405000000 0200 0400 02000000 00000000 34000000";
        assert_eq!(out, hex(expected));
    }

    #[test]
    fn a_comment_stands_at_the_packet_after_the_gap() {
        let mut out = Vec::new();
        packet(&mut out, AT, Direction::Received, Some("gap"), |_| {});
        let expected = "
            06000000 34000000 00000000 67452301 efcdab89 00000000 00000000
              0100 0300 67617000 0200 0400 01000000 00000000 34000000";
        assert_eq!(out, hex(expected));
    }

    #[test]
    fn a_comment_that_comes_later_stands_where_it_would_have() {
        let with = |comment: Option<&str>| {
            let mut out = Vec::new();
            packet(&mut out, AT, Direction::Received, comment, |out| {
                out.extend([1, 2, 3, 4, 5])
            });
            out
        };
        assert_eq!(with_comment(&with(None), "again"), with(Some("again")));
    }

    #[test]
    fn long_key_logs_are_cut_between_lines() {
        let log = "LABEL 0123456789 abcdef\n".repeat(4_000);
        let out = secrets(&log);
        let mut read = String::new();
        for block in split(&out) {
            assert!(block.len() < SECRETS_BLOCK_MAX + 24);
            let length = u32::from_le_bytes(block[12..16].try_into().expect("four bytes"));
            let lines = std::str::from_utf8(&block[16..16 + length as usize]).expect("a text");
            assert!(lines.ends_with('\n'));
            read += lines;
        }
        assert_eq!(read, log);
    }

    #[test]
    fn statistics_count_what_was_seen_and_what_was_left_out() {
        let expected = "
            05000000 34000000 00000000 67452301 efcdab89
              0400 0800 0300000000000000 0500 0800 0200000000000000
              00000000 34000000";
        assert_eq!(statistics(AT, 3, 2, None), hex(expected));
    }
}

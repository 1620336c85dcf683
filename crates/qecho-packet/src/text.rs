//! Bytes of a peer as text that a terminal can show.

use std::{fmt::Write, time::Duration};

/// Longest text shown of one piece of a message, in characters.
pub const SHOWN_MAX: usize = 120;

/// Decodes UTF-8 that arrives in pieces cut anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoder {
    /// The beginning of a character whose end has not arrived: at most three
    /// bytes.
    begun: Vec<u8>,
}

impl Decoder {
    /// Decodes the next piece; what is no UTF-8 becomes U+FFFD.
    pub fn decode(&mut self, piece: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.begun);
        bytes.extend_from_slice(piece);
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            let at_the_end = bytes.ends_with(invalid)
                && std::ptr::eq(
                    invalid.as_ptr_range().end,
                    bytes.as_slice().as_ptr_range().end,
                );
            if at_the_end && is_beginning(invalid) {
                self.begun = invalid.to_vec();
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }

    /// Ends the text; tells what was left unfinished.
    pub fn finish(&mut self) -> Option<char> {
        let begun = std::mem::take(&mut self.begun);
        (!begun.is_empty()).then_some(char::REPLACEMENT_CHARACTER)
    }
}

/// Tells whether more bytes could make a character of these.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// Makes text safe to show: control characters escaped, at most
/// [`SHOWN_MAX`] characters and an ellipsis.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN_MAX {
            shown.push('…');
            break;
        }
        if is_unsafe(character) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Control characters, those that turn the direction of what follows, and those
/// that end a line.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Writes a duration with three digits and the unit that fits.
pub fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let (value, unit) = match nanos {
        0..1_000 => (nanos as f64, "ns"),
        1_000..1_000_000 => (nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    if value.fract() == 0.0 {
        return format!("{value} {unit}");
    }
    let digits = match value {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_cut_anywhere_come_out_whole() {
        let text = "日本語 and 🦀";
        for cut in 0..=text.len() {
            let mut decoder = Decoder::default();
            let (head, tail) = text.as_bytes().split_at(cut);
            let decoded = decoder.decode(head) + &decoder.decode(tail);
            assert_eq!(decoded, text);
            assert_eq!(decoder.finish(), None);
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced_and_an_unfinished_end_too() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.decode(b"a\xffb\xe6\x97"), "a\u{fffd}b");
        assert_eq!(decoder.decode(b"x"), "\u{fffd}x");
        assert_eq!(decoder.decode(b"\xe6\x97"), "");
        assert_eq!(decoder.finish(), Some('\u{fffd}'));
    }

    #[test]
    fn durations_have_three_digits_and_a_fitting_unit() {
        assert_eq!(duration(Duration::from_nanos(27_310)), "27.3 µs");
        assert_eq!(duration(Duration::from_micros(1_234)), "1.23 ms");
        assert_eq!(duration(Duration::from_secs(5)), "5 s");
    }

    #[test]
    fn a_terminal_cannot_be_steered_by_a_message() {
        assert_eq!(shown("a\x1b[31m\r\u{202e}"), "a\\u{1b}[31m\\r\\u{202e}");
        assert_eq!(
            shown("\u{61c}\u{2028}\u{2029}"),
            "\\u{61c}\\u{2028}\\u{2029}"
        );
        let long = shown(&"x".repeat(1_000));
        assert_eq!(long.chars().count(), SHOWN_MAX + 1);
    }
}

//! Bytes of a peer, and words that were typed, as text that a terminal can show.

use std::{fmt::Write, path::Path, time::Duration};

/// Longest text shown of one piece of a message, in characters.
pub const SHOWN_MAX: usize = 120;

/// Longest name shown as a whole, in characters: a host has at most 253, a file 255.
pub const NAME_SHOWN_MAX: usize = 256;

/// Marks of a sentence that may stand before a name, and after it, all of one byte; of the latter
/// at most so many.
const MARKS_BEFORE_NAME: [char; 4] = ['`', '\'', '"', '('];
const MARKS_AFTER_NAME: [char; 8] = ['`', '\'', '"', ')', ':', ',', ';', '.'];
const MARKS_AFTER_NAME_MAX: usize = 3;

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

/// Makes text safe to show: control characters and those that nobody sees escaped, at most
/// [`SHOWN_MAX`] characters and an ellipsis.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN_MAX {
            shown.push('…');
            break;
        }
        push_escaped(&mut shown, character);
    }
    shown
}

/// Makes a name safe to show within a line: escaped as by [`shown`], and of more than
/// [`NAME_SHOWN_MAX`] characters so many, an ellipsis, and how many there are.
pub fn name(name: &str) -> String {
    let mut characters = name.chars();
    let mut shown = String::new();
    for character in characters.by_ref().take(NAME_SHOWN_MAX) {
        push_escaped(&mut shown, character);
    }
    match characters.count() {
        0 => shown,
        more => format!("{shown}… ({} characters)", grouped(NAME_SHOWN_MAX + more)),
    }
}

/// Makes the name of a file safe to show within a line, as [`name`](name()).
pub fn path(path: impl AsRef<Path>) -> String {
    name(&path.as_ref().to_string_lossy())
}

/// Makes one line of a sentence in which there may be names that somebody chose: each of its words
/// is shown as a [`name`](name()), but for the marks around it; one that is cut already stays so.
pub fn line(sentence: &str) -> String {
    let words = sentence.split(' ').map(|word| {
        let begin = usize::from(word.starts_with(MARKS_BEFORE_NAME));
        let marks = word[begin..].chars().rev().take(MARKS_AFTER_NAME_MAX);
        let marks = marks.take_while(|mark| MARKS_AFTER_NAME.contains(mark));
        let end = word.len() - marks.count();
        let (before, word, after) = (&word[..begin], &word[begin..end], &word[end..]);
        let cut = word.strip_suffix('…');
        match cut.filter(|cut| cut.chars().count() == NAME_SHOWN_MAX) {
            Some(cut) => format!("{before}{}…{after}", name(cut)),
            None => format!("{before}{}{after}", name(word)),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Makes text of any length safe to show on a terminal: as [`shown`], but ends of lines and tabs
/// stay what they are.
pub fn shown_lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            _ => push_escaped(&mut shown, character),
        }
    }
    shown
}

/// Escapes, in JSON, the characters that JSON lets stand and a terminal would obey or not show.
/// They are in its texts alone, where an escape means the same.
pub fn escape_json(json: &mut Vec<u8>) {
    const DELETE: u8 = 0x7f;
    if json.iter().all(|byte| *byte < DELETE) {
        return;
    }
    let text = String::from_utf8_lossy(json);
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match is_unsafe(character) && character != '\n' {
            false => escaped.push(character),
            true => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    *json = escaped.into_bytes();
}

pub(crate) fn push_escaped(shown: &mut String, character: char) {
    match is_unsafe(character) {
        // Writing to a String cannot fail.
        true => drop(write!(shown, "{}", character.escape_default())),
        false => shown.push(character),
    }
}

/// Control characters, and what nobody sees although it changes what is seen: characters that
/// format, such as those that turn the direction of what follows, and those that end a line or a
/// paragraph (Unicode's Cf, Zl and Zp, but for the signs of scripts among them).
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
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

/// Writes a number with its thousands apart.
pub fn grouped(count: impl TryInto<u64>) -> String {
    let digits = count.try_into().unwrap_or(u64::MAX).to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Writes a number of things.
pub fn counted(count: impl TryInto<u64>, thing: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {thing}"),
        count => format!("{} {thing}s", grouped(count)),
    }
}

/// Writes the place of some bytes among all of theirs.
pub fn extent(offset: u64, length: usize) -> String {
    format!("[{offset}..{})", offset.saturating_add(length as u64))
}

/// Writes after a space what somebody says, made safe, if it is anything.
pub fn said(reason: &[u8]) -> String {
    match String::from_utf8_lossy(reason).as_ref() {
        "" => String::new(),
        reason => format!(" \"{}\"", shown(reason)),
    }
}

/// A field of comma-separated values (RFC 4180).
pub fn csv_field(field: &str) -> String {
    match field.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.into(),
    }
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
    fn thousands_stand_apart() {
        assert_eq!(grouped(999_u64), "999");
        assert_eq!(grouped(1_200_u64), "1,200");
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(counted(1_usize, "byte"), "1 byte");
        assert_eq!(counted(0_usize, "byte"), "0 bytes");
    }

    #[test]
    fn durations_have_three_digits_and_a_fitting_unit() {
        assert_eq!(duration(Duration::from_nanos(27_310)), "27.3 µs");
        assert_eq!(duration(Duration::from_micros(1_234)), "1.23 ms");
        assert_eq!(duration(Duration::from_secs(5)), "5 s");
    }

    #[test]
    fn json_means_the_same_when_it_is_safe() {
        let texts = [
            "plain",
            "a\u{202e}b\u{7f}\u{9b}2J",
            "ü\u{feff}",
            "\u{e0041}🦀\u{2028}",
        ];
        for text in texts {
            let mut json = serde_json::to_vec(&[text]).unwrap();
            json.push(b'\n');
            escape_json(&mut json);
            let read: [String; 1] = serde_json::from_slice(&json).unwrap();
            assert_eq!(read, [text]);
            let (last, rest) = json.split_last().unwrap();
            assert_eq!(*last, b'\n');
            let written = String::from_utf8(rest.to_vec()).unwrap();
            assert_eq!(shown(&written), written, "it is safe as it stands");
        }
    }

    #[test]
    fn a_name_stays_on_its_line_and_tells_its_length_if_that_is_cut() {
        assert_eq!(name("bücher.example"), "bücher.example");
        assert_eq!(name("a\nb\t\x1b[31m"), "a\\nb\\t\\u{1b}[31m");
        let longest = "ü".repeat(NAME_SHOWN_MAX);
        assert_eq!(name(&longest), longest);
        assert_eq!(
            name(&"ü".repeat(10_000)),
            format!("{longest}… (10,000 characters)")
        );
        assert_eq!(path("a\nb.pem"), "a\\nb.pem");
    }

    #[test]
    fn a_sentence_is_one_line_whatever_names_are_in_it() {
        let sentence = "cannot find `bücher.example`: there is none (yet).";
        assert_eq!(line(sentence), sentence);
        assert_eq!(line("no\nfile\x1b[31m: gone"), "no\\nfile\\u{1b}[31m: gone");
        let (long, marks) = ("x".repeat(10_000), ":".repeat(10_000));
        let shown = "x".repeat(NAME_SHOWN_MAX);
        assert_eq!(
            line(&format!("no `{long}`: gone")),
            format!("no `{shown}… (10,000 characters)`: gone")
        );
        assert!(line(&marks).len() < 2 * NAME_SHOWN_MAX);
        let cut = format!("cannot read {}: gone", name(&long));
        assert_eq!(line(&cut), cut);
    }

    #[test]
    fn a_terminal_cannot_be_steered_by_a_message() {
        assert_eq!(shown("a\x1b[31m\r\u{202e}"), "a\\u{1b}[31m\\r\\u{202e}");
        assert_eq!(
            shown("\u{61c}\u{2028}\u{2029}"),
            "\\u{61c}\\u{2028}\\u{2029}"
        );
        for invisible in [
            0xad, 0x200b, 0x200d, 0x2060, 0x2066, 0xfeff, 0xfffa, 0xe0041,
        ] {
            let character = char::from_u32(invisible).unwrap();
            let expected = format!("a\\u{{{invisible:x}}}b");
            assert_eq!(shown(&format!("a{character}b")), expected);
        }
        assert_eq!(shown("日本語 ü 🦀"), "日本語 ü 🦀");
        assert_eq!(
            shown_lines("a\n\tb\u{feff}\r\x1b\n"),
            "a\n\tb\\u{feff}\\r\\u{1b}\n"
        );
        let long = shown(&"x".repeat(1_000));
        assert_eq!(long.chars().count(), SHOWN_MAX + 1);
    }
}

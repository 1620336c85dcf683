//! Host names in the one form in which they are looked up, sent, compared and written.

use std::net::IpAddr;

/// RFC 1035 §2.3.4.
const LABEL_CHARACTERS_MAX: usize = 63;
/// RFC 1035 §2.3.4, as text and without the final dot.
const HOST_CHARACTERS_MAX: usize = 253;
/// Begin of a label that stands for other letters than ASCII's (RFC 5890 §2.3.2.1).
const ACE_PREFIX: &str = "xn--";

/// Error of a text that is no host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostNameError {
    /// A part of the name, between its dots, has no characters.
    #[error("a part of it is empty, beside a dot")]
    EmptyLabel,
    /// A part of the name has too many characters.
    #[error("a part of it has more than {LABEL_CHARACTERS_MAX} characters in ASCII")]
    LongLabel,
    /// The name has too many characters.
    #[error("it has more than {HOST_CHARACTERS_MAX} characters in ASCII")]
    TooLong,
    /// A character that stands in no host name.
    #[error("no host name has {} in it", described(*.0))]
    Character(char),
    /// A part of the name begins or ends with a hyphen.
    #[error("a part of it begins or ends with `-`")]
    Hyphen,
    /// A part of the name claims to stand for other letters than ASCII's, and does not (RFC 3492).
    #[error("a part of it begins with `{ACE_PREFIX}`, but stands for no letters (Punycode)")]
    Punycode,
    /// Letters that no host name has, or not in this order.
    #[error("its letters are none of a host name (IDNA)")]
    Letters,
    /// The name looks like an address, but has other digits than ASCII's or a dot at its end.
    #[error(
        "it looks like an IP address, but is none; write it in ASCII digits, with no dot at its end"
    )]
    Address,
}

/// Host name in ASCII and lower case (RFC 5890 §2.3.2.1, RFC 4343), without the dot at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostName {
    pub(crate) ascii: String,
    /// Whether there was a dot at the end: the resolver looks such a name up as it is.
    pub(crate) is_absolute: bool,
}

impl HostName {
    /// Reads a name in any letters and case; first it becomes ASCII, then it is judged.
    pub(crate) fn read(typed: &str) -> Result<Self, HostNameError> {
        let ascii = idna::domain_to_ascii(typed).map_err(|_| why_not_ascii(typed))?;
        let whole = ascii.strip_suffix('.');
        let is_absolute = whole.is_some();
        let name = whole.unwrap_or(&ascii);
        name.split('.').try_for_each(judge_label)?;
        if name.len() > HOST_CHARACTERS_MAX {
            return Err(HostNameError::TooLong);
        }
        match name.parse::<IpAddr>() {
            Ok(_) => Err(HostNameError::Address),
            Err(_) => Ok(Self {
                ascii: name.to_owned(),
                is_absolute,
            }),
        }
    }
}

/// Judges a part of a name in ASCII. Underscores are in no host's name by RFC 952, but in many.
fn judge_label(label: &str) -> Result<(), HostNameError> {
    let is_usual =
        |character: &char| character.is_ascii_alphanumeric() || "-_".contains(*character);
    match label.chars().find(|character| !is_usual(character)) {
        Some(character) => Err(HostNameError::Character(character)),
        None if label.is_empty() => Err(HostNameError::EmptyLabel),
        None if label.len() > LABEL_CHARACTERS_MAX => Err(HostNameError::LongLabel),
        None if label.starts_with('-') || label.ends_with('-') => Err(HostNameError::Hyphen),
        None => Ok(()),
    }
}

/// Finds the reason for which a name has no form in ASCII, which IDNA does not tell.
fn why_not_ascii(typed: &str) -> HostNameError {
    let begins_so = |label: &str| {
        let begin = label.get(..ACE_PREFIX.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(ACE_PREFIX))
    };
    for label in typed.split('.') {
        if label.chars().count() > LABEL_CHARACTERS_MAX {
            return HostNameError::LongLabel;
        }
        if begins_so(label) && idna::domain_to_ascii(label).is_err() {
            return HostNameError::Punycode;
        }
    }
    HostNameError::Letters
}

fn described(character: char) -> String {
    match character {
        ' ' => "a space".into(),
        character => format!("`{}`", character.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_name_becomes_the_same() {
        for typed in [
            "bücher.example",
            "BÜCHER.Example",
            "BU\u{308}CHER.example",
            "xn--bcher-kva.example",
            "XN--BCHER-KVA.EXAMPLE",
            "bücher。example",
            "bü\u{ad}cher.exam\u{200b}ple",
        ] {
            for dot in ["", ".", "。"] {
                let name = HostName::read(&format!("{typed}{dot}")).expect(typed);
                assert_eq!(name.ascii, "xn--bcher-kva.example", "{typed}");
                assert_eq!(name.is_absolute, !dot.is_empty());
            }
        }
        for name in [
            "localhost",
            "r3---sn-a.example",
            "_x.y",
            "a_b",
            "1.2.3",
            "0x7f.1",
        ] {
            assert_eq!(HostName::read(name).expect(name).ascii, name);
        }
    }

    #[test]
    fn a_fault_is_told_alike_in_any_letters() {
        use HostNameError::{Address, Character, EmptyLabel, Hyphen, LongLabel, TooLong};
        let label = "a".repeat(64);
        let name = "a.".repeat(125) + "abcd";
        for (ascii, other, fault) in [
            ("", "\u{ad}", EmptyLabel),
            (".", "。", EmptyLabel),
            ("a..b", "ü..b", EmptyLabel),
            (".a", ".ü", EmptyLabel),
            ("a..", "ü..", EmptyLabel),
            (&label, &label.replace('a', "ü"), LongLabel),
            (&name, &name.replace('a', "ü"), TooLong),
            ("a b", "ü b", Character(' ')),
            (" a", " ü", Character(' ')),
            ("a\nb", "ü\nb", Character('\n')),
            ("a\u{1b}[31m", "ü\u{1b}[31m", Character('\u{1b}')),
            ("a%b", "a％b", Character('%')),
            ("a/b", "ü/b", Character('/')),
            ("*", "＊", Character('*')),
            ("-a.example", "-a.ü", Hyphen),
            ("a-.example", "a-.ü", Hyphen),
            ("127.0.0.1.", "１２７.0.0.1", Address),
        ] {
            assert_eq!(HostName::read(ascii), Err(fault.clone()), "{ascii:?}");
            assert_eq!(HostName::read(other), Err(fault), "{other:?}");
        }
    }

    #[test]
    fn what_stands_for_no_letters_is_told_from_letters_that_no_name_has() {
        for typed in [
            "xn--",
            "xn--a",
            "XN--a.example",
            "a.xn--99999",
            "xn--bücher",
        ] {
            assert_eq!(
                HostName::read(typed),
                Err(HostNameError::Punycode),
                "{typed}"
            );
        }
        for typed in ["a\u{202e}b.example", "\u{301}a", "aא1.example"] {
            assert_eq!(
                HostName::read(typed),
                Err(HostNameError::Letters),
                "{typed}"
            );
        }
        assert_eq!(
            HostNameError::Character('\u{1b}').to_string(),
            "no host name has `\\u{1b}` in it"
        );
    }

    #[test]
    fn the_longest_names_and_parts_are_taken() {
        let (label, name) = ("a".repeat(63), "a.".repeat(125) + "abc");
        for typed in [label, name.clone(), name + "."] {
            assert!(HostName::read(&typed).is_ok(), "{typed}");
        }
        assert!(HostName::read(&"a".repeat(1 << 20)).is_err());
        assert!(HostName::read(&"ü".repeat(1 << 20)).is_err());
    }
}

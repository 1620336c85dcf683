//! Signs beyond ASCII, and where they are shown.

use std::{io::IsTerminal, os::fd::AsFd};

use crate::colour;

/// Variables that name the characters of a terminal, the strongest first (POSIX §8.2).
const LOCALE: [&str; 3] = ["LC_ALL", "LC_CTYPE", "LANG"];

/// Tells whether signs such as ✔ are shown there: everywhere but on a terminal that is dumb, is
/// the console of Linux, whose letters are few, or is said to have other characters than Unicode.
pub fn are_shown(out: impl AsFd) -> bool {
    let is_console = || std::env::var_os("TERM").is_some_and(|name| name == "linux");
    let has_unicode = || is_unicode(LOCALE.map(|name| std::env::var(name).unwrap_or_default()));
    !out.as_fd().is_terminal() || (colour::takes_sequences() && !is_console() && has_unicode())
}

/// Tells whether a locale has Unicode; where nobody has named one, it has.
fn is_unicode(values: [String; 3]) -> bool {
    let named = values.into_iter().find(|value| !value.is_empty());
    named.is_none_or(|name| {
        let name = name.to_ascii_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_locale_that_is_named_says_whether_there_is_unicode() {
        for (values, expected) in [
            (["", "", ""], true),
            (["", "", "en_GB.UTF-8"], true),
            (["C", "", "en_GB.UTF-8"], false),
            (["C.utf8", "POSIX", "C"], true),
            (["", "de_DE.ISO-8859-1", "de_DE.UTF-8"], false),
        ] {
            assert_eq!(
                is_unicode(values.map(str::to_owned)),
                expected,
                "{values:?}"
            );
        }
    }
}

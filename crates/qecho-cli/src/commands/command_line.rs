//! What a report says of this process: how it was started, and where.

use std::{ffi::CStr, thread};

use qecho_measure::bench::Host;
use rustix::system::uname;

/// Returns the words of this process's command line as a shell takes them, whatever the
/// path of the program.
pub(super) fn of_this_process() -> String {
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|word| word.to_string_lossy().into_owned());
    let all: Vec<_> = std::iter::once("qecho".to_owned())
        .chain(arguments)
        .collect();
    of_words(all.iter().map(String::as_str))
}

/// Returns words as a shell takes them.
pub(super) fn of_words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

/// Returns the host on which this process runs.
pub(super) fn host() -> Host {
    let system = uname();
    let text = |part: &CStr| part.to_string_lossy().into_owned();
    let kind = [system.sysname(), system.release(), system.machine()].map(text);
    Host {
        name: text(system.nodename()),
        system: kind.join(" "),
        processors: thread::available_parallelism().map_or(1, |count| count.get() as u64),
    }
}

/// Writes a word so that a shell takes it for one and changes nothing in it.
pub(super) fn quoted(word: &str) -> String {
    // Braces mean something with a comma in them.
    let plain = match word.contains(',') {
        true => "_@%+=:,./-",
        false => "_@%+=:./-{}",
    };
    let is_plain = |letter: char| letter.is_alphanumeric() || plain.contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_change_them() {
        for (word, written) in [
            ("--over=stream", "--over=stream"),
            ("p99>5ms", "'p99>5ms'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            ("a b", "'a b'"),
            ("{host}:{port}", "{host}:{port}"),
            ("{a,b}", "'{a,b}'"),
        ] {
            assert_eq!(quoted(word), written);
        }
    }
}

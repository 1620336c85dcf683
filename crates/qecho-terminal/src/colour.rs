//! Colours, which only repeat what the text says.
//!
//! They are the terminal's own, without white, black and yellow, so that they
//! can be read on dark and on light ground.

use std::{borrow::Cow, io::IsTerminal, ops::Range, os::fd::AsFd};

use anstyle::{AnsiColor, Effects, Style};
use unicode_width::UnicodeWidthStr;

/// Text that nothing sets apart.
pub const PLAIN: Style = Style::new();

/// Style of stamps, padding and separators, which the eye may pass over.
pub const DIM: Style = Style::new().effects(Effects::DIMMED);

/// Style of text that stands out without being wrong, and of titles.
pub const STRONG: Style = Style::new().effects(Effects::BOLD);

/// Style of losses and failures, and of packets that were not processed.
pub const WRONG: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);

/// Style of a verdict that is good.
pub const GOOD: Style = AnsiColor::Green.on_default().effects(Effects::BOLD);

/// Style of a warning, and of what to do about a failure.
pub const ADVICE: Style = AnsiColor::Cyan.on_default().effects(Effects::BOLD);

/// Words with which a line for people begins, or what follows its title.
const VERDICTS: [(&str, Style); 16] = [
    ("qecho:", WRONG),
    ("failed:", WRONG),
    ("failed ", WRONG),
    ("lost:", WRONG),
    ("FAILED", WRONG),
    ("fail  ", WRONG),
    ("crashed  ", WRONG),
    ("worse  ", WRONG),
    ("better  ", GOOD),
    ("passed", GOOD),
    ("ok:", GOOD),
    ("cause:", WRONG),
    ("✘", WRONG),
    ("✔", GOOD),
    ("warning:", ADVICE),
    ("hint:", ADVICE),
];

/// Columns that the longest title takes; what is longer is no title.
const TITLE_MAX: usize = 12;

/// Tells whether the terminal takes sequences that command it, by `TERM`: one that is dumb or
/// has no name does not.
pub fn takes_sequences() -> bool {
    std::env::var_os("TERM").is_some_and(|name| !name.is_empty() && name != "dumb")
}

/// Tells whether colours are wanted there: on a terminal that has them, unless `NO_COLOR` or
/// `CLICOLOR=0` refuses them; with `CLICOLOR_FORCE`, if it is not 0, everywhere (no-color.org,
/// bixense.com/clicolors).
pub fn is_wanted(out: impl AsFd) -> bool {
    if anstyle_query::no_color() {
        return false;
    }
    let is_refused = anstyle_query::clicolor() == Some(false);
    let is_able = || out.as_fd().is_terminal() && takes_sequences();
    // anstyle-query takes any value for force.
    let is_zero = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value == "0");
    let is_forced = anstyle_query::clicolor_force() && !is_zero;
    is_forced || (!is_refused && is_able())
}

/// Sets apart the title and the verdict of a line for people, if it has any.
pub fn emphasised(line: &str) -> Cow<'_, str> {
    emphasised_where_shown(line, line)
}

/// Does the same in the form in which the line is shown, which has other space between its
/// words: what is a title shows in the line alone.
pub(crate) fn emphasised_where_shown<'a>(line: &str, form: &'a str) -> Cow<'a, str> {
    let (mut shown, mut done) = (String::new(), 0);
    for (words, style) in parts(line).into_iter().flatten() {
        let before = letters(&line[..words.start]).count();
        let mut own = letters(form).skip(before);
        let Some((start, first)) = own.next() else {
            continue;
        };
        let others = own.take(letters(&line[words]).count() - 1);
        let (last, letter) = others.last().unwrap_or((start, first));
        let end = last + letter.len_utf8();
        shown += &form[done..start];
        done = end;
        shown += &format!("{style}{}{style:#}", &form[start..end]);
    }
    match done {
        0 => Cow::Borrowed(form),
        _ => Cow::Owned(shown + &form[done..]),
    }
}

/// Returns all but the space of a text, with the places.
fn letters(text: &str) -> impl Iterator<Item = (usize, char)> {
    let letters = text.char_indices();
    letters.filter(|(_, letter)| !matches!(letter, ' ' | '\n'))
}

/// Returns the places of a title and of a verdict.
fn parts(line: &str) -> [Option<(Range<usize>, Style)>; 2] {
    if line.starts_with("--- ") {
        return [Some((0..line.len(), STRONG)), None];
    }
    let margin = line.len() - line.trim_start().len();
    let (title, text) = match title(&line[margin..]) {
        Some((end, text)) => (Some((margin..margin + end, STRONG)), margin + text),
        None => (None, margin),
    };
    // What became of a ping stands behind its number.
    let of_ping = || {
        let number = line.find(": seq=")?;
        verdict(line, number + line[number..].find(" lost: ")? + 1)
    };
    match verdict(line, margin).or_else(of_ping) {
        None => [title, verdict(line, text)],
        verdict => [None, verdict],
    }
}

fn verdict(line: &str, at: usize) -> Option<(Range<usize>, Style)> {
    let of_line = |(word, _): &&(&str, _)| line[at..].starts_with(word);
    let (word, style) = VERDICTS.iter().find(of_line)?;
    Some((at..at + word.trim_end().len(), *style))
}

/// Returns where a title ends, and where the text behind it begins (`server       …`).
fn title(text: &str) -> Option<(usize, usize)> {
    let end = text.find("  ")?;
    let is_title = text.starts_with(char::is_alphabetic) && text[..end].width() <= TITLE_MAX;
    let rest = &text[end..];
    is_title.then(|| (end, text.len() - rest.trim_start().len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a line with its emphasis in brackets.
    fn marked(line: &str) -> String {
        let mut shown = emphasised(line).into_owned();
        for style in [WRONG, GOOD, ADVICE, STRONG] {
            shown = shown.replace(&style.render().to_string(), "[");
        }
        shown.replace(&STRONG.render_reset().to_string(), "]")
    }

    #[test]
    fn titles_and_verdicts_are_set_apart_and_nothing_else() {
        for line in [
            "[ok:] 3 of 3 echoes identical",
            "[qecho:] cannot connect to localhost:4433: nobody listens there",
            "[hint:] is a server running there, on UDP port 4433?",
            "[warning:] --insecure trusts anybody",
            "[lost:] datagram 2 did not come back",
            "localhost:4433: seq=3 [lost:] no answer within 5 s",
            "  [listening]    127.0.0.1:4433",
            "[bound]        [FAILED], p99 7 ms: fails if p99>5ms",
            "[failed]       2 connections: timed out",
            "[fail]      F12 9000 §19.5 MUST: STOP_SENDING. Seen: nothing",
            "localhost:4433: 64 bytes seq=1 time=1 ms",
            "[✔] UDP           answers in 20 ms",
            "[✘] path          30 % are lost",
            "[cause:] loss",
            "[--- localhost:4433 over stream ---]",
            "  qecho client localhost",
            "a column that is far too long  is no title",
            "10  20  30",
            "",
        ] {
            assert_eq!(marked(&line.replace(['[', ']'], "")), line);
        }
    }
}

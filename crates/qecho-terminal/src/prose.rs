//! Lines for people, broken between words where the terminal ends, with titles and verdicts
//! set apart. What is no terminal gets them whole and plain, so that other programs find what
//! they look for.

use std::{
    io::{self, Write},
    os::fd::AsFd,
};

use rustix::termios::tcgetwinsize;
use unicode_width::UnicodeWidthStr;

use crate::colour;

/// Columns below which a terminal breaks its lines itself.
const WIDTH_MIN: usize = 20;

/// What begins a line that is there to be pasted, and therefore stays whole.
const COMMANDS: [&str; 2] = ["qecho ", "sudo "];

/// Returns how many columns a terminal has; `None` if it is none, or does not say.
fn width_of(terminal: impl AsFd) -> Option<usize> {
    let columns = usize::from(tcgetwinsize(terminal).ok()?.ws_col);
    (columns >= WIDTH_MIN).then_some(columns)
}

/// Form of lines at the place where they are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Columns at which lines are broken; `None` leaves them whole.
    pub width: Option<usize>,
    /// Whether titles and verdicts are coloured.
    pub colour: bool,
}

impl Form {
    /// Returns the form for a terminal, a file or a pipe.
    pub fn of(out: impl AsFd) -> Self {
        Self {
            width: width_of(&out),
            colour: colour::is_wanted(&out),
        }
    }

    /// Gives a text this form; its first word begins in a column of its own, and what goes on
    /// in another line stands below what it goes on with.
    pub fn apply(self, text: &str, column: usize) -> String {
        let mut column = column;
        let whole = text.matches('\n').count();
        let lines = text.split('\n').enumerate().map(|(number, line)| {
            let begin = std::mem::take(&mut column);
            let broken = match self.width {
                Some(width) => break_line(line, begin, width),
                None => line.into(),
            };
            // A line that goes on has its columns counted.
            match self.colour && begin == 0 && number < whole {
                true => colour::emphasised_where_shown(line, &broken).into_owned(),
                false => broken,
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Returns the column in which a text ends that began in another one.
pub fn end_column(text: &str, column: usize) -> usize {
    match text.rsplit_once('\n') {
        Some((_, last)) => last.width(),
        None => column + text.width(),
    }
}

fn break_line(line: &str, begin: usize, width: usize) -> String {
    if is_command(line) || begin + line.width() <= width {
        return line.into();
    }
    // What goes on from another line has no title.
    let indent = if begin > 0 { 0 } else { indent(line, width) };
    let (mut shown, mut column) = (String::new(), begin);
    for (space, word) in words(line) {
        let (space_width, word_width) = (space.width(), word.width());
        let is_first_here = column <= indent;
        if column + space_width + word_width > width && !is_first_here {
            shown.push('\n');
            shown.push_str(&" ".repeat(indent));
            column = indent;
        } else {
            shown.push_str(space);
            column += space_width;
        }
        shown.push_str(word);
        column += word_width;
    }
    shown
}

/// Tells whether a line is a command, or a title and a command.
fn is_command(line: &str) -> bool {
    let mut parts = line.split("  ").map(str::trim_start);
    parts.any(|part| COMMANDS.iter().any(|name| part.starts_with(name)))
}

/// Returns the column of what a line says, behind its title (`server       …`, `hint: …`).
fn indent(line: &str, width: usize) -> usize {
    let margin = line.len() - line.trim_start().len();
    let text = &line[margin..];
    let title = match (text.find("  "), text.find(' ')) {
        (Some(end), _) => {
            let rest = &text[end..];
            Some(end + rest.len() - rest.trim_start().len())
        }
        (None, Some(end)) if text[..end].ends_with(':') => Some(end + 1),
        _ => None,
    };
    let indent = title.map_or(margin, |title| margin + text[..title].width());
    match indent <= width / 3 {
        true => indent,
        false => margin.min(width / 3),
    }
}

/// Returns the words of a line, each with the space before it; what stands in backticks is
/// one, for it may be pasted, and so is a number with what it counts.
fn words(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = line;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let begin = rest.find(|letter| letter != ' ').unwrap_or(rest.len());
        let end = begin + word_length(&rest[begin..]);
        let counted = rest[end..].strip_prefix(' ');
        let counted = counted.filter(|_| is_number(&rest[begin..end]));
        let end = end + counted.map_or(0, |counted| 1 + word_length(counted));
        let (one, others) = rest.split_at(end);
        rest = others;
        Some(one.split_at(begin))
    })
}

fn word_length(text: &str) -> usize {
    let mut is_quoted = false;
    let ends = |letter: char| {
        is_quoted ^= letter == '`';
        letter == ' ' && !is_quoted
    };
    text.find(ends).unwrap_or(text.len())
}

fn is_number(word: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_digit() || ",.".contains(letter);
    word.ends_with(|letter: char| letter.is_ascii_digit()) && word.chars().all(is_part)
}

/// Writer that gives whole lines the form of the place where they are shown.
#[derive(Debug)]
pub struct Prose<W: Write> {
    out: W,
    form: Form,
    /// A line whose end was not written yet.
    line: Vec<u8>,
}

impl<W: Write + AsFd> Prose<W> {
    /// Writes into `out`, in its form.
    pub fn new(out: W) -> Self {
        Self {
            form: Form::of(&out),
            out,
            line: Vec::new(),
        }
    }
}

impl<W: Write> Write for Prose<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.form == Form::default() {
            return self.out.write(bytes);
        }
        self.line.extend_from_slice(bytes);
        if let Some(end) = self.line.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.line.split_off(end + 1);
            let lines = std::mem::replace(&mut self.line, rest);
            let lines = self.form.apply(&String::from_utf8_lossy(&lines), 0);
            self.out.write_all(lines.as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        self.out.write_all(&line)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str, column: usize, width: usize) -> String {
        let width = Some(width);
        let colour = false;
        Form { width, colour }.apply(text, column)
    }

    #[test]
    fn lines_are_broken_between_words_below_what_they_go_on_with() {
        for (line, shown) in [
            ("short", "short"),
            (
                "one two three four five six",
                "one two three four\nfive six",
            ),
            (
                "rate    one two three four five",
                "rate    one two three four five",
            ),
            (
                "rate  one two three four five",
                "rate  one two three\n      four five",
            ),
            (
                "hint: one two three four five",
                "hint: one two three\n      four five",
            ),
            (
                "  qecho client localhost --pin",
                "  qecho client localhost --pin",
            ),
            (
                "take `qecho cert install` once",
                "take\n`qecho cert install`\nonce",
            ),
            (
                "averylongwordthatdoesnotfit here",
                "averylongwordthatdoesnotfit\nhere",
            ),
            (
                "mean 12.5 ms, max 2.25 ms, 2, 3 of 4",
                "mean 12.5 ms, max\n2.25 ms, 2, 3 of 4",
            ),
            ("全角の 文字は 二桁です", "全角の 文字は\n二桁です"),
        ] {
            let width = if line.starts_with("rate    ") { 40 } else { 20 };
            assert_eq!(broken(line, 0, width), shown);
        }
    }

    #[test]
    fn a_line_that_is_broken_has_the_title_and_the_verdict_of_the_whole_one() {
        for (line, shown) in [
            // Its indent makes no title of what stands before it.
            (
                "hint: a (averylongword) b\n",
                "[hint:] a\n      (averylongword)\n      b\n",
            ),
            ("- one averylongwordthat\n", "- one\naverylongwordthat\n"),
            ("  one averylongwordthat\n", "  one\n  averylongwordthat\n"),
            (
                "two words  one two three\n",
                "[two words]  one two\nthree\n",
            ),
            (
                "localhost:4433: seq=3 lost: none\n",
                "localhost:4433:\nseq=3 [lost:] none\n",
            ),
            (
                "--- localhost:4433 over it ---\n",
                "[--- localhost:4433\nover it ---]\n",
            ),
        ] {
            let (width, colour) = (Some(20), true);
            let form = Form { width, colour }.apply(line, 0);
            let mut marked = form;
            for style in [colour::WRONG, colour::GOOD, colour::ADVICE, colour::STRONG] {
                marked = marked.replace(&style.render().to_string(), "[");
            }
            let end = colour::STRONG.render_reset().to_string();
            assert_eq!(marked.replace(&end, "]"), shown);
        }
    }

    #[test]
    fn a_line_that_goes_on_is_broken_where_it_stands() {
        assert_eq!(broken(" connected to it\n", 14, 20), "\nconnected to it\n");
        assert_eq!(broken(" ok\nand so on\n", 14, 20), " ok\nand so on\n");
        assert_eq!(end_column("Connecting …", 3), 15);
        assert_eq!(end_column("a line\nof 5", 30), 4);
    }
}

//! A line as it is put together: pieces with their styles, and the places where
//! it may be broken.

use std::io::{self, Write};

use anstyle::Style;

use super::colour::DIM;

/// Properties of the output that lines are written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layout {
    /// Whether there are colours.
    pub colour: bool,
    /// Columns that a line may take; `None` where lines are never broken, so
    /// that what searches a file finds a packet whole.
    pub width: Option<usize>,
}

impl Layout {
    /// Sets whether there are colours.
    #[must_use]
    pub fn with_colour(self, colour: bool) -> Self {
        Self { colour, ..self }
    }

    /// Sets the columns that a line may take.
    #[must_use]
    pub fn with_width(self, width: impl Into<Option<usize>>) -> Self {
        let width = width.into();
        Self { width, ..self }
    }
}

/// Columns from which on an item may be broken.
const ITEM_COLUMNS_MAX: usize = 40;

/// A line that grows from left to right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// Columns before its first piece.
    indent: usize,
    pieces: Vec<Piece>,
    items: usize,
}

#[derive(Clone, Debug)]
struct Piece {
    text: String,
    style: Style,
    /// Whether a space stands before it, at which the line may be broken.
    breaks: bool,
}

impl Line {
    /// Returns one that begins so many columns from the left.
    pub(crate) fn indented(indent: usize) -> Self {
        Self {
            indent,
            ..Self::default()
        }
    }

    /// Tells whether nothing stands on it.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Appends text.
    pub(crate) fn push(&mut self, style: Style, text: impl Into<String>) -> &mut Self {
        self.piece(style, text.into(), false)
    }

    /// Appends text, unless it is the first after a space, at which the line may
    /// be broken.
    pub(crate) fn word(&mut self, style: Style, text: impl Into<String>) -> &mut Self {
        self.piece(style, text.into(), true)
    }

    /// Appends words, between any two of which the line may be broken.
    pub(crate) fn words(&mut self, style: Style, text: &str) -> &mut Self {
        for word in text.split(' ') {
            self.word(style, word);
        }
        self
    }

    /// Appends one of several things, set apart from the one before it; the line
    /// is not broken inside it unless it is long.
    pub(crate) fn item(&mut self, style: Style, text: impl Into<String>) -> &mut Self {
        if self.items > 0 {
            self.push(DIM, " ·");
        }
        self.items += 1;
        let text = text.into();
        match columns(&text) {
            0..ITEM_COLUMNS_MAX => self.word(style, text),
            _ => self.words(style, &text),
        }
    }

    fn piece(&mut self, style: Style, text: String, breaks: bool) -> &mut Self {
        self.pieces.push(Piece {
            text,
            style,
            breaks,
        });
        self
    }

    /// Writes it at once, so that nothing else comes between; where it is
    /// broken, it goes on `hang` columns from the left.
    pub(crate) fn write(&self, layout: Layout, hang: usize, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.composed(layout, hang).as_bytes())
    }

    fn composed(&self, layout: Layout, hang: usize) -> String {
        let mut text = " ".repeat(self.indent);
        let mut column = self.indent;
        let mut style = Style::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            let unbroken = column + 1 + self.unbroken(index);
            let too_long = layout.width.is_some_and(|width| unbroken > width);
            let begins = piece.breaks && index > 0;
            let breaks = begins && too_long && column > hang;
            if layout.colour && (piece.style != style || breaks) {
                text.push_str(&style.render_reset().to_string());
                style = Style::new();
            }
            if breaks {
                text.push('\n');
                text.push_str(&" ".repeat(hang));
                column = hang;
            } else if begins {
                text.push(' ');
                column += 1;
            }
            if layout.colour && piece.style != style {
                style = piece.style;
                text.push_str(&style.render().to_string());
            }
            text.push_str(&piece.text);
            column += columns(&piece.text);
        }
        text.push_str(&style.render_reset().to_string());
        text.push('\n');
        text
    }

    /// Returns the columns from a piece to the next place for a break.
    fn unbroken(&self, index: usize) -> usize {
        let rest = self.pieces[index + 1..].iter();
        let glued = rest.take_while(|piece| !piece.breaks);
        let glued: usize = glued.map(|piece| columns(&piece.text)).sum();
        columns(&self.pieces[index].text) + glued
    }
}

/// Breaks a text into lines of at most `width` columns: at spaces, and where a
/// word alone is longer, inside it.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').flat_map(|word| cut(word, width)) {
        let last = lines.last_mut().expect("one was there from the beginning");
        if last.is_empty() {
            last.push_str(&word);
        } else if columns(last) + 1 + columns(&word) <= width {
            last.push(' ');
            last.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines
}

/// Cuts a word into pieces of at most `width` columns.
fn cut(word: &str, width: usize) -> Vec<String> {
    let characters: Vec<_> = word.chars().collect();
    characters
        .chunks(width.max(1))
        .map(|piece| piece.iter().collect())
        .collect()
}

/// Columns that a text takes on a terminal, were all characters alike.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(line: &Line, layout: Layout) -> String {
        let mut out = Vec::new();
        line.write(layout, 4, &mut out).expect("memory takes bytes");
        String::from_utf8(out).expect("it is text")
    }

    #[test]
    fn a_line_is_broken_at_spaces_and_goes_on_below_its_text() {
        let mut line = Line::default();
        line.push(Style::new(), "one:")
            .words(Style::new(), "two three");
        line.push(Style::new(), ",").word(Style::new(), "four");
        let broken = |width| {
            let colour = false;
            written(&line, Layout { colour, width })
        };
        assert_eq!(broken(None), "one: two three, four\n");
        assert_eq!(broken(Some(14)), "one: two\n    three,\n    four\n");
        assert_eq!(broken(Some(3)), "one: two\n    three,\n    four\n");
        assert_eq!(broken(Some(20)), "one: two three, four\n");
    }

    #[test]
    fn no_word_is_too_long_for_its_line() {
        let lines = wrapped("a bc defghij", 4);
        assert_eq!(lines, ["a bc", "defg", "hij"]);
        assert_eq!(wrapped("", 4), [""]);
    }

    #[test]
    fn only_a_coloured_line_has_escapes() {
        let mut line = Line::default();
        line.push(Style::new().bold(), "loud");
        let width = None;
        let written = |colour| written(&line, Layout { colour, width });
        assert_eq!(written(true), "\x1b[1mloud\x1b[0m\n");
        assert_eq!(written(false), "loud\n");
    }
}

//! The line that is being typed at the prompt, for those outside of the line editor.

use std::sync::{Arc, Mutex, PoisonError};

use qecho_terminal::canvas::width;
use rustyline::{
    Context, Editor, Helper, completion::Completer, highlight::Highlighter, hint::Hinter,
    history::DefaultHistory, validate::Validator,
};

/// The line editor.
pub(super) type LineEditor = Editor<TypedLine, DefaultHistory>;

/// The line as the editor has it. Clones are the same line.
///
/// The editor asks for a hint after each change, which is how it is known.
#[derive(Clone, Default)]
pub(super) struct TypedLine(Arc<Mutex<String>>);

impl TypedLine {
    /// Returns the line so far, and begins another.
    pub(super) fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns how many rows of a terminal the line takes beyond the first, after a question.
    pub(super) fn further_rows(&self, question: &str, columns: usize) -> usize {
        let line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        further_rows(question.chars().chain(line.chars()), columns)
    }
}

/// Returns how many rows characters take beyond the first. The cursor behind them needs a place, too.
fn further_rows(characters: impl Iterator<Item = char>, columns: usize) -> usize {
    let (mut row, mut column) = (0, 0);
    for character in characters {
        let shown = match character.is_control() {
            // As in `^[`.
            true => 2,
            false => width(character.encode_utf8(&mut [0; 4])),
        };
        if column + shown > columns {
            row += 1;
            column = 0;
        }
        column += shown;
    }
    row + usize::from(column >= columns)
}

impl Hinter for TypedLine {
    type Hint = String;

    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.clone_into(&mut known);
        None
    }
}

impl Completer for TypedLine {
    type Candidate = String;
}

impl Highlighter for TypedLine {}

impl Validator for TypedLine {}

impl Helper for TypedLine {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_rows_as_a_terminal_breaks_it() {
        for (line, rows) in [
            ("", 0),
            ("1234567", 0),
            // The cursor stands in the next row.
            ("12345678", 1),
            ("123456789", 1),
            ("1234567日", 1),
            ("\u{1b}2345678", 1),
            ("12345678901234567", 1),
            ("123456789012345678", 2),
        ] {
            let found = further_rows("? ".chars().chain(line.chars()), 10);
            assert_eq!(found, rows, "{line:?}");
        }
    }
}

//! A picture of characters that is drawn in memory and then shown row by row.
//!
//! All that lies outside of the picture or of the area that is drawn in is left out, so a terminal
//! of any size will do.

use anstyle::Style;
use unicode_width::UnicodeWidthChar;

use crate::colour::PLAIN;

/// Dots of a Braille character, by row and column, as bits of its code point.
const BRAILLE_DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// The Braille character without dots.
const BRAILLE_BLANK: u32 = 0x2800;

/// Stands behind a character that takes two columns.
const TAKEN: char = '\0';

/// A part of a canvas, in cells from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what their names say")]
pub struct Area {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Area {
    /// Returns what is above the last `height` rows, and those.
    pub fn split_bottom(self, height: usize) -> (Self, Self) {
        let height = height.min(self.height);
        let kept = self.height - height;
        let y = self.y + kept;
        (
            Self {
                height: kept,
                ..self
            },
            Self { y, height, ..self },
        )
    }

    /// Returns what is left of the last `width` columns, and those.
    pub fn split_right(self, width: usize) -> (Self, Self) {
        let width = width.min(self.width);
        let kept = self.width - width;
        let x = self.x + kept;
        (
            Self {
                width: kept,
                ..self
            },
            Self { x, width, ..self },
        )
    }

    /// Returns `count` parts one below the other, as equal as rows allow.
    pub fn stacked(self, count: usize) -> impl Iterator<Item = Self> {
        let row = move |part: usize| self.height * part / count;
        (0..count).map(move |part| Self {
            y: self.y + row(part),
            height: row(part + 1) - row(part),
            ..self
        })
    }

    /// Returns what a border leaves.
    pub fn inner(self) -> Self {
        Self {
            x: self.x + 1,
            y: self.y + 1,
            width: self.width.saturating_sub(2),
            height: self.height.saturating_sub(2),
        }
    }
}

/// The picture.
#[derive(Clone, Debug)]
pub struct Canvas {
    area: Area,
    cells: Vec<(char, Style)>,
}

impl Canvas {
    /// Makes an empty picture.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            area: Area {
                x: 0,
                y: 0,
                width,
                height,
            },
            cells: vec![(' ', PLAIN); width * height],
        }
    }

    /// Returns the whole of it.
    pub fn area(&self) -> Area {
        self.area
    }

    /// Puts one character, in place of what is there.
    pub fn put(&mut self, x: usize, y: usize, character: char, style: Style) {
        if x < self.area.width && y < self.area.height {
            self.cells[y * self.area.width + x] = (character, style);
        }
    }

    /// Writes a line into an area's first row; one that is too long ends with `…` there.
    pub fn text(&mut self, area: Area, text: &str) {
        if area.height == 0 {
            return;
        }
        let mut x = area.x;
        for character in shortened(text, area.width).chars() {
            let width = character.width().unwrap_or(0);
            // What has no width of its own, such as an accent, has no cell.
            for (column, character) in [character, TAKEN].into_iter().take(width).enumerate() {
                self.put(x + column, area.y, character, PLAIN);
            }
            x += width;
        }
    }

    /// Writes one line below the other, as far as there is room.
    pub fn lines(&mut self, area: Area, lines: impl IntoIterator<Item = impl AsRef<str>>) {
        for (row, line) in area.stacked(area.height).zip(lines) {
            self.text(row, line.as_ref());
        }
    }

    /// Draws a border inside of an area, with a title in it.
    pub fn border(&mut self, area: Area, title: &str) {
        let (Some(width), Some(height)) = (area.width.checked_sub(2), area.height.checked_sub(2))
        else {
            return;
        };
        let across = "─".repeat(width);
        let rows = (0..height).map(|_| format!("│{}│", " ".repeat(width)));
        let top = [format!("┌{across}┐")].into_iter();
        self.lines(area, top.chain(rows).chain([format!("└{across}┘")]));
        let (x, y) = (area.x + 1, area.y);
        self.text(
            Area {
                x,
                y,
                width,
                height: 1,
            },
            title,
        );
    }

    /// Draws a straight line of Braille dots, of which a cell has two side by side and four one
    /// below the other. Its ends are dots from the area's upper left corner.
    pub fn stroke(&mut self, area: Area, from: (usize, usize), to: (usize, usize), style: Style) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        for step in 0..=steps {
            let between =
                |from: usize, to: usize| (from * (steps - step) + to * step + steps / 2) / steps;
            let (dot_x, dot_y) = (between(from.0, to.0), between(from.1, to.1));
            let (x, y) = (dot_x / 2, dot_y / 4);
            if x < area.width && y < area.height {
                self.dot(
                    area.x + x,
                    area.y + y,
                    BRAILLE_DOTS[dot_y % 4][dot_x % 2],
                    style,
                );
            }
        }
    }

    fn dot(&mut self, x: usize, y: usize, dot: u32, style: Style) {
        let there = match self.cells.get(y * self.area.width + x) {
            Some((character @ '\u{2800}'..='\u{28ff}', _)) => u32::from(*character),
            _ => BRAILLE_BLANK,
        };
        let character = char::from_u32(there | dot).expect("all are Braille characters");
        self.put(x, y, character, style);
    }

    /// Returns the rows as a terminal takes them, with the sequences of their styles.
    pub fn rows(&self) -> impl Iterator<Item = String> {
        let rows = self.cells.chunks_exact(self.area.width.max(1));
        rows.map(|cells| {
            let (mut row, mut last) = (String::new(), PLAIN);
            for (character, style) in cells.iter().filter(|(character, _)| *character != TAKEN) {
                if *style != last {
                    row += &format!("{last:#}{style}");
                    last = *style;
                }
                row.push(*character);
            }
            row + &format!("{last:#}")
        })
    }
}

/// Returns the columns that a text takes.
pub fn width(text: &str) -> usize {
    text.chars().filter_map(char::width).sum()
}

/// Returns a text, or as much of it as there is room for beside the `…` that says so.
pub fn shortened(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.into();
    }
    let Some(room) = columns.checked_sub(1) else {
        return String::new();
    };
    let mut taken = 0;
    let fits = |letter: &char| {
        taken += letter.width().unwrap_or(0);
        taken <= room
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::WRONG;

    fn shown(canvas: &Canvas) -> Vec<String> {
        canvas.rows().collect()
    }

    #[test]
    fn text_ends_where_its_area_does_and_wide_letters_take_two_columns() {
        let mut canvas = Canvas::new(8, 3);
        let (above, below) = canvas.area().split_bottom(1);
        let (left, right) = above.split_right(3);
        canvas.text(left, "日本語");
        canvas.lines(right, ["abcdef", "e\u{301}x", "no room"]);
        canvas.text(below, "ééé");
        assert_eq!(shown(&canvas), ["日本…ab…", "     ex ", "ééé     "]);
    }

    #[test]
    fn a_border_has_its_title_and_goes_round_what_is_inside() {
        let mut canvas = Canvas::new(6, 3);
        canvas.border(canvas.area(), "title");
        canvas.text(canvas.area().inner(), "inside");
        assert_eq!(shown(&canvas), ["┌tit…┐", "│ins…│", "└────┘"]);
    }

    #[test]
    fn lines_of_dots_meet_in_a_cell_and_are_cut_at_the_edge() {
        let mut canvas = Canvas::new(3, 1);
        canvas.stroke(canvas.area(), (0, 0), (3, 3), PLAIN);
        canvas.stroke(canvas.area(), (0, 3), (3, 0), PLAIN);
        canvas.stroke(canvas.area(), (4, 0), (90, 40), PLAIN);
        assert_eq!(shown(&canvas), ["⡱⢎⠉"]);
    }

    #[test]
    fn a_style_ends_with_what_has_it() {
        let mut canvas = Canvas::new(3, 1);
        canvas.put(1, 0, 'x', WRONG);
        canvas.put(9, 9, 'y', WRONG);
        assert_eq!(shown(&canvas), [format!(" {WRONG}x{WRONG:#} ")]);
    }

    #[test]
    fn parts_are_as_equal_as_rows_allow() {
        let heights = |area: Area| area.stacked(3).map(|part| part.height).collect::<Vec<_>>();
        assert_eq!(heights(Canvas::new(1, 23).area()), [7, 8, 8]);
        assert_eq!(heights(Canvas::new(1, 0).area()), [0, 0, 0]);
    }
}

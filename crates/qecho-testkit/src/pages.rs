//! The pages that people read: README, README.ja and the guide in docs/, as blocks of code and
//! the code in their text.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A page of the project.
#[derive(Debug)]
pub struct Page {
    /// Path from the project's root.
    pub path: String,
    /// Blocks between fences, from the first to the last.
    pub blocks: Vec<Block>,
    /// Code in the text, each piece with the line on which it begins.
    pub spans: Vec<(usize, String)>,
}

/// A block between fences.
#[derive(Debug)]
pub struct Block {
    /// Line of the fence that opens it, counted from one.
    pub line: usize,
    /// Word behind that fence.
    pub language: String,
    /// Comments just before it, `<!-- beside: qecho server -->`, each as its first word and the rest.
    pub notes: Vec<(String, String)>,
    /// Its lines, without the fences.
    pub lines: Vec<String>,
}

/// A command at a prompt, and what it shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Line of the prompt, counted from one.
    pub line: usize,
    /// The command as a shell reads it, of several lines if each but the last ends with `\`.
    pub command: String,
    /// Lines below it.
    pub shown: Vec<String>,
}

/// Beginning of a line with a command.
const PROMPT: &str = "$ ";

/// Returns the folder that everything stands in.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("../..").canonicalize().expect("it is there")
}

/// Reads all pages, in the order of their paths.
pub fn all() -> Vec<Page> {
    let docs = fs::read_dir(root().join("docs")).expect("there is a guide");
    let names = docs.map(|entry| entry.expect("it can be read").file_name());
    let docs = names.map(|name| format!("docs/{}", name.to_string_lossy()));
    let mut paths: Vec<_> = docs.filter(|path| path.ends_with(".md")).collect();
    paths.extend(["README.md".into(), "README.ja.md".into()]);
    paths.sort();
    let read = |path: String| {
        let text = fs::read_to_string(root().join(&path)).expect("it is text");
        Page::parse(path, &text)
    };
    paths.into_iter().map(read).collect()
}

impl Page {
    /// Reads a page.
    ///
    /// # Panics
    /// Panics if a block has no end.
    pub fn parse(path: String, text: &str) -> Self {
        let mut page = Self {
            path,
            blocks: Vec::new(),
            spans: Vec::new(),
        };
        let (mut notes, mut paragraph) = (Vec::new(), Vec::new());
        let mut lines = (1..).zip(text.lines());
        while let Some((line, text)) = lines.next() {
            if let Some(language) = text.trim_start().strip_prefix("```") {
                page.spans.append(&mut spans(&paragraph));
                paragraph.clear();
                let mut block = Vec::new();
                loop {
                    let next = lines.next();
                    let Some((_, text)) = next else {
                        panic!("{}:{line}: the block has no end", page.path);
                    };
                    if text.trim() == "```" {
                        break;
                    }
                    block.push(text.to_owned());
                }
                page.blocks.push(Block {
                    line,
                    language: language.trim().to_owned(),
                    notes: std::mem::take(&mut notes),
                    lines: block,
                });
            } else if let Some(note) = note(text) {
                notes.push(note);
            } else if text.trim().is_empty() {
                page.spans.append(&mut spans(&paragraph));
                paragraph.clear();
            } else {
                notes.clear();
                paragraph.push((line, text));
            }
        }
        page.spans.append(&mut spans(&paragraph));
        page
    }
}

impl Block {
    /// Returns the commands at prompts with what they show.
    ///
    /// # Panics
    /// Panics if a line stands before the first prompt.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut goes_on = false;
        for (line, text) in (self.line + 1..).zip(&self.lines) {
            if let Some(command) = text.strip_prefix(PROMPT) {
                steps.push(Step {
                    line,
                    command: command.to_owned(),
                    shown: Vec::new(),
                });
                goes_on = command.ends_with('\\');
                continue;
            }
            let step = steps.last_mut();
            let step = step.unwrap_or_else(|| panic!("line {line}: a prompt, `$ `, comes first"));
            match goes_on {
                true => {
                    step.command += &format!("\n{text}");
                    goes_on = text.ends_with('\\');
                }
                false => step.shown.push(text.clone()),
            }
        }
        steps
    }

    /// Returns the commands at prompts alone, whatever stands between and beside them: two
    /// terminals side by side have `│` between them.
    pub fn commands(&self) -> Vec<String> {
        let columns = self.lines.iter().flat_map(|line| line.split('│'));
        let commands = columns.filter_map(|column| column.trim().strip_prefix(PROMPT));
        commands.map(str::to_owned).collect()
    }
}

/// Reads a comment such as `<!-- beside: qecho server -->`.
fn note(line: &str) -> Option<(String, String)> {
    let comment = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?;
    let (name, rest) = comment.split_once(':')?;
    Some((name.trim().to_owned(), rest.trim().to_owned()))
}

/// Returns the code in a paragraph, of which a piece may go on from one line to the next.
fn spans(paragraph: &[(usize, &str)]) -> Vec<(usize, String)> {
    let mut spans = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (line, text) in paragraph {
        let mut parts = text.split('`').peekable();
        while let Some(part) = parts.next() {
            if let Some((_, span)) = &mut open {
                span.push_str(&part.replace(r"\|", "|"));
            }
            match (parts.peek().is_some(), open.is_some()) {
                (true, true) => spans.extend(open.take()),
                (true, false) => open = Some((*line, String::new())),
                (false, _) => {}
            }
        }
        if let Some((_, span)) = &mut open {
            span.push(' ');
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_their_lines_and_what_is_noted_just_before_them() {
        let text = "# A\n\n<!-- beside: qecho server -->\n\n```console\n$ a \\\n    b\nout\n\n$ c\n```\n\
            <!-- beside: no -->\nText.\n\n```sh\nd\n```\n";
        let page = Page::parse("a.md".into(), text);
        let [one, other] = &page.blocks[..] else {
            panic!("{page:?}");
        };
        assert_eq!((one.line, &*one.language), (5, "console"));
        assert_eq!(one.notes, [("beside".into(), "qecho server".into())]);
        let step = |line, command: &str, shown: &[&str]| Step {
            line,
            command: command.into(),
            shown: shown.iter().map(|line| (*line).into()).collect(),
        };
        let expected = [step(6, "a \\\n    b", &["out", ""]), step(10, "c", &[])];
        assert_eq!(one.steps(), expected);
        assert_eq!(
            (other.notes.len(), &other.lines[..]),
            (0, &["d".into()][..])
        );
    }

    #[test]
    fn code_in_the_text_may_go_on_in_the_next_line() {
        let text = "Say `a\nb` or\n`c`.\n\n| `d \\| e` | f |\n\n```\n`g`\n```\n";
        let page = Page::parse("a.md".into(), text);
        let expected = [(1, "a b"), (3, "c"), (5, "d | e")];
        assert_eq!(page.spans, expected.map(|(line, span)| (line, span.into())));
    }

    #[test]
    fn terminals_side_by_side_have_a_command_each() {
        let text = "```text\n$ qecho server     │ $ qecho client\nqecho 0.1.0       │ done\n```\n";
        let page = Page::parse("a.md".into(), text);
        assert_eq!(page.blocks[0].commands(), ["qecho server", "qecho client"]);
    }
}

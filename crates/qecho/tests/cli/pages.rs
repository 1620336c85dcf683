//! README, README.ja and the guide: what their `console` blocks show is what happens, in a network
//! and a home of each page's own. CONTRIBUTING.md has the rules for whoever writes a page.

mod matching;
mod room;

use std::{collections::VecDeque, fmt, sync::Mutex, thread};

use qecho_testkit::pages::{self, Block, Page, Step};

use self::room::Room;

/// Pages that are tried at once: most of the time of each is waiting.
const AT_ONCE: usize = 3;

/// Languages of blocks; those of `sh` and `text` are tried in `args/pages.rs`, Rust is compared
/// with what is compiled by `cargo xtask tidy`, and the last are no programs.
const LANGUAGES: [&str; 9] = [
    "console", "sh", "text", "rust", "toml", "yaml", "ini", "json", "python",
];

/// A claim of a page that is not so.
#[derive(Debug)]
struct Failure {
    page: String,
    line: usize,
    command: String,
    expected: String,
    got: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (page, line, command) = (&self.page, self.line, &self.command);
        let (expected, got) = (&self.expected, &self.got);
        writeln!(
            f,
            "{page}:{line}: $ {command}\n-- expected:\n{expected}\n-- got:\n{got}\n"
        )
    }
}

#[test]
fn every_console_block_of_the_pages_shows_what_happens() {
    let left: VecDeque<_> = pages::all().into();
    let count = left.iter().flat_map(console).count();
    assert!(count > 10, "{count} blocks");
    let (left, failures) = (Mutex::new(left), Mutex::new(Vec::new()));
    let next = || left.lock().expect("no thread panics with it").pop_front();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(page) = next() {
                    let found = failures_of(&page);
                    failures
                        .lock()
                        .expect("no thread panics with it")
                        .extend(found);
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no thread panicked with it");
    let all: String = failures.iter().map(Failure::to_string).collect();
    assert!(
        failures.is_empty(),
        "{} do not show it:\n\n{all}",
        failures.len()
    );
}

#[test]
fn a_command_that_does_not_do_what_a_page_shows_is_found() {
    let text = "# A\n\n```console\n$ echo one\none\n$ echo two\nthree\n$ false\n\
        $ sh -c 'exit 3'\n$ echo $?\n3\n```\n";
    let failures = failures_of(&Page::parse("a.md".into(), text));
    let found = failures.iter().map(|found| (found.line, &*found.got));
    let expected = [(6, "two"), (8, "\n-- exit code 1")];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    let beside = "<!-- beside: false -->\n```console\n$ true\n```\n";
    let failures = failures_of(&Page::parse("b.md".into(), beside));
    assert!(
        failures[0].expected.starts_with("beside: false"),
        "{failures:?}"
    );
}

#[test]
fn every_block_of_the_pages_says_its_language() {
    for page in pages::all() {
        for block in &page.blocks {
            let (page, line, language) = (&page.path, block.line, &*block.language);
            let is_known = LANGUAGES.contains(&language);
            assert!(
                is_known,
                "{page}:{line}: `{language}` is none of {LANGUAGES:?}"
            );
        }
    }
}

fn console(page: &Page) -> impl Iterator<Item = &Block> {
    let blocks = page.blocks.iter();
    blocks.filter(|block| block.language == "console")
}

fn failures_of(page: &Page) -> Vec<Failure> {
    let mut blocks = console(page).peekable();
    if blocks.peek().is_none() {
        return Vec::new();
    }
    let room = Room::new();
    blocks
        .flat_map(|block| room.try_block(&page.path, block))
        .collect()
}

impl Failure {
    fn new(page: &str, step: &Step, expected: impl Into<String>, got: String) -> Self {
        Self {
            page: page.to_owned(),
            line: step.line,
            command: step.command.clone(),
            expected: expected.into(),
            got,
        }
    }
}

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

/// What a page claims and what is so.
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

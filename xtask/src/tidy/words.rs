//! Words that may stand in some files alone.

use super::{Finding, Tree};

/// Words, and the files that must not have them.
struct Ban {
    words: &'static [&'static str],
    /// Tells whether a line has a word in the forbidden sense.
    finds: fn(&str, &str) -> bool,
    /// Beginning and possible ends of the paths that the ban is for.
    below: &'static str,
    files: &'static [&'static str],
    /// Beginnings of the paths that it is not for.
    except: &'static [&'static str],
    message: &'static str,
}

const PROGRAM: &str = "crates/qecho-cli/";
/// This file holds all of the words, and its tests bad samples.
const SELF: &str = "xtask/src/tidy";

impl Ban {
    const fn new(words: &'static [&'static str], message: &'static str) -> Self {
        Self {
            words,
            finds: code_has,
            below: "",
            files: &[".rs"],
            except: &[],
            message,
        }
    }

    /// Keeps the code of one part from naming a module.
    const fn imports(below: &'static str, words: &'static [&'static str]) -> Self {
        Self {
            below,
            finds: imports,
            ..Self::new(words, TOOLS)
        }
    }
}

const BANS: &[Ban] = &[
    // A re-export must not smuggle a library past deny.toml.
    Ban {
        except: &["crates/qecho-engine/"],
        ..Ban::new(&["quinn_proto"], "use the types that qecho-engine offers")
    },
    Ban {
        except: &[PROGRAM],
        ..Ban::new(
            &["clap", "rustyline", "indicatif"],
            "the command line and the terminal belong to the program",
        )
    },
    Ban {
        except: &[
            PROGRAM,
            "xtask/",
            "bench/",
            "packaging/",
            "examples/",
            "interop/scoreboard/",
        ],
        ..Ban::new(&["anyhow"], "libraries have errors of their own")
    },
    Ban {
        message: "what was typed must not name what is seen; `commands` sees both",
        ..Ban::imports("crates/qecho-cli/src/args", &["render"])
    },
    Ban {
        message: "what is seen must not name what was typed; `commands` sees both",
        ..Ban::imports("crates/qecho-cli/src/render", &["args"])
    },
    Ban::imports("crates/qecho-echo/src/client", &["server"]),
    Ban::imports("crates/qecho-echo/src/server", &["client"]),
    Ban::imports("crates/qecho-measure/src/ping", &["bench"]),
    Ban::imports("crates/qecho-measure/src/bench", &["ping"]),
    // clippy.toml has Instant::now.
    Ban {
        below: "crates/qecho-engine/",
        ..Ban::new(&["SystemTime::now"], "take `now` as an argument")
    },
    Ban::new(&["#[ignore"], UNFINISHED),
    Ban {
        finds: has,
        files: &[".rs", ".py", ".toml", ".sh"],
        ..Ban::new(&["TODO", "FIXME", "XXX"], UNFINISHED)
    },
    Ban::new(
        &[
            "mod util",
            "mod utils",
            "mod common",
            "mod misc",
            "mod helper",
            "mod helpers",
            "mod shared",
        ],
        "the name says nothing: name the module after what it is for",
    ),
];

const TOOLS: &str = "tools stand alone; move what both need into a module of its own";
const UNFINISHED: &str = "finish it, or file an issue and remove it";

/// Refuses words outside of the files that may have them.
pub(super) fn stand_where_they_may(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.iter().filter(|(path, _)| !path.starts_with(SELF)) {
        for ban in BANS {
            let is_for = path.starts_with(ban.below)
                && ban.files.iter().any(|end| path.ends_with(end))
                && !ban.except.iter().any(|begin| path.starts_with(begin));
            if !is_for {
                continue;
            }
            for (line, text) in (1..).zip(text.lines()) {
                if let Some(word) = ban.words.iter().find(|word| (ban.finds)(text, word)) {
                    let message = format!("`{word}`: {}", ban.message);
                    findings.push(Finding::error(path, line, message));
                }
            }
        }
    }
    findings
}

/// Tells whether a word stands in a line, comments or not.
fn has(line: &str, word: &str) -> bool {
    places(line, word).next().is_some()
}

fn code_has(line: &str, word: &str) -> bool {
    has(code(line), word)
}

/// Tells whether code names a module of this crate: `module::…`, `crate::module` or in a group.
fn imports(line: &str, module: &str) -> bool {
    let line = code(line);
    places(line, module).any(|(before, after)| {
        before.ends_with("crate::")
            || before.ends_with("super::")
            || (!before.ends_with("::") && (after.starts_with("::") || before.contains("crate::{")))
    })
}

/// Returns what stands before and after a whole word, for each place where it stands.
fn places<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let part = |char: char| char.is_alphanumeric() || char == '_';
    let matches = line.match_indices(word);
    let around = matches.map(|(at, _)| (&line[..at], &line[at + word.len()..]));
    around.filter(move |(before, after)| !before.ends_with(part) && !after.starts_with(part))
}

/// Returns what stands before `//`, quotes respected.
fn code(line: &str) -> &str {
    let mut quoted = false;
    let mut previous = ' ';
    for (at, char) in line.char_indices() {
        match char {
            '"' if previous != '\\' && previous != '\'' => quoted = !quoted,
            '/' if previous == '/' && !quoted => return &line[..at - 1],
            _ => {}
        }
        previous = if previous == '\\' { ' ' } else { char };
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::fires;
    use super::*;

    #[test]
    fn comments_are_no_code() {
        for (line, expected) in [
            ("let a = 1; // quinn_proto::X", "let a = 1; "),
            ("let a = \"http://x\"; // b", "let a = \"http://x\"; "),
            ("let a = '\"'; // b", "let a = '\"'; "),
        ] {
            assert_eq!(code(line), expected);
        }
    }

    /// Applies the rule to a line as `grep` prints it; returns the line's place and the findings.
    fn applied(line: &str) -> (String, Vec<String>) {
        let (place, text) = line.split_once(": ").expect("a path, a number and a text");
        let (path, number) = place.rsplit_once(':').expect("a path and a number");
        let number: usize = number.parse().expect("a number");
        let text = "\n".repeat(number - 1) + text;
        let found = fires(stand_where_they_may, &[(path, &text)]);
        (place.to_owned(), found)
    }

    #[test]
    fn words_are_found_where_they_must_not_stand() {
        let text = "// quinn_proto::A\nuse qecho_engine::quinn_proto::B;";
        let path = "crates/qecho-echo/src/a.rs";
        let found = fires(stand_where_they_may, &[(path, text)]);
        assert_eq!(found, [format!("{path}:2")]);
        for line in [
            "crates/qecho-cert/src/a.rs:1: fn main() -> anyhow::Result<()> {",
            "crates/qecho-io/src/a.rs:1: use clap;",
            "crates/qecho-echo/src/server/echo.rs:2: use crate::client::Config;",
            "crates/qecho-echo/src/server/echo.rs:1: use crate::{words, client};",
            "crates/qecho-echo/src/server/echo.rs:1: use super::super::client::Config;",
            "crates/qecho-echo/src/server.rs:1: use super::client;",
            "crates/qecho-measure/src/ping/probes.rs:1: crate::bench::run()",
            "crates/qecho-cli/src/args/client.rs:1: use crate::render::Style;",
            "crates/qecho-cli/src/render.rs:2: use crate::args;",
            "crates/qecho-engine/src/shard/timers.rs:1: SystemTime::now()",
            "crates/a/src/b.rs:2: pub(crate) mod common;",
            "a.rs:1: // TODO later",
            "a.py:1: # XXX",
            "a.rs:1: /// FIXME",
            "a.rs:1: #[ignore]",
            "a.rs:1: #[ignore = \"slow\"]",
        ] {
            let (place, found) = applied(line);
            assert_eq!(found, [place], "{line}");
        }
    }

    #[test]
    fn words_stand_where_they_may_and_in_other_senses() {
        for line in [
            "crates/qecho-engine/src/a.rs:1: use quinn_proto::Endpoint;",
            "crates/qecho-cli/src/a.rs:1: use clap::Parser;",
            "crates/qecho-io/src/a.rs:1: use overclap::X;",
            "examples/a.rs:1: fn main() -> anyhow::Result<()> {",
            "crates/qecho-echo/src/server/echo.rs:1: use crate::server::A; use crate::words::B;",
            "crates/qecho-echo/src/server/echo.rs:1: use rustls::client::Verifier;",
            "crates/qecho-echo/src/lib.rs:1: use crate::client::Config;",
            "crates/qecho-cli/src/args/client.rs:1: use crate::args::server;",
            "crates/qecho-cli/src/commands.rs:1: use crate::{args, render};",
            "crates/qecho-cli/src/lib.rs:1: SystemTime::now()",
            "crates/a/src/b.rs:1: mod utility; let shared = 1;",
            "a.rs:1: let todos = AUTODOC;",
        ] {
            assert!(applied(line).1.is_empty(), "{line}");
        }
    }
}

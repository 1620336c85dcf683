//! Reading Rust well enough for the rules: code without comments, words, paths.

/// Returns the code of a line: what stands before `//`, quotes respected.
pub(super) fn code(line: &str) -> &str {
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

/// Returns the lines of a text without comments, counted from one.
pub(super) fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .map(code)
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// Returns where `word` stands in `text`, as a whole word.
pub(super) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |char: char| char.is_alphanumeric() || char == '_';
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            !text[..*at].ends_with(part) && !text[at + word.len()..].starts_with(part)
        })
}

/// Tells whether a line of code names a crate or module: `name::…` or `use name`.
pub(super) fn names(code: &str, name: &str) -> bool {
    words(code, name).any(|at| {
        let before = code[..at].trim_end();
        let after = &code[at + name.len()..];
        after.starts_with("::")
            || ["use", "crate", "crate::"]
                .iter()
                .any(|w| before.ends_with(w))
    })
}

/// Returns the names that follow `prefix` (such as `crate::`), also in `crate::{a::b, c}`, each
/// with its line.
pub(super) fn followers(text: &str, prefix: &str) -> Vec<(usize, String)> {
    let code: String = text.lines().flat_map(|line| [code(line), "\n"]).collect();
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|char: char| char.is_alphanumeric() || char == '_' || char == ':') {
            continue;
        }
        let rest = at + prefix.len();
        match code[rest..].starts_with('{') {
            false => found.push((rest, word_at(&code[rest..]))),
            true => found.extend(group_members(&code[rest + 1..], rest + 1)),
        }
    }
    let line = |at: usize| code[..at].matches('\n').count() + 1;
    found
        .into_iter()
        .map(|(at, name)| (line(at), name.to_owned()))
        .collect()
}

/// Returns the first word of each member of a `{…}` group, after its opening brace.
fn group_members(group: &str, offset: usize) -> Vec<(usize, &str)> {
    let mut members = Vec::new();
    let mut depth = 0;
    let mut expecting = true;
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expecting = true,
            char if expecting && char.is_alphabetic() => {
                members.push((offset + at, word_at(&group[at..])));
                expecting = false;
            }
            _ => {}
        }
    }
    members
}

fn word_at(text: &str) -> &str {
    let end = text
        .find(|char: char| !char.is_alphanumeric() && char != '_')
        .unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_code() {
        assert_eq!(code("let a = 1; // quinn_proto::X"), "let a = 1; ");
        assert_eq!(code("let a = \"http://x\"; // b"), "let a = \"http://x\"; ");
        assert_eq!(code("let a = '\"'; // b"), "let a = '\"'; ");
    }

    #[test]
    fn a_name_counts_only_as_a_whole_word_in_a_path() {
        assert!(names("use clap::Parser;", "clap"));
        assert!(names("use clap;", "clap"));
        assert!(names("fn f() -> anyhow::Result<()>", "anyhow"));
        assert!(!names("let clap = 1;", "clap"));
        assert!(!names("use overclap::X;", "clap"));
    }

    #[test]
    fn followers_are_found_in_groups_too() {
        let text = "use crate::client::Config;\nuse crate::{\n    ping::{a, b},\n    Error,\n};";
        let expected = [(1, "client"), (3, "ping"), (4, "Error")];
        assert_eq!(
            followers(text, "crate::"),
            expected.map(|(n, name)| (n, name.to_owned()))
        );
        assert_eq!(followers("use mycrate::x; super::super::y", "crate::"), []);
    }
}

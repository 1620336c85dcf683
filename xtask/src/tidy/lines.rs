//! Rules on the lines of a file: how many, and what must not stand in one.

use super::tree::Tree;
use super::{Finding, Severity, text};

const LINES_WARN: usize = 400;
const LINES_MAX: usize = 600;

const ENGINE: &str = "crates/qecho-engine/src/";
/// The modules of the engine that meet the real world, and the simulator, whose virtual time
/// begins somewhere.
const CLOCK_READERS: &[&str] = &["event_loop", "socket", "simulation"];
/// The rules themselves hold bad samples.
const RULES: &str = "xtask/src/tidy/";

/// A file that cannot be read in one go asks for a split.
pub(super) fn files_are_short(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.sources() {
        let lines = text.lines().count();
        let severity = match lines {
            _ if lines <= LINES_WARN => continue,
            _ if lines <= LINES_MAX => Severity::Warning,
            _ => Severity::Error,
        };
        let message = format!("{lines} lines: split it (200 are good, {LINES_MAX} the most)");
        findings.push(Finding {
            path: path.to_owned(),
            line: lines,
            severity,
            message,
        });
    }
    findings
}

/// Time is an argument, so that the same shard runs on virtual time.
pub(super) fn only_the_event_loop_reads_the_clock(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let Some(inside) = path.strip_prefix(ENGINE) else {
            continue;
        };
        let mut parts = inside.split('/').map(|part| part.trim_end_matches(".rs"));
        if parts.any(|part| CLOCK_READERS.contains(&part)) {
            continue;
        }
        let reads = |(_, code): &(usize, &str)| {
            code.contains("Instant::now") || code.contains("SystemTime::now")
        };
        // Tests need a first instant too; they stand last.
        let text = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        findings.extend(text::code_lines(text).filter(reads).map(|(line, _)| {
            Finding::error(
                path,
                line,
                "only the event loop reads the clock: take `now` as an argument",
            )
        }));
    }
    findings
}

/// What is not done is an issue, not a mark in the code.
pub(super) fn nothing_is_unfinished(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let kinds = [".rs", ".py", ".toml", ".sh"];
    let ours =
        |path: &str| kinds.iter().any(|kind| path.ends_with(kind)) && !path.starts_with(RULES);
    for (path, text) in tree.files().filter(|(path, _)| ours(path)) {
        for (index, line) in text.lines().enumerate() {
            let code = text::code(line);
            let marks = ["TODO", "FIXME", "XXX"];
            let mark = marks
                .into_iter()
                .find(|mark| text::words(line, mark).next().is_some());
            let macros = ["todo!", "dbg!", "#[ignore"];
            if let Some(found) =
                mark.or_else(|| macros.into_iter().find(|name| code.contains(name)))
            {
                let message =
                    format!("`{found}` is left: finish it, or file an issue and remove it");
                findings.push(Finding::error(path, index + 1, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::fires;
    use super::*;

    #[test]
    fn a_long_file_warns_and_a_very_long_one_fails() {
        let severity = |lines: usize| {
            let tree = Tree::of(&[("a.rs", &"\n".repeat(lines))]);
            files_are_short(&tree)
                .first()
                .map(|finding| finding.severity)
        };
        assert_eq!(severity(400), None);
        assert_eq!(severity(401), Some(Severity::Warning));
        assert_eq!(severity(600), Some(Severity::Warning));
        assert_eq!(severity(601), Some(Severity::Error));
    }

    #[test]
    fn a_clock_inside_the_shard_is_found() {
        let fires = |path, text| fires(only_the_event_loop_reads_the_clock, &[(path, text)]);
        let text = "// Instant::now\nlet now = Instant::now();";
        let shard = "crates/qecho-engine/src/shard/timers.rs";
        assert_eq!(fires(shard, text), [format!("{shard}:2")]);
        assert_eq!(fires(shard, "SystemTime::now()"), [format!("{shard}:1")]);
        assert!(fires("crates/qecho-engine/src/event_loop/turn.rs", text).is_empty());
        assert!(fires("crates/qecho-engine/src/event_loop.rs", text).is_empty());
        assert!(fires("crates/qecho/src/main.rs", text).is_empty());
        assert!(fires(shard, "#[cfg(test)]\nmod tests {\n    Instant::now()").is_empty());
    }

    #[test]
    fn unfinished_work_is_found() {
        let fires = |text| fires(nothing_is_unfinished, &[("a.rs", text)]).len();
        assert_eq!(
            fires("// TODO later\n/// FIXME\n    todo!()\ndbg!(1);\n#[ignore]\n"),
            5
        );
        assert_eq!(fires("#[ignore = \"slow\"]"), 1);
        assert_eq!(fires("let todos = AUTODOC; // dbg! prints"), 0);
    }
}

//! Rules on the pages that people read.

use super::{Finding, Tree};

/// Refuses a relative link to no file or folder of this tree.
pub(super) fn links_lead_somewhere(tree: &Tree) -> Vec<Finding> {
    let exists = |path: &str| {
        let folder = format!("{path}/");
        let mut paths = tree.keys();
        path.is_empty() || paths.any(|file| file == path || file.starts_with(&folder))
    };
    let mut findings = Vec::new();
    for (path, text) in pages(tree) {
        let mut in_code = false;
        for (number, line) in (1..).zip(text.lines()) {
            in_code ^= line.trim_start().starts_with("```");
            let links = links(line).filter(|_| !in_code);
            let targets = links.map(|link| resolve(path, link));
            findings.extend(targets.filter(|target| !exists(target)).map(|target| {
                Finding::error(path, number, format!("there is no {target}: mend the link"))
            }));
        }
    }
    findings
}

/// Refuses Rust on a page that does not stand line by line in a source of this tree, which is
/// compiled: in an example, say.
pub(super) fn rust_is_compiled(tree: &Tree) -> Vec<Finding> {
    let sources = tree.iter().filter(|(path, _)| path.ends_with(".rs"));
    let sources: Vec<String> = sources.map(|(_, text)| trimmed(text.lines())).collect();
    let mut findings = Vec::new();
    for (path, text) in pages(tree) {
        let mut lines = text.lines().enumerate();
        while let Some((index, _)) = lines.find(|(_, line)| line.trim_start() == "```rust") {
            let code = lines.by_ref().map(|(_, line)| line);
            let code = trimmed(code.take_while(|line| line.trim_start() != "```"));
            if !sources.iter().any(|source| source.contains(&code)) {
                let message = "no source has these lines: copy them from one, which is compiled";
                findings.push(Finding::error(path, index + 1, message));
            }
        }
    }
    findings
}

/// Refuses a page of the guide that its table of contents lacks or calls by another name, and links
/// out of the guide that only a copy of the sources can follow.
pub(super) fn guide_is_a_book(tree: &Tree) -> Vec<Finding> {
    let contents = tree.get("docs/SUMMARY.md").map_or("", String::as_str);
    let guide = pages(tree).filter(|(path, _)| path.starts_with("docs/"));
    let mut findings = Vec::new();
    for (path, text) in guide.filter(|(path, _)| *path != "docs/SUMMARY.md") {
        let title = text.lines().next().unwrap_or_default();
        let name = path.strip_prefix("docs/").unwrap_or_default();
        let entry = format!("[{}]({name})", title.trim_start_matches("# "));
        if !contents.contains(&entry) {
            let message =
                format!("docs/SUMMARY.md has no {entry}: name the page there as it begins");
            findings.push(Finding::error(path, 1, message));
        }
        for (number, line) in (1..).zip(text.lines()) {
            if links(line).any(|link| link.starts_with("../")) {
                let message = "the book has no such page: give the whole address on GitHub";
                findings.push(Finding::error(path, number, message));
            }
        }
    }
    findings
}

/// Returns whole lines without their indentation, with a break before and after each.
fn trimmed<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.fold("\n".into(), |text, line| text + line.trim() + "\n")
}

fn pages(tree: &Tree) -> impl Iterator<Item = (&String, &String)> {
    let is_page =
        |path: &str| path.ends_with(".md") && (!path.contains('/') || path.starts_with("docs/"));
    tree.iter().filter(move |(path, _)| is_page(path))
}

/// Returns the relative links of a line, without their anchors.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let definition = line.strip_prefix('[');
    let defined = definition.and_then(|rest| Some(rest.split_once("]: ")?.1));
    let targets = line.split("](").skip(1).chain(defined);
    let paths = targets.filter_map(|target| target.split([')', ' ', '#']).next());
    paths.filter(|path| !path.is_empty() && !path.contains(':'))
}

/// Returns the path from the root that a link of `page` means.
fn resolve(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::fires;
    use super::*;

    #[test]
    fn rust_that_no_source_has_is_found() {
        let readme = "```rust\nfn main() {\n    run();\n}\n```\n\n```sh\nrun\n```\n\
            ```rust\nrun()\n```\n";
        let example = "//! Runs.\n\nmod all {\n    fn main() {\n        run();\n    }\n}\n";
        let files = [("README.md", readme), ("examples/run.rs", example)];
        assert_eq!(fires(rust_is_compiled, &files), ["README.md:10"]);
    }

    #[test]
    fn a_page_that_the_book_does_not_have_so_is_found() {
        let files = [
            ("README.md", "# A\n[b](docs/one.md)"),
            (
                "docs/SUMMARY.md",
                "# Summary\n- [One](one.md)\n- [Two](two.md)",
            ),
            ("docs/one.md", "# One\n[a](two.md)\n[b](../README.md)"),
            ("docs/two.md", "# Second"),
            ("docs/three.md", "# Three"),
        ];
        let expected = ["docs/one.md:3", "docs/three.md:1", "docs/two.md:1"];
        assert_eq!(fires(guide_is_a_book, &files), expected);
    }

    #[test]
    fn a_dead_link_is_found() {
        let readme = "[a](docs/protocol.md#fin) [b](https://x.org/y)\n[c](docs/gone.md) [d](#here)\n\
            ```\n[e](gone)\n```\n[f]: gone.md";
        let protocol = "[up](../README.md) [folder](../crates) [no](README.md)";
        let files = [
            ("README.md", readme),
            ("docs/protocol.md", protocol),
            ("crates/qecho/Cargo.toml", ""),
        ];
        let expected = ["README.md:2", "README.md:6", "docs/protocol.md:1"];
        assert_eq!(fires(links_lead_somewhere, &files), expected);
    }
}

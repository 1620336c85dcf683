//! The guide as a book: it is made without a warning, and its links lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xtask::report::Report;
use xtask::setup::Tool;
use xtask::workspace;

use crate::{logged, read, tried};

/// Maker of the guide's pages.
const MDBOOK: Tool = Tool {
    name: "mdbook",
    version: "0.5.4",
    features: &["--no-default-features", "--features", "search"],
};

const BUILD_LIMIT: Duration = Duration::from_secs(120);

/// Made by mdBook for itself: all pages as one, and a page for what is not there.
const NOT_OURS: [&str; 2] = ["print.html", "404.html"];

/// Makes the book, and follows its links.
pub(crate) fn run() -> Result<Report> {
    let mut build = Command::new(MDBOOK.obtain()?);
    build.arg("build").current_dir(workspace::root());
    let said = logged("book", build, BUILD_LIMIT)?;
    let warned = said
        .lines()
        .find(|line| line.contains("WARN") || line.contains("ERROR"));
    ensure!(
        warned.is_none(),
        "mdbook warns: {}",
        warned.unwrap_or_default()
    );
    let book = workspace::target().join("book");
    let pages = pages(&book)?;
    let mut dead = BTreeSet::new();
    for page in &pages {
        let text = read(page)?;
        for link in values(&text, "href").filter(|link| !link.contains(':')) {
            if !leads_somewhere(page, &text, link)? {
                dead.insert(format!("{} → {link}", page.display()));
            }
        }
    }
    let dead: Vec<String> = dead.into_iter().collect();
    ensure!(dead.is_empty(), "links lead nowhere:\n{}", dead.join("\n"));
    println!("book: {}", book.join("index.html").display());
    Ok(tried(pages.len() as u64))
}

fn pages(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder);
    let entries = entries.with_context(|| format!("cannot read {}", folder.display()))?;
    let is_page = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".html") && !NOT_OURS.contains(&&*name) && !name.starts_with("toc")
    };
    Ok(entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_page)
        .collect())
}

fn leads_somewhere(page: &Path, text: &str, link: &str) -> Result<bool> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = page.with_file_name(path);
    if !path.is_empty() && !target.exists() {
        return Ok(false);
    }
    let other;
    let text = match path.is_empty() {
        true => text,
        false if anchor.is_empty() => return Ok(true),
        false => {
            other = read(&target)?;
            &other
        }
    };
    Ok(anchor.is_empty() || values(text, "id").any(|id| id == anchor))
}

/// Returns the values of an attribute in a page's tags.
fn values<'a>(text: &'a str, attribute: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!(" {attribute}=\"");
    let starts: Vec<usize> = text
        .match_indices(&begin)
        .map(|(at, _)| at + begin.len())
        .collect();
    let value = |at: usize| text[at..].split('"').next();
    starts.into_iter().filter_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_heading_that_there_is_not_leads_nowhere() {
        let page = Path::new("/nowhere/a.html");
        let text = "<h2 id=\"here\"><a class=\"header\" href=\"#here\">Here</a></h2>";
        let leads = |link| leads_somewhere(page, text, link).expect("it is this page");
        assert!(leads("#here"));
        assert!(!leads("#there"));
        assert!(!leads("b.html#here"));
        assert_eq!(values(text, "href").collect::<Vec<_>>(), ["#here"]);
    }
}

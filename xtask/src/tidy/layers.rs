//! Rules on what a source file may name.

use std::collections::BTreeSet;

use super::{Finding, dependencies::OWNED, text, tree::Tree};

const TOOLS: [&str; 2] = ["crates/qecho-echo/src/", "crates/qecho-measure/src/"];
const PROGRAM: &str = "crates/qecho/src/";
/// The rules themselves hold bad samples.
const RULES: &str = "xtask/src/tidy/";

/// A re-export must not smuggle a library past the manifests.
pub(super) fn sources_name_only_their_own_crates(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let is_example = path.split('/').any(|folder| folder == "examples");
        for owned in OWNED {
            let exempt = path.starts_with(RULES)
                || (is_example && owned.library == "anyhow")
                || owned.owners.iter().any(|owner| member(path) == Some(owner));
            let name = owned.library.replace('-', "_");
            let named = |(_, code): &(usize, &str)| text::names(code, &name);
            if exempt {
                continue;
            }
            findings.extend(text::code_lines(text).filter(named).map(|(line, _)| {
                let owners = owned.owners.join(" and ");
                let message =
                    format!("only {owners} may name {name}; use the types that {owners} offers");
                Finding::error(path, line, message)
            }));
        }
    }
    findings
}

/// Every tool stands alone: what two of them need belongs below both.
pub(super) fn tools_never_import_one_another(tree: &Tree) -> Vec<Finding> {
    let found = TOOLS.map(|folder| tools_apart(tree, folder));
    found.into_iter().flatten().collect()
}

fn tools_apart(tree: &Tree, folder: &str) -> Vec<Finding> {
    let tools: BTreeSet<&str> = tree
        .rust()
        .filter_map(|(path, _)| path.strip_prefix(folder)?.strip_suffix("/config.rs"))
        .filter(|tool| !tool.contains('/'))
        .collect();
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let Some(inside) = path.strip_prefix(folder) else {
            continue;
        };
        let (tool, up) = match inside.split_once('/') {
            Some((folder, file)) => (folder, "super::".repeat(file.matches('/').count() + 2)),
            None => (inside.trim_end_matches(".rs"), "super::".to_owned()),
        };
        if !tools.contains(tool) {
            continue;
        }
        let named = ["crate::", &up]
            .into_iter()
            .flat_map(|root| text::followers(text, root));
        let foreign = named.filter(|(_, name)| name != tool && tools.contains(name.as_str()));
        findings.extend(foreign.map(|(line, name)| {
            let message = format!(
                "the tool {tool} imports the tool {name}; move what both need into a module of its own"
            );
            Finding::error(path, line, message)
        }));
    }
    findings
}

/// What was typed knows nothing of what is seen, nor the other way round.
pub(super) fn args_and_render_are_apart(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let Some(inside) = path.strip_prefix(PROGRAM) else {
            continue;
        };
        for (side, other) in [("args", "render"), ("render", "args")] {
            let on_this_side = inside
                .split('/')
                .any(|part| part.trim_end_matches(".rs") == side);
            if !on_this_side {
                continue;
            }
            let crossing = |(_, code): &(usize, &str)| text::names(code, other);
            findings.extend(text::code_lines(text).filter(crossing).map(|(line, _)| {
                let message = format!("{side} must not name {other}; `commands` sees both");
                Finding::error(path, line, message)
            }));
        }
    }
    findings
}

/// Returns the member that a path lies in.
fn member(path: &str) -> Option<&str> {
    let mut folders = path.split('/');
    match folders.next()? {
        "crates" => folders.next(),
        folder => Some(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fires;
    use super::*;

    #[test]
    fn a_smuggled_library_is_found() {
        let fires = |path, text| fires(sources_name_only_their_own_crates, &[(path, text)]);
        let text = "// quinn_proto::Ok\nuse qecho_engine::quinn_proto::Endpoint;";
        assert_eq!(
            fires("crates/qecho-echo/src/a.rs", text),
            ["crates/qecho-echo/src/a.rs:2"]
        );
        assert!(fires("crates/qecho-engine/src/a.rs", text).is_empty());
        let text = "fn main() -> anyhow::Result<()> {";
        assert_eq!(
            fires("crates/qecho-cert/src/a.rs", text),
            ["crates/qecho-cert/src/a.rs:1"]
        );
        assert!(fires("crates/qecho-cert/examples/a.rs", text).is_empty());
    }

    #[test]
    fn a_tool_that_imports_another_is_found() {
        let fires = |path, text| {
            let config = "crates/qecho-echo/src/client/config.rs";
            let other = "crates/qecho-echo/src/server/config.rs";
            fires(
                tools_never_import_one_another,
                &[(config, ""), (other, ""), (path, text)],
            )
        };
        let inner = "crates/qecho-echo/src/server/echo.rs";
        assert_eq!(
            fires(inner, "\nuse crate::client::Config;"),
            [format!("{inner}:2")]
        );
        assert_eq!(
            fires(inner, "use crate::{words, client};"),
            [format!("{inner}:1")]
        );
        assert_eq!(
            fires(inner, "use super::super::client::Config;"),
            [format!("{inner}:1")]
        );
        assert!(fires(inner, "use crate::server::Config; use crate::words::X;").is_empty());
        let outer = "crates/qecho-echo/src/server.rs";
        assert_eq!(
            fires(outer, "use super::client::Config;"),
            [format!("{outer}:1")]
        );
        assert!(fires("crates/qecho-echo/src/lib.rs", "use crate::client::Config;").is_empty());
    }

    #[test]
    fn args_that_name_render_are_found_and_the_other_way_round() {
        let fires = |path, text| fires(args_and_render_are_apart, &[(path, text)]);
        let args = "crates/qecho/src/args/client.rs";
        assert_eq!(
            fires(args, "use crate::render::Style;"),
            [format!("{args}:1")]
        );
        assert!(fires(args, "use crate::args::server;").is_empty());
        let render = "crates/qecho/src/render.rs";
        assert_eq!(fires(render, "\nuse crate::args;"), [format!("{render}:2")]);
        assert!(fires("crates/qecho/src/commands.rs", "use crate::{args, render};").is_empty());
    }
}

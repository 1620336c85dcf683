//! Lock files of packages beside the workspace, which only their own commands build.

use super::{Finding, Tree};

/// Each names all that the workspace's packages in it depend on: who adds a dependency to one of
/// those has to write the others' lock files anew.
pub(super) fn know_all_dependencies(tree: &Tree) -> Vec<Finding> {
    let locks = tree
        .iter()
        .filter(|(path, _)| path.ends_with("/Cargo.lock"));
    let mut findings = Vec::new();
    for (path, text) in locks {
        for package in text.split("[[package]]").skip(1) {
            let Some(name) = value(package, "name").filter(|_| value(package, "source").is_none())
            else {
                continue;
            };
            for dependency in dependencies(tree, name) {
                if !package.contains(&format!("\n \"{dependency}")) {
                    let message = format!(
                        "{name} depends on {dependency}, too: run `cargo metadata` in its folder"
                    );
                    findings.push(Finding::error(path, 1, message));
                }
            }
        }
    }
    findings
}

/// Returns the value of a line `KEY = "VALUE"`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let value = line.strip_prefix(key)?.trim_start().strip_prefix('=')?;
        Some(value.trim().trim_matches('"'))
    })
}

/// Returns what a package of this tree always depends on.
fn dependencies<'a>(tree: &'a Tree, package: &str) -> Vec<&'a str> {
    let mut manifests = tree.iter().filter(|(path, _)| path.ends_with("Cargo.toml"));
    let manifest = manifests.find(|(_, text)| value(text, "name") == Some(package));
    let Some((_, text)) = manifest else {
        return Vec::new();
    };
    let sections = text.split("\n[");
    let section = sections
        .into_iter()
        .find_map(|it| it.strip_prefix("dependencies]"));
    let lines = section.unwrap_or_default().lines();
    let always = lines.filter(|line| !line.contains("optional") && !line.contains("package ="));
    let named = always.filter_map(|line| line.split(['.', ' ', '=']).next());
    named
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fires;
    use super::*;

    #[test]
    fn a_lock_file_that_is_out_of_step_is_found() {
        let manifest =
            "[package]\nname = \"a\"\n\n[dependencies]\nb.workspace = true\nrand = \"1\"\n";
        let fires = |dependencies: &str| {
            let lock = format!("\n[[package]]\nname = \"a\"\ndependencies = [\n{dependencies}]\n");
            let files = [("a/Cargo.toml", manifest), ("fuzz/Cargo.lock", &lock)];
            fires(know_all_dependencies, &files).len()
        };
        assert_eq!(fires(" \"b\",\n \"rand 1.0.0\",\n"), 0);
        assert_eq!(fires(" \"b\",\n"), 1);
    }
}

//! Reads the dependency tables of a Cargo.toml.

/// A dependency as a manifest declares it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dependency<'a> {
    /// Counted from one.
    pub(super) line: usize,
    pub(super) name: &'a str,
    pub(super) kind: Kind,
}

/// Which table it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Build,
    Development,
    /// `[workspace.dependencies]`: a version, not a use.
    Workspace,
}

/// Returns every dependency of a manifest.
pub(super) fn dependencies(text: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut kind = None;
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(table) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            kind = kind_of(table);
            // `[dependencies.name]`: the table itself is the declaration.
            if let Some((outer, name)) = table.rsplit_once('.')
                && kind.is_none()
                && let Some(kind) = kind_of(outer)
            {
                found.push(Dependency {
                    line: line_number,
                    name: name.trim_matches('"'),
                    kind,
                });
            }
        } else if let (Some(kind), Some((key, _))) = (kind, line.split_once('=')) {
            let name = key
                .split('.')
                .next()
                .unwrap_or_default()
                .trim()
                .trim_matches('"');
            found.push(Dependency {
                line: line_number,
                name,
                kind,
            });
        }
    }
    found
}

/// Returns the kind of a table; a prefix like `target.'cfg(unix)'.` changes nothing.
fn kind_of(table: &str) -> Option<Kind> {
    if table == "workspace.dependencies" {
        return Some(Kind::Workspace);
    }
    match table.rsplit('.').next()? {
        "dependencies" => Some(Kind::Normal),
        "build-dependencies" => Some(Kind::Build),
        "dev-dependencies" => Some(Kind::Development),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_declare_a_dependency_is_read() {
        let text = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true # why\n\
            b = { version = \"1\" }\n[target.'cfg(unix)'.dev-dependencies]\nc = \"1\"\n\
            [dependencies.d]\nversion = \"1\"\n[workspace.dependencies]\ne = \"1\"\n[lints]\nf = 1";
        let found: Vec<_> = dependencies(text)
            .iter()
            .map(|found| (found.line, found.name, found.kind))
            .collect();
        assert_eq!(
            found,
            [
                (4, "a", Kind::Normal),
                (5, "b", Kind::Normal),
                (7, "c", Kind::Development),
                (8, "d", Kind::Normal),
                (11, "e", Kind::Workspace),
            ]
        );
    }
}

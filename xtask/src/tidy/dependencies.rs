//! Rules on the manifests: which way the arrows point, and who may use what.

use super::{
    Finding,
    manifest::{self, Dependency, Kind},
    tree::Tree,
};

/// What a crate may use of the workspace: by its code, and more by its tests and examples alone.
struct Arrows {
    from: &'static str,
    to: &'static [&'static str],
    tests_also: &'static [&'static str],
}

const ARROWS: &[Arrows] = &[
    Arrows {
        from: "qecho-packet",
        to: &[],
        tests_also: &["qecho-testkit"],
    },
    Arrows {
        from: "qecho-engine",
        to: &["qecho-packet"],
        tests_also: &["qecho-netsim", "qecho-testkit"],
    },
    Arrows {
        from: "qecho-io",
        to: &["qecho-engine", "qecho-packet"],
        tests_also: &[],
    },
    Arrows {
        from: "qecho-netsim",
        to: &["qecho-io", "qecho-engine", "qecho-packet"],
        tests_also: &[],
    },
    Arrows {
        from: "qecho-cert",
        to: &[],
        tests_also: &[],
    },
    Arrows {
        from: "qecho-echo",
        to: &["qecho-io", "qecho-engine", "qecho-packet"],
        tests_also: &["qecho-netsim", "qecho-testkit"],
    },
    Arrows {
        from: "qecho-measure",
        to: &["qecho-echo", "qecho-io", "qecho-engine", "qecho-packet"],
        tests_also: &["qecho-netsim", "qecho-testkit"],
    },
    Arrows {
        from: "qecho-testkit",
        to: &[
            "qecho-echo",
            "qecho-netsim",
            "qecho-io",
            "qecho-engine",
            "qecho-packet",
        ],
        tests_also: &[],
    },
    Arrows {
        from: "xtask",
        to: &[],
        tests_also: &[],
    },
];

/// A library that only some crates may name.
pub(super) struct Owned {
    pub(super) library: &'static str,
    pub(super) owners: &'static [&'static str],
}

/// Examples show a whole program, so they may use what the program uses.
pub(super) const OWNED: &[Owned] = &[
    Owned {
        library: "quinn-proto",
        owners: &["qecho-engine"],
    },
    Owned {
        library: "clap",
        owners: &["qecho"],
    },
    Owned {
        library: "anyhow",
        owners: &["qecho", "xtask", "harness", "bench"],
    },
    Owned {
        library: "rustyline",
        owners: &["qecho"],
    },
    Owned {
        library: "indicatif",
        owners: &["qecho"],
    },
    Owned {
        library: "ratatui",
        owners: &["qecho"],
    },
];

/// Arrows run qecho → measure → echo → io → engine → packet, netsim → io and qecho → cert,
/// never back.
pub(super) fn arrows_point_one_way(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, member, dependency) in uses(tree) {
        let Some(arrows) = ARROWS.iter().find(|arrows| arrows.from == member) else {
            continue;
        };
        let name = dependency.name;
        let allowed = !name.starts_with("qecho")
            || arrows.to.contains(&name)
            || (dependency.kind == Kind::Development && arrows.tests_also.contains(&name));
        if !allowed {
            let message = format!(
                "{member} must not depend on {name}: arrows run qecho → qecho-measure → \
                 qecho-echo → qecho-io → qecho-engine → qecho-packet, qecho-netsim → qecho-io and \
                 qecho → qecho-cert; move what is shared to the lower crate"
            );
            findings.push(Finding::error(path, dependency.line, message));
        }
    }
    findings
}

/// The QUIC stack belongs to the engine; the command line and the terminal to the program.
pub(super) fn crates_keep_to_their_owner(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, member, dependency) in uses(tree) {
        let Some(owned) = OWNED.iter().find(|owned| owned.library == dependency.name) else {
            continue;
        };
        let for_examples = owned.library == "anyhow" && dependency.kind == Kind::Development;
        if !owned.owners.contains(&member) && !for_examples {
            let message = format!(
                "only {} may depend on {}; {member} should take what it needs from there",
                owned.owners.join(" and "),
                owned.library
            );
            findings.push(Finding::error(path, dependency.line, message));
        }
    }
    findings
}

/// A version in the root manifest that no member uses is left over.
pub(super) fn workspace_dependencies_are_used(tree: &Tree) -> Vec<Finding> {
    let used: Vec<&str> = uses(tree).map(|(.., dependency)| dependency.name).collect();
    let declared = manifest::dependencies(tree.text("Cargo.toml").unwrap_or_default());
    let unused = declared
        .iter()
        .filter(|declared| declared.kind == Kind::Workspace && !used.contains(&declared.name));
    let finding = |unused: &Dependency<'_>| {
        let message = format!("no member uses {}: remove the line", unused.name);
        Finding::error("Cargo.toml", unused.line, message)
    };
    unused.map(finding).collect()
}

/// Returns manifest, member and dependency for all that the members use.
fn uses(tree: &Tree) -> impl Iterator<Item = (&str, &str, Dependency<'_>)> {
    let manifests = tree.files().filter_map(|(path, text)| {
        let folder = path.strip_suffix("/Cargo.toml")?;
        Some((path, folder.rsplit('/').next()?, text))
    });
    manifests.flat_map(|(path, member, text)| {
        manifest::dependencies(text)
            .into_iter()
            .map(move |dependency| (path, member, dependency))
    })
}

#[cfg(test)]
mod tests {
    use super::super::fires;
    use super::*;

    #[test]
    fn an_arrow_back_is_found() {
        let fires = |member, text| fires(arrows_point_one_way, &[(member, text)]);
        let engine = "crates/qecho-engine/Cargo.toml";
        assert_eq!(
            fires(engine, "[dependencies]\nqecho-cert.workspace = true"),
            [format!("{engine}:2")]
        );
        assert!(fires(engine, "[dev-dependencies]\nqecho-netsim.workspace = true").is_empty());
        assert_eq!(
            fires(engine, "[dev-dependencies]\nqecho-echo.workspace = true"),
            [format!("{engine}:2")]
        );
        let tools = "crates/qecho-echo/Cargo.toml";
        assert!(fires(tools, "[dependencies]\nqecho-engine.workspace = true").is_empty());
        assert_eq!(
            fires(tools, "[dependencies]\nqecho-cert = \"1\""),
            [format!("{tools}:2")]
        );
    }

    #[test]
    fn a_library_outside_its_crate_is_found() {
        let fires = |member, text| fires(crates_keep_to_their_owner, &[(member, text)]);
        let tools = "crates/qecho-echo/Cargo.toml";
        assert_eq!(
            fires(tools, "[dependencies]\nquinn-proto = \"0.11\""),
            [format!("{tools}:2")]
        );
        assert_eq!(fires(tools, "[dependencies.clap]"), [format!("{tools}:1")]);
        assert_eq!(
            fires(tools, "[dependencies]\nanyhow = \"1\""),
            [format!("{tools}:2")]
        );
        assert!(fires(tools, "[dev-dependencies]\nanyhow = \"1\"").is_empty());
        assert!(fires("crates/qecho/Cargo.toml", "[dependencies]\nclap = \"4\"").is_empty());
    }

    #[test]
    fn a_version_that_nobody_uses_is_found() {
        let root = (
            "Cargo.toml",
            "[workspace.dependencies]\nbytes = \"1\"\nrand = \"0\"",
        );
        let member = (
            "crates/qecho/Cargo.toml",
            "[dependencies]\nbytes.workspace = true",
        );
        assert_eq!(
            fires(workspace_dependencies_are_used, &[root, member]),
            ["Cargo.toml:3"]
        );
    }
}

//! Builds the peers. One that cannot be built says why, and stops nobody else.

use std::ffi::OsString;
use std::iter;

use anyhow::{Context, Result};
use bench_harness::package::{self, Package};
use serde_json::{Value, json};
use xtask::setup;
use xtask::workspace::{self, Profile};

use crate::catalogue::{Kind, Peer, Recipe};
use crate::workload::Workload;

/// Peer that can be measured, or a reason why not.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) peer: &'static Peer,
    /// Version of the stack, or why there is none.
    pub(crate) version: Result<String, String>,
}

impl Built {
    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.peer.name,
            "version": self.version.as_ref().ok(),
            "not_here": self.version.as_ref().err(),
            "settings": self.peer.settings,
        })
    }
}

/// Builds a peer and what it needs.
pub(crate) fn build(peer: &'static Peer) -> Built {
    let version = match peer.recipe {
        Recipe::Qecho => package::locked_version(&workspace::root(), "qecho"),
        Recipe::Cargo(package) => package.build(),
        Recipe::Python(_) => setup::make_python().and_then(|()| setup::aioquic_version()),
    };
    let version = version.map_err(|error| format!("{error:#}"));
    if let Err(reason) = &version {
        eprintln!("{}: not here: {reason}", peer.name);
    }
    Built { peer, version }
}

/// Returns what starts a peer.
pub(crate) fn command_line(peer: &Peer) -> Vec<OsString> {
    match peer.recipe {
        Recipe::Qecho => {
            let options = ["server", "--shards", "1", "--messages", "never"];
            let program = Profile::Dist.binary().into_os_string();
            iter::once(program).chain(options.map(Into::into)).collect()
        }
        Recipe::Python(script) => {
            let script = workspace::root().join("bench/peers").join(script);
            vec![setup::python().into(), script.into()]
        }
        Recipe::Cargo(package) => vec![package.binary("peer").into()],
    }
}

/// Builds a generator beside qecho's own.
pub(crate) fn build_generator(package: &'static str) -> Result<()> {
    let built = Package::of(package, package, &[]).build();
    built
        .map(drop)
        .with_context(|| format!("cannot build the generator on {package}"))
}

/// Returns what starts the generator for a peer under a workload.
pub(crate) fn generator(peer: &Peer, workload: &Workload) -> Vec<OsString> {
    let package = match (peer.kind, peer.recipe) {
        (Kind::Baseline, Recipe::Cargo(package)) => package,
        _ if workload.generator.is_empty() => {
            return vec![Profile::Dist.binary().into(), "bench".into()];
        }
        _ => Package::of(workload.generator, workload.generator, &[]),
    };
    vec![package.binary("generator").into()]
}

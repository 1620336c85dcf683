//! Stores that trust an authority, or no more.

use std::{
    io::{self, Write},
    path::Path,
};

use qecho_cert::store::StoreCommand;
use serde::Serialize;

use crate::render::{PathText, json_line};

/// What a store is to an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Trusted,
    Gone,
}

/// What became of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is so now.
    Now(State),
    /// It was so before.
    Already(State),
}

/// Writes a command as a person would type it.
pub(crate) fn step_text(step: &StoreCommand, sudo: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}{step}", if sudo { "sudo " } else { "" })
}

/// Writes a command as JSON.
pub(crate) fn step_json(step: &StoreCommand, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        program: &'static str,
        arguments: Vec<PathText<'a>>,
        as_root: bool,
    }
    let arguments = step.arguments.iter();
    let line = Line {
        program: step.program,
        arguments: arguments
            .map(|argument| PathText(argument.as_ref()))
            .collect(),
        as_root: step.as_root,
    };
    json_line(&line, out)
}

/// Writes what became of the system's store, or of the one in a folder.
pub(crate) fn change_text(
    folder: Option<&Path>,
    change: Change,
    out: &mut dyn Write,
) -> io::Result<()> {
    match folder {
        None => write!(out, "the system's store")?,
        Some(folder) => write!(out, "{}", folder.display())?,
    }
    let words = match change {
        Change::Now(State::Trusted) => "trusts the CA now",
        Change::Already(State::Trusted) => "trusts the CA already",
        Change::Now(State::Gone) => "has forgotten the CA",
        Change::Already(State::Gone) => "does not know the CA",
    };
    writeln!(out, " {words}")
}

/// Writes the same as JSON.
pub(crate) fn change_json(
    folder: Option<&Path>,
    change: Change,
    out: &mut dyn Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        store: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        folder: Option<PathText<'a>>,
        trusted: bool,
        changed: bool,
    }
    let (Change::Now(state) | Change::Already(state)) = change;
    let line = Line {
        store: if folder.is_some() { "nss" } else { "system" },
        folder: folder.map(PathText),
        trusted: state == State::Trusted,
        changed: matches!(change, Change::Now(_)),
    };
    json_line(&line, out)
}

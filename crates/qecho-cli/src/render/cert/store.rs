//! Stores that trust an authority, or no more.

use std::{
    io::{self, Write},
    path::Path,
};

use qecho_cert::store::StoreCommand;
use qecho_packet::text;

use crate::render::{Object, Render, path_text};

/// Whether a store trusts an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrustState {
    Trusted,
    /// It does not know the authority.
    Absent,
}

/// A command that brings a store to a state.
pub(crate) struct StoreStep<'a> {
    pub(crate) step: &'a StoreCommand,
    /// Whether a person needs sudo for it.
    pub(crate) sudo: bool,
}

/// A store in the state that was asked for.
pub(crate) struct StoreChange<'a> {
    /// Folder of the store; `None` for the system's.
    pub(crate) folder: Option<&'a Path>,
    pub(crate) state: TrustState,
    /// Whether it was in another state before.
    pub(crate) changed: bool,
}

impl Render for StoreStep<'_> {
    /// It is there to be pasted.
    fn is_prose(&self) -> bool {
        false
    }

    /// Writes a command as a person would type it.
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let sudo = if self.sudo { "sudo " } else { "" };
        writeln!(out, "{sudo}{}", self.step)
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let arguments = self.step.arguments.iter().map(path_text);
        Object::event("command")
            .with_schema()
            .with("program", self.step.program)
            .with("arguments", arguments.collect::<Vec<_>>())
            .with("as_root", self.step.as_root)
            .line(out)
    }
}

impl Render for StoreChange<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.folder {
            None => write!(out, "the system's store")?,
            Some(folder) => out.write_all(text::path(folder).as_bytes())?,
        }
        let words = match (self.state, self.changed) {
            (TrustState::Trusted, true) => "trusts the CA now",
            (TrustState::Trusted, false) => "trusts the CA already",
            (TrustState::Absent, true) => "has forgotten the CA",
            (TrustState::Absent, false) => "does not know the CA",
        };
        writeln!(out, " {words}")
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let store = if self.folder.is_some() {
            "nss"
        } else {
            "system"
        };
        Object::event("store")
            .with_schema()
            .with("store", store)
            .with_some("folder", self.folder.map(path_text))
            .with("trusted", self.state == TrustState::Trusted)
            .with("changed", self.changed)
            .line(out)
    }
}

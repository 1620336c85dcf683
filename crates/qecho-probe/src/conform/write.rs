//! Reports as people and programs read them.
//!
//! Each function takes a writer and prints nothing itself. What a peer has said is in a report:
//! it is escaped wherever it could mean something.

mod escape;
mod html;
mod json;
mod junit;
mod text;

pub use self::{
    html::{html, html_of_several},
    json::{json_row, json_summary},
    junit::junit,
    text::{text, text_of_comparison, text_of_several},
};

/// What a report says of its own making.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Command line that made it, without the choice of rows: with `--only ID` behind it, it
    /// tries one again.
    pub command: String,
    /// When the run began (RFC 3339).
    pub began: String,
    /// Version of the program.
    pub version: String,
}

impl Origin {
    /// Returns the command that tries one requirement again and shows its packets.
    fn again(&self, id: &str) -> String {
        format!("{} --only {id} --show {id}", self.command)
    }
}

#[cfg(test)]
mod tests;

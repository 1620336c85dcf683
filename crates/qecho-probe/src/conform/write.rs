//! Reports as people and programs read them.
//!
//! Each function takes a writer and prints nothing itself. What a peer has said is in a report:
//! it is escaped wherever it could mean something.

mod document;
mod html;
mod json;
mod junit;
mod text;

use super::{Report, Row};
use crate::page::escape;

pub use self::{
    document::Document,
    html::{html, html_of_several},
    json::{json_requirements, json_row, json_summary},
    junit::junit,
    text::{
        text, text_of_comparison, text_of_requirement, text_of_requirements, text_of_row,
        text_of_several,
    },
};

pub(crate) use self::{json::line as json_line, text::told};

/// What a report says of its own making.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Command line that made it.
    pub command: String,
    /// Command line that tries one requirement of one peer again and shows its packets, where
    /// `{target}` stands for the peer and `{id}` for the requirement.
    pub again: String,
    /// When the run began (RFC 3339).
    pub began: String,
    /// Version of the program.
    pub version: String,
}

impl Origin {
    fn again(&self, report: &Report, row: &Row) -> String {
        let again = self.again.replace("{target}", &report.target);
        again.replace("{id}", row.requirement.id)
    }
}

#[cfg(test)]
mod tests;

//! A report as it is read: as text, as comma-separated values, as a page for a browser.
//!
//! All of it is written into a writer that is given.

mod csv;
mod page;
mod text;

pub use self::{
    csv::csv,
    page::{NamedReport, page},
    text::{compared, decimal, offered, text, time},
};

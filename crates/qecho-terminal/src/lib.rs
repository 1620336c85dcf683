//! Output for a terminal: lines that are broken at its width, colours where they are wanted,
//! pictures of characters, a history of what was typed, and the signals at which a terminal is
//! given back.
//!
//! Nothing here prints. A pipe or a file gets every line whole and without colour.
//!
//! ```
//! use std::io::Write;
//!
//! let mut out = qecho_terminal::prose::Prose::new(std::io::stdout());
//! writeln!(out, "ok: 3 of 3 echoes identical")?;
//! out.flush()?;
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod canvas;
pub mod colour;
pub mod history;
pub mod job_control;
pub mod prose;
pub mod signs;

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

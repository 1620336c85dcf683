//! Pages for a browser that need nothing else: made to be kept, sent and linked.

pub(crate) mod escape;

use std::io::{self, Write};

pub use self::escape::escaped;

const STYLE: &str = include_str!("page/style.css");

/// Writes what a page begins with: its title, a line about its making, and the command that made
/// it. [`end`] belongs to it.
///
/// # Errors
/// If it cannot be written.
pub fn begin(title: &str, origin: &str, command: &str, out: &mut dyn Write) -> io::Result<()> {
    let title = escaped(title);
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <p class=\"origin\">{}</p>\n<pre>{}</pre>",
        escaped(origin),
        escaped(command),
    )
}

/// Writes what a page ends with.
///
/// # Errors
/// If it cannot be written.
pub fn end(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "</body>\n</html>")
}

//! `qecho man-pages`: a page for each command, for packages.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use anyhow::Context;
use clap::{Arg, Command};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use crate::{
    args,
    exit::{ExitStatus, Failure},
};

/// Variables and files, one a line: the commands that they matter to (`*`: all), the name, and
/// what it is.
const ENVIRONMENT: &str = include_str!("man_pages/environment.txt");
const FILES: &str = include_str!("man_pages/files.txt");

/// Writes all pages into a folder.
pub(super) fn run(folder: &Path) -> Result<ExitStatus, Failure> {
    let written = || format!("cannot write man pages to {}", folder.display());
    fs::create_dir_all(folder).with_context(written)?;
    let mut command = args::command_line().disable_help_subcommand(true);
    command.build();
    write_all(&command, &[], folder).with_context(written)?;
    Ok(ExitStatus::Done)
}

/// Writes the page of a command, and those of the commands below it.
fn write_all(command: &Command, above: &[&str], folder: &Path) -> io::Result<()> {
    let name = [above, &[command.get_name()]].concat();
    let file = File::create(folder.join(format!("{}.1", name.join("-"))))?;
    let mut out = BufWriter::new(file);
    page(command, &name, &mut out)?;
    out.flush()?;
    let mut below = shown(command);
    below.try_for_each(|below| write_all(below, &name, folder))
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
}

fn page(command: &Command, name: &[&str], out: &mut dyn Write) -> io::Result<()> {
    let page = name.join("-");
    let arranged = command.clone().display_name(&page).mut_args(in_full);
    let man = Man::new(arranged);
    // An empty date has quotes here: without them what follows would be taken for it.
    let (title, source) = (page.to_uppercase(), super::PROGRAM);
    writeln!(out, r#".TH "{title}" 1 "" "{source}" "qecho manual""#)?;
    // Names of commands and options are not to be cut in two.
    writeln!(out, ".nh\n.ad l")?;
    man.render_name_section(out)?;
    let usage = command.clone().render_usage().to_string();
    section("SYNOPSIS", usage.trim_start_matches("Usage: "), out)?;
    man.render_description_section(out)?;
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;
    // Before the values of an option clap_mangen breaks a line that is broken already.
    let options = String::from_utf8_lossy(&options).replace(".br\n\n.br\n", ".sp\n");
    out.write_all(options.as_bytes())?;
    if command.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    entries("EXIT STATUS", exit_status(), out)?;
    entries("ENVIRONMENT", that_matter(ENVIRONMENT, name), out)?;
    entries("FILES", that_matter(FILES, name), out)?;
    if let Some(examples) = args::examples(&name.join(" ")) {
        as_it_stands("EXAMPLES", examples, out)?;
    }
    section("SEE ALSO", &see_also(command, name).join(", "), out)
}

/// Returns the lines of a table that matter to a command.
fn that_matter(table: &str, name: &[&str]) -> Vec<(String, String)> {
    let entries = table.lines().filter_map(|line| {
        let mut parts = line.split('|').map(str::trim);
        let (commands, entry, text) = (parts.next()?, parts.next()?, parts.next()?);
        let is_for = |of: &str| of == "*" || name.contains(&of);
        let matters = commands.split(' ').any(is_for);
        matters.then(|| (entry.to_owned(), text.to_owned()))
    });
    entries.collect()
}

/// Lets an option have all of its words on a page, in one paragraph.
fn in_full(argument: Arg) -> Arg {
    let help = argument.get_long_help().or(argument.get_help());
    let paragraphs = help.map(ToString::to_string).unwrap_or_default();
    argument
        .hide_short_help(false)
        .long_help(paragraphs.replace("\n\n", ". "))
}

/// Reads the exit codes of the help as codes and their meaning.
fn exit_status() -> Vec<(String, String)> {
    let lines = args::EXIT_CODES.replace("\n       ", " ");
    let entries = lines.lines().filter_map(|line| {
        let (code, meaning) = line.trim().split_once(' ')?;
        Some((code.to_owned(), meaning.trim().to_owned()))
    });
    entries.collect()
}

/// Returns the pages of the command above, of those below and of the program.
fn see_also(command: &Command, name: &[&str]) -> Vec<String> {
    let page = |words: &[&str]| format!("{}(1)", words.join("-"));
    let above = (1..name.len()).map(|words| page(&name[..words]));
    let below = shown(command).map(|below| page(&[name, &[below.get_name()]].concat()));
    let own = above.chain(below);
    own.chain(["https://github.com/qecho/qecho".to_owned()])
        .collect()
}

fn section(title: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [title]).text([roman(text)]);
    roff.to_writer(out)
}

fn entries(title: &str, entries: Vec<(String, String)>, out: &mut dyn Write) -> io::Result<()> {
    let mut roff = Roff::new();
    if !entries.is_empty() {
        roff.control("SH", [title]);
    }
    for (name, text) in entries {
        roff.control("TP", [])
            .text([bold(name)])
            .text([roman(text)]);
    }
    roff.to_writer(out)
}

fn as_it_stands(title: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [title]).control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff.to_writer(out)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn every_page_is_taken_by_man_without_a_warning_and_leads_to_pages_that_exist() {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        run(folder.path()).expect("the folder takes files");
        let pages: Vec<_> = fs::read_dir(folder.path())
            .expect("it can be read")
            .map(|page| page.expect("it is there").path())
            .collect();
        assert!(pages.len() > 20, "{pages:?}");
        for page in &pages {
            let mut man = Command::new("man");
            man.args(["--warnings", "-l"]).arg(page);
            let done = man.env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8").output();
            let done = done.expect("`cargo xtask setup` installs man");
            let shown = String::from_utf8_lossy(&done.stdout);
            let complaints = String::from_utf8_lossy(&done.stderr);
            assert!(
                done.status.success() && complaints.is_empty(),
                "{page:?}: {complaints}"
            );
            for title in ["NAME", "SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"] {
                assert!(shown.contains(title), "{page:?} has no {title}: {shown}");
            }
            let (_, others) = shown.split_once("SEE ALSO").expect("it has this section");
            let others = others
                .split([' ', ',', '\n'])
                .filter_map(|word| word.strip_suffix("(1)"));
            for other in others.filter(|word| !word.is_empty() && !word.starts_with("QECHO")) {
                assert!(
                    folder.path().join(format!("{other}.1")).exists(),
                    "{page:?}: {other}"
                );
            }
        }
    }
}

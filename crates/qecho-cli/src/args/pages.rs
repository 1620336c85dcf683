//! The command lines of README, README.ja and the guide: the program takes each of them.
//!
//! Blocks of `sh` are run by a shell that has a stand-in for each program, which only notes with
//! what it was called: so quotes, variables and loops are a shell's matter.

use std::{collections::BTreeSet, ffi::OsString, fs, path::Path, process::Command, sync::LazyLock};

use clap::{CommandFactory, error::ErrorKind};
use qecho_testkit::pages::{self, Page};
use tempfile::TempDir;

use super::Arguments;

/// Programs of others on the pages, and why what is said to them is not tried. Whoever adds one
/// has tried the line by hand.
const OTHERS: &[(&str, &str)] = &[
    ("git", "clones from the network"),
    (
        "cargo",
        "builds what runs this test; the rest is `cargo xtask ci`",
    ),
    (
        "pip",
        "installs from the network; `cargo xtask setup` installs the same",
    ),
    ("python", "the examples run in `cargo xtask interop`"),
    ("openssl", "its line runs in `cargo xtask interop`"),
    (
        "wireshark",
        "opens a window; tshark reads the same in other tests",
    ),
    ("parallel", "works on other hosts"),
    ("scp", "copies from other hosts"),
    (
        "docker",
        "needs an engine; `cargo xtask dist` tries the same root",
    ),
];

/// Programs that are what they are.
const REAL: [&str; 6] = ["cat", "cut", "date", "head", "gzip", "mkdir"];

/// Options in the text that are not of qecho, with those whose they are.
const OTHERS_OPTIONS: &[(&str, &str)] = &[
    ("--receive-payload-max", "servers of bench/peers"),
    ("--send-payload-max", "servers of bench/peers"),
    ("--datagrams", "servers of bench/peers"),
    ("--profile", "cargo"),
    ("--check", "sha256sum"),
    ("--ignore-missing", "sha256sum"),
];

/// Notes with what qecho was called, in a file of its own, where, and whether all of it stands there.
const QECHO: &str = r#"#!/bin/sh
printf '%s\0' "$PLACE" "$WHOLE" "$@" >"$CALLS/$$"
"#;

/// Calls qecho as another program would that is told to.
const OTHER: &str = r#"#!/bin/sh
while [ $# -gt 1 ]; do
    [ "$1" = qecho ] && { shift; exec qecho "$@"; }
    shift
done
"#;

/// A call of qecho on a page.
#[derive(Debug)]
struct Call {
    /// Page and line.
    place: String,
    /// Whether the page means it to be run as it is, or only names it.
    is_whole: bool,
    /// Its words, without the program's name.
    words: Vec<String>,
}

/// The calls of each page; an error is what a shell says of one.
static CALLS: LazyLock<Vec<Result<Vec<Call>, String>>> = LazyLock::new(|| {
    let programs = programs();
    let pages = pages::all().into_iter();
    pages.map(|page| calls(&page, programs.path())).collect()
});

/// Makes a folder with all programs that a page may call.
fn programs() -> TempDir {
    let programs = tempfile::tempdir().expect("there is room for a folder");
    let others = OTHERS.iter().map(|(name, _)| *name);
    let others = others.map(|name| (name, OTHER));
    for (name, program) in others.chain([("qecho", QECHO)]) {
        stand_in(&programs.path().join(name), program);
    }
    for name in REAL {
        let found = ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(name));
        let found = found.iter().find(|path| path.exists());
        let found = found.expect("every system has it");
        std::os::unix::fs::symlink(found, programs.path().join(name)).expect("it is new");
    }
    programs
}

fn stand_in(path: &Path, program: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, program).expect("the folder takes files");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// Lets a shell run the scripts of a page with stand-ins for the programs, and returns how qecho
/// was called.
fn calls(page: &Page, programs: &Path) -> Result<Vec<Call>, String> {
    let room = tempfile::tempdir().expect("there is room for a folder");
    let calls = room.path().join("calls");
    fs::create_dir(&calls).expect("the folder takes folders");
    let path = &page.path;
    let scripts = scripts(page).into_iter();
    let script: String = scripts
        .map(|(line, script, is_whole)| {
            format!("(\nexport PLACE={path}:{line} WHOLE={is_whole}\n{script}\nwait\n)\n")
        })
        .collect();
    let shell = Command::new("/bin/sh")
        .args(["-c", &format!("cd() {{ :; }}\n{script}")])
        .env_clear()
        .env("PATH", programs)
        .env("CALLS", &calls)
        .env("HOME", room.path())
        .current_dir(room.path())
        .output()
        .expect("every system has a shell");
    let errors = String::from_utf8_lossy(&shell.stderr);
    if errors.contains("not found") || errors.contains("yntax error") {
        let numbered = (1..).zip(script.lines());
        let numbered = numbered.map(|(number, line)| format!("{:4} {line}\n", number + 1));
        let numbered: String = numbered.collect();
        return Err(format!("{path}: {errors}\n{numbered}"));
    }
    let files = fs::read_dir(calls).expect("it is there");
    let files = files.map(|file| file.expect("it can be read").path());
    let call = |file| {
        let words = fs::read_to_string(file).expect("the page is text");
        let mut words = words.split_terminator('\0').map(str::to_owned);
        Call {
            place: words.next().expect("the stand-in writes it"),
            is_whole: words.next().is_some_and(|word| word == "true"),
            words: words.collect(),
        }
    };
    Ok(files.map(call).collect())
}

/// Returns why the program does not take a call, if so. What is only named may lack the rest.
fn refusal(call: &Call) -> Option<String> {
    let words = [OsString::from("qecho")].into_iter();
    let words: Vec<_> = words.chain(call.words.iter().map(OsString::from)).collect();
    let error = Arguments::parse(&words).err()?;
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    let lacks = matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    let is_taken = is_help || (lacks && !call.is_whole);
    (!is_taken).then(|| error.to_string())
}

/// Returns the scripts of a page, each with its line and whether its commands are whole.
fn scripts(page: &Page) -> Vec<(usize, String, bool)> {
    let blocks = page.blocks.iter().filter_map(|block| {
        let script = match &*block.language {
            "sh" => block.lines.join("\n"),
            "text" => block.commands().join("\n"),
            // The stand-ins do not write what such commands go on with.
            "console" => {
                let steps = block.steps().into_iter();
                let commands: Vec<_> = steps.map(|step| step.command).collect();
                commands.join("\n")
            }
            _ => return None,
        };
        Some((block.line, script, true))
    });
    let named = page.spans.iter();
    let named = named.filter(|(_, code)| code.starts_with("qecho ") && !code.contains('…'));
    let named = named.map(|(line, code)| (*line, code.clone(), false));
    blocks.chain(named).collect()
}

#[test]
fn the_program_takes_every_command_line_of_the_pages() {
    let faults = CALLS.iter().flat_map(|page| match page {
        Err(error) => vec![error.clone()],
        Ok(calls) => {
            let fault = |call: &Call| {
                let error = refusal(call)?;
                Some(format!(
                    "{}: qecho {}\n{error}",
                    call.place,
                    call.words.join(" ")
                ))
            };
            calls.iter().filter_map(fault).collect()
        }
    });
    let faults: Vec<_> = faults.collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let count = CALLS.iter().flatten().map(Vec::len).sum::<usize>();
    assert!(count > 100, "{count} calls");
}

#[test]
fn a_command_line_that_the_program_does_not_take_is_found() {
    let programs = programs();
    let called = |script: &str| {
        let page = Page::parse("a.md".into(), &format!("```sh\n{script}\n```\n"));
        calls(&page, programs.path())
    };
    for (script, is_taken) in [
        (
            "printf hello | qecho client localhost --over uni # a comment",
            true,
        ),
        (
            "for host in a b; do qecho client $host -m \"two words\"; done",
            true,
        ),
        ("parallel --sshlogin a qecho ping localhost", true),
        ("qecho client localhost --overr uni", false),
        ("qecho client", false),
        ("qecho relay --delay soon", false),
        ("parallel --sshlogin a qecho ping localhost --count", false),
    ] {
        let calls = called(script).expect("it is a script");
        assert!(!calls.is_empty(), "{script}");
        let refused = calls.iter().any(|call| refusal(call).is_some());
        assert_eq!(!refused, is_taken, "{script}");
    }
    for script in ["quecho client localhost", "qecho client 'localhost"] {
        assert!(called(script).is_err(), "{script}");
    }
}

#[test]
fn every_option_that_the_pages_name_is_one() {
    let mut known: BTreeSet<_> = OTHERS_OPTIONS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    options(&Arguments::command(), &mut known);
    let mut faults = String::new();
    for page in pages::all() {
        let is_ours = |code: &str| !OTHERS.iter().any(|(name, _)| code.starts_with(name));
        for (line, code) in page.spans.iter().filter(|(_, code)| is_ours(code)) {
            let words = code.split([' ', '=', '|', '(', ')', ',']);
            let unknown = words.filter(|word| word.starts_with("--") && word.len() > 2);
            for word in unknown.filter(|word| !known.contains(*word)) {
                faults += &format!("{}:{line}: `{word}` in `{code}`\n", page.path);
            }
        }
    }
    assert!(faults.is_empty(), "no such options:\n{faults}");
}

/// Adds the long options of a command and of those below it.
fn options(command: &clap::Command, known: &mut BTreeSet<String>) {
    known.extend(["--help".into(), "--version".into()]);
    for argument in command.get_arguments() {
        let names = argument.get_long_and_visible_aliases().into_iter();
        known.extend(names.flatten().map(|name| format!("--{name}")));
    }
    for below in command.get_subcommands() {
        options(below, known);
    }
}

#[test]
fn the_japanese_page_has_no_command_that_the_others_do_not_have() {
    // What is sent is in the page's language.
    let without_text = |call: &Call| {
        let mut words = call.words.clone();
        for at in 1..words.len() {
            if words[at - 1] == "-m" {
                words[at] = "TEXT".into();
            }
        }
        words
    };
    let (japanese, others): (Vec<_>, Vec<_>) = CALLS
        .iter()
        .flatten()
        .flatten()
        .partition(|call| call.place.starts_with("README.ja.md"));
    assert!(japanese.len() > 5, "{japanese:?}");
    let others: BTreeSet<_> = others.into_iter().map(without_text).collect();
    let own = japanese
        .into_iter()
        .filter(|call| !others.contains(&without_text(call)));
    let own: Vec<_> = own.collect();
    assert!(own.is_empty(), "{own:#?}");
}

//! `qecho completions`: what a shell offers behind `qecho`.

use std::io::{self, Write};

use clap::{
    Arg, Command, ValueHint,
    builder::{PossibleValue, PossibleValuesParser},
};
use clap_complete::Shell;

use crate::{
    args::{self, CompletionsArguments},
    exit::{ExitStatus, Failure},
};

/// Lets bash complete behind `=`, which stands between two words for it.
const BASH_JOINED: &str = include_str!("completions/joined.bash");

/// Prints the script for a shell.
pub(super) fn run(arguments: &CompletionsArguments) -> Result<ExitStatus, Failure> {
    let mut out = io::stdout().lock();
    out.write_all(script(arguments.shell).as_bytes())?;
    out.flush()?;
    Ok(ExitStatus::Done)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    let mut command = with_known_values(args::command_line());
    clap_complete::generate(shell, &mut command, "qecho", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => script + BASH_JOINED,
        // The detail of --trace stands behind `=` and nowhere else.
        Shell::Fish => script.lines().map(fish_line).collect::<String>() + &fish_words(&command),
        Shell::Zsh => script.replace("'--trace=[", "'--trace=-["),
        _ => script,
    }
}

/// Mends a line of the script for fish.
fn fish_line(line: &str) -> String {
    let line = if line.contains(" -l trace ") {
        line.replace(" -r -f ", " -f ").replace(" -r ", " ")
    } else if line.contains("_using_subcommand help; and not __fish_seen") {
        // `help` was seen, and ends nothing.
        line.replace(" help\" -f", "\" -f")
    } else {
        line.to_owned()
    };
    line + "\n"
}

/// Returns lines for the arguments of commands that are one of some words, which the script for
/// fish lacks.
fn fish_words(command: &Command) -> String {
    let mut lines = String::new();
    for command in command.get_subcommands() {
        for argument in command.get_positionals() {
            let words = argument.get_possible_values();
            let words: Vec<_> = words.iter().map(PossibleValue::get_name).collect();
            if !words.is_empty() {
                let (name, words) = (command.get_name(), words.join(" "));
                lines += &format!(
                    "complete -c qecho -n \"__fish_qecho_using_subcommand {name}\" -f -a \"{words}\"\n"
                );
            }
        }
    }
    lines
}

/// Names the values that options take beside others, and the kind of the others: scripts learn
/// them from the names of values, such as `auto|off|SIZE`.
fn with_known_values(command: Command) -> Command {
    command
        .mut_args(|argument| {
            let names = argument.get_value_names().unwrap_or_default();
            let name = names.first().map_or("", |name| name.as_str()).to_owned();
            if name.starts_with("HOST") {
                argument.value_hint(ValueHint::Hostname)
            } else if name == "DIR" {
                argument.value_hint(ValueHint::DirPath)
            } else {
                with_words_of(argument, &name)
            }
        })
        .mut_subcommands(with_known_values)
}

fn with_words_of(argument: Arg, name: &str) -> Arg {
    let is_word = |word: &&str| !word.contains(char::is_uppercase);
    let mut words: Vec<String> = match name.split_once('|') {
        Some(_) if !name.contains("DIR") && !name.contains("FILE") => {
            name.split('|').filter(is_word).map(str::to_owned).collect()
        }
        _ => return argument,
    };
    if !argument.get_possible_values().is_empty() {
        return argument;
    }
    let usual = argument.get_default_values().iter();
    words.extend(usual.map(|value| value.to_string_lossy().into_owned()));
    words.sort();
    words.dedup();
    argument.value_parser(PossibleValuesParser::new(words))
}

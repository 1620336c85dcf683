//! Errors of the command line, in which what was typed stays on its line.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use qecho_packet::text;

/// Makes what was typed safe to show, wherever an error repeats it; no terminal obeys it, and what
/// is long is cut.
pub(super) fn legible(mut error: clap::Error) -> clap::Error {
    if let Some(same) = with_legible_reason(&error) {
        return same;
    }
    let typed: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| Some((kind, legible_value(value)?)))
        .collect();
    if !typed.is_empty() {
        // A tip repeats it.
        error.remove(ContextKind::Suggested);
    }
    for (kind, value) in typed {
        error.insert(kind, value);
    }
    error
}

/// Returns a value of an error as it can be shown, unless it can be shown as it is.
fn legible_value(value: &ContextValue) -> Option<ContextValue> {
    let legible = match value {
        ContextValue::String(typed) => ContextValue::String(text::name(typed)),
        ContextValue::Strings(typed) => {
            ContextValue::Strings(typed.iter().map(|one| text::name(one)).collect())
        }
        _ => return None,
    };
    (legible != *value).then_some(legible)
}

/// Returns the same error of a value whose reason repeats what was typed; the reason cannot be
/// replaced, and such an error can be made of plain words alone.
fn with_legible_reason(error: &clap::Error) -> Option<clap::Error> {
    let reason = error.source()?.to_string();
    let legible = text::line(&reason);
    if error.kind() != ErrorKind::ValueValidation || legible == reason {
        return None;
    }
    let typed = |kind| match error.get(kind) {
        Some(ContextValue::String(typed)) => text::name(typed),
        _ => String::new(),
    };
    let (value, argument) = (
        typed(ContextKind::InvalidValue),
        typed(ContextKind::InvalidArg),
    );
    Some(clap::Error::raw(
        ErrorKind::ValueValidation,
        format!(
            "invalid value '{value}' for '{argument}': {legible}\n\n\
             For more information, try '--help'.\n"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::Command;

    use super::super::{command_line, guesses::with_tip};
    use super::legible;

    /// Returns every command by its words, without those that have others below them.
    fn commands(command: &Command, words: &[String]) -> Vec<(Vec<String>, Command)> {
        let words = [words, &[command.get_name().to_owned()]].concat();
        match command.has_subcommands() {
            false => vec![(words, command.clone())],
            true => command
                .get_subcommands()
                .flat_map(|below| commands(below, &words))
                .collect(),
        }
    }

    #[test]
    fn what_was_typed_stays_on_its_line_in_every_error() {
        const STEERS: [&str; 3] = ["\u{1b}[35;7m", "\nnext", "\u{202e}"];
        let typed = format!("x,a={}", STEERS.concat());
        let long = "x".repeat(10_000);
        let line = command_line();
        let mut refused = 0;
        let mut look = |words: Vec<String>| {
            let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
            // Made once: that takes a while.
            let Err(error) = line.clone().try_get_matches_from(&words) else {
                return;
            };
            refused += 1;
            let shown = legible(with_tip(error, &words)).render().ansi().to_string();
            for steers in STEERS {
                assert!(!shown.contains(steers), "{shown:?}");
            }
            assert!(shown.len() < 2_000, "{shown:?}");
        };
        let all = commands(&line, &[]);
        for (words, command) in &all {
            let with = |more: &[&str]| {
                let more = more.iter().map(|&word| word.to_owned());
                words.iter().cloned().chain(more).collect::<Vec<_>>()
            };
            for value in [&typed, &long] {
                for argument in command.get_arguments() {
                    match argument.get_long() {
                        Some(name) => look(with(&[&format!("--{name}={value}")])),
                        None => look(with(&[value])),
                    }
                }
                look(with(&[&format!("--{value}")]));
                look(with(&[value, value, value]));
            }
        }
        for value in [typed, long] {
            look(vec!["qecho".into(), value]);
        }
        assert!(refused > 200, "{refused}");
    }
}

//! Help for people: commands in groups, options under titles, exit codes and examples.

use clap::{Arg, ArgAction, Command, builder::Styles};

/// Titles of the groups of commands, each with the command that it stands before.
const GROUPS: [(&str, &str); 6] = [
    ("demo", "Echo"),
    ("doctor", "Look"),
    ("bench", "Load"),
    ("conform", "Judge"),
    ("cert", "Certificates"),
    ("completions", "Help"),
];

/// Titles of options, one a line: the command (`*`: any), the title, the options that -h shows,
/// and those that only --help does. The first that fits counts.
const TITLES: &str = include_str!("titles.txt");

/// Options of a command that need no titles.
const UNTITLED_MAX: usize = 8;

/// The exit codes and their meaning, as help has them.
pub(crate) const EXIT_CODES: &str =
    "  0    did what was asked; a server or relay that was told to end
  1    no server, timeout, certificate or ALPN refused, bytes differ,
       peer closed without echoing, a bound missed, a requirement broken,
       a cause found, no QUIC in a capture
  2    could not run: wrong usage, busy port, unreadable file, unknown name
  130  interrupted
  143  terminated, or its terminal was closed (SIGHUP)";

/// Examples for each command, below its name: what they do, and indented how they are typed.
const EXAMPLES: &str = include_str!("examples.txt");

/// Arranges the help of all commands.
pub(super) fn arranged(command: Command) -> Command {
    grouped(with_sections(command, "qecho"))
}

/// Returns the examples for a command (`qecho cert new`), if there are any.
pub(crate) fn examples(path: &str) -> Option<&'static str> {
    let mut parts = EXAMPLES.split("## ");
    let part = parts.find_map(|part| part.strip_prefix(path)?.strip_prefix('\n'))?;
    Some(part.trim_end())
}

/// Puts the options of a command and of those below it under titles, and exit codes and
/// examples at the end.
fn with_sections(command: Command, path: &str) -> Command {
    let name = command.get_name().to_owned();
    let ending = ending(path, command.get_styles());
    let mut command = match command.has_subcommands() {
        true => command.after_help(ending),
        false => command
            .after_help(format!("All options, examples, exit codes: {path} --help"))
            .after_long_help(ending),
    };
    if command.get_opts().count() > UNTITLED_MAX {
        command = command
            .disable_help_flag(true)
            .disable_version_flag(true)
            .args(help_flags())
            .mut_args(|argument| placed(argument, &name));
    }
    command.mut_subcommands(|below| {
        let path = format!("{path} {}", below.get_name());
        with_sections(below, &path)
    })
}

/// Puts an option under its title.
fn placed(argument: Arg, command: &str) -> Arg {
    let id = argument.get_id().as_str();
    let mut places = TITLES.lines().filter_map(|line| {
        let mut parts = line.split('|').map(str::trim);
        let (of, title) = (parts.next()?, parts.next()?);
        let (usual, rare) = (parts.next()?.split(' '), parts.next()?.split(' '));
        let is_for = of == "*" || of == command;
        let place = usual.clone().chain(rare).position(|option| option == id)?;
        is_for.then_some((title, place, place >= usual.count()))
    });
    match places.next() {
        Some((title, place, is_rare)) if !argument.is_positional() => argument
            .help_heading(title)
            .display_order(place)
            .hide_short_help(is_rare),
        _ => argument,
    }
}

/// Returns the flags that clap makes itself, but under no title.
fn help_flags() -> [Arg; 2] {
    let flag = |id, letter, action| Arg::new(id).short(letter).long(id).action(action);
    [
        flag("help", 'h', ArgAction::Help).help("Print help: -h the usual options, --help all"),
        flag("version", 'V', ArgAction::Version).help("Print version"),
    ]
}

/// Returns what stands below the options: exit codes, and examples.
fn ending(path: &str, styles: &Styles) -> String {
    let header = styles.get_header();
    let exit_codes = format!("{header}Exit codes:{header:#}\n{EXIT_CODES}");
    match examples(path) {
        None => exit_codes,
        Some(examples) => format!("{exit_codes}\n\n{header}Examples:{header:#}\n{examples}"),
    }
}

/// Puts titles between the commands of the list that clap writes: it has no
/// groups of commands itself.
fn grouped(command: Command) -> Command {
    let header = *command.get_styles().get_header();
    let title = |title: &str| format!("\n{header}{title}:{header:#}\n");
    let list = command.clone().help_template("{subcommands}").render_help();
    let (plain, styled) = (list.to_string(), list.ansi().to_string());
    let mut groups = String::new();
    for (plain, styled) in plain.lines().zip(styled.lines()) {
        // Names stand two columns from the left, what is said of them further.
        let name = plain.get(2..).and_then(|line| line.split(' ').next());
        let group = GROUPS.iter().find(|(first, _)| name == Some(first));
        groups.extend(group.map(|(_, group)| title(group)));
        groups += styled;
        groups.push('\n');
    }
    let options = title("Options");
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}{options}{{options}}{{after-help}}"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::command_line;

    #[test]
    fn every_option_of_a_command_that_has_many_stands_under_a_title() {
        let mut titled = 0;
        for command in command_line().get_subcommands() {
            let options: Vec<_> = command.get_opts().collect();
            if options.len() <= super::UNTITLED_MAX {
                continue;
            }
            titled += 1;
            for option in command.get_arguments().filter(|one| !one.is_positional()) {
                let name = command.get_name();
                assert!(option.get_help_heading().is_some(), "{name}: {option}");
            }
        }
        assert!(titled >= 5, "{titled}");
    }
}

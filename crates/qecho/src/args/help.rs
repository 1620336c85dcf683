//! `qecho --help`, whose commands stand in groups.

use clap::Command;

/// Titles of the groups, each with the command that it stands before.
const GROUPS: [(&str, &str); 5] = [
    ("demo", "Echo"),
    ("ping", "Look"),
    ("bench", "Load"),
    ("cert", "Certificates"),
    ("help", "Help"),
];

/// Puts titles between the commands of the list that clap writes: it has no
/// groups of commands itself.
pub(super) fn grouped(command: Command) -> Command {
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

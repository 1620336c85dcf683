//! Help: options under titles, and a short form that fits a screen.

use crate::{cmd::Output, env::TestEnv};

pub(crate) const COMMANDS: [&str; 20] = [
    "demo",
    "server",
    "client",
    "relay",
    "doctor",
    "ping",
    "trace",
    "bench",
    "report",
    "conform",
    "completions",
    "cert new",
    "cert list",
    "cert show",
    "cert verify",
    "cert renew",
    "cert install",
    "cert uninstall",
    "cert ca new",
    "cert ca show",
];

/// Lines of a terminal in which nobody has to scroll far.
const SCREEN_LINES: usize = 56;

/// Returns the help of a command on a terminal of this width.
pub(crate) fn help(command: &str, flag: &str, columns: &str) -> Output {
    let env = TestEnv::new();
    let help = env.qecho(format!("{command} {flag}"));
    help.env("COLUMNS", columns).ok()
}

#[test]
fn the_short_help_fits_a_screen_and_leads_to_the_long_one() {
    for command in COMMANDS {
        let short = help(command, "-h", "80");
        assert!(short.stdout.lines().count() <= SCREEN_LINES, "{short:#?}");
        short.prints(&format!("exit codes: qecho {command} --help"));
        let long = help(command, "--help", "80");
        assert!(long.stdout.len() > short.stdout.len(), "{command}");
    }
}

#[test]
fn lines_of_help_end_where_the_terminal_does() {
    for columns in ["60", "80"] {
        for command in COMMANDS {
            for flag in ["-h", "--help"] {
                let help = help(command, flag, columns);
                let widest = help.stdout.lines().map(|line| line.chars().count()).max();
                assert!(widest <= columns.parse().ok(), "{help:#?}");
            }
        }
    }
}

#[test]
fn options_stand_under_titles_and_the_rare_ones_only_in_the_long_help() {
    let titles = |flag| {
        let help = help("bench", flag, "80").stdout;
        let is_title = |line: &&str| line.ends_with(':') && !line.starts_with(' ');
        let titles = help.lines().filter(is_title).map(str::to_owned);
        titles.collect::<Vec<_>>()
    };
    let options = [
        "Arguments:",
        "Load:",
        "Time and count:",
        "Several runs:",
        "Judgement:",
        "Connection:",
        "Trust:",
        "Output:",
        "Packets:",
        "Help:",
    ];
    assert_eq!(titles("-h"), options);
    let ending = ["Exit codes:", "Examples:"];
    assert_eq!(titles("--help"), [&options[..], &ending].concat());
    let (short, long) = (help("bench", "-h", "80"), help("bench", "--help", "80"));
    for rare in ["--start-at", "--qlog-form", "--sockets"] {
        long.prints(rare);
        assert!(!short.stdout.contains(rare), "{rare}");
    }
}

#[test]
fn the_same_option_has_the_same_words_in_every_command() {
    let words_of = |command: &str, option: &str| {
        let help = help(command, "--help", "200").stdout;
        let at = help.find(&format!("\n      {option}")).expect(option);
        help[at..].lines().nth(2).expect(option).to_owned()
    };
    for (option, commands) in [
        ("--listen", &["server", "relay"][..]),
        ("--alpn", &["client", "ping", "bench"]),
        ("--ca", &["client", "ping", "bench"]),
        ("--pin", &["client", "ping", "bench"]),
        ("--cert", &["client", "ping"]),
        ("--resume", &["ping", "bench"]),
        ("--early-data", &["ping", "bench"]),
        ("--pcap", &["demo", "server", "client", "ping", "bench"]),
        (
            "--format",
            &["server", "client", "relay", "ping", "bench", "cert new"],
        ),
    ] {
        let first = words_of(commands[0], option);
        for command in commands {
            assert_eq!(words_of(command, option), first, "{option} of {command}");
        }
    }
}

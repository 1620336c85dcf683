//! Help, versions, and command lines that mean nothing.

use crate::{
    env::{TestEnv, VacantPort},
    terminal::Terminal,
};

/// Words behind `qecho cert`.
const CERT_COMMANDS: &str = ",new,list,show,verify,renew,install,uninstall,ca,ca new,ca show";

/// Returns some commands and all of `qecho cert`.
fn with_cert(commands: &[&str]) -> Vec<String> {
    let of_cert = CERT_COMMANDS
        .split(',')
        .map(|words| format!("cert {words}"));
    let commands = commands.iter().map(|command| (*command).to_owned());
    commands.chain(of_cert).collect()
}

#[test]
fn every_help_tells_the_exit_codes() {
    let env = TestEnv::new();
    for command in with_cert(&["", "demo", "server", "client", "ping", "relay", "trace"]) {
        let has_commands = ["", "cert ", "cert ca"].contains(&&command[..]);
        let flags = if has_commands {
            &["-h", "--help"][..]
        } else {
            &["--help"]
        };
        for flag in flags {
            let done = env.qecho(format!("{command} {flag}")).run();
            done.exits(0).prints("Usage: qecho");
            assert_eq!(done.stderr, "");
            for line in [
                "Exit codes:",
                "  0    did what was asked",
                "  1    no server, timeout, certificate or ALPN refused, bytes differ,",
                "  2    could not run: wrong usage, busy port, unreadable file, unknown name",
                "  130  interrupted",
                "  143  terminated",
            ] {
                done.prints(line);
            }
        }
    }
    env.qecho("help client").ok().prints("Exit codes:");
}

#[test]
fn help_groups_the_commands_and_fits_the_terminal() {
    let env = TestEnv::new();
    for (columns, group) in [
        (
            "80",
            "\nLook:\n  doctor       Find out why QUIC does not work from here to there\n  \
             ping         Measure how long answers take, and how many are lost\n  \
             trace        Show the QUIC packets in a capture, decrypted\n\nLoad:\n",
        ),
        (
            "40",
            "\nLoad:\n  bench        Put load on an echo\n               server and measure its\n",
        ),
    ] {
        for typed in ["-h", "--help", "help"] {
            let done = env.qecho(typed).env("COLUMNS", columns).ok();
            done.prints(group);
            let is_title = |line: &&str| line.ends_with(':') && !line.starts_with(' ');
            let titles: Vec<_> = done.stdout.lines().filter(is_title).collect();
            let groups = [
                "Echo:",
                "Look:",
                "Load:",
                "Judge:",
                "Certificates:",
                "Help:",
            ];
            assert_eq!(titles, [&groups[..], &["Options:", "Exit codes:"]].concat());
            let widest = done.stdout.lines().map(|line| line.chars().count()).max();
            assert!(widest <= columns.parse().ok(), "{done:#?}");
        }
    }
}

#[test]
fn options_that_people_guess_get_a_tip_that_fits() {
    let env = TestEnv::new();
    for (typed, tip) in [
        ("server --port 4433", "'--listen localhost:PORT'"),
        ("server -p 4433", "'--listen localhost:PORT'"),
        ("relay --port=4434", "'--listen localhost:PORT'"),
        ("client localhost --port 4433", "HOST:PORT"),
        ("ping localhost --json", "'--format json'"),
        ("server --json", "'--format json'"),
        ("bench localhost -t 5", "'-d 10s'"),
        ("bench localhost -P 8", "'--connections 8'"),
        ("bench localhost -b 10M", "'--rate 20k'"),
        ("relay --latency 20ms", "'--delay 20ms'"),
        ("demo --no-color", "'NO_COLOR=1'"),
        ("--color=never demo", "'NO_COLOR=1'"),
        ("server --prometheus", "'--metrics 9433'"),
        ("-v", "'-V'"),
    ] {
        let done = env.qecho(typed).run();
        done.exits(2)
            .complains(tip)
            .complains("unexpected argument");
        assert_eq!(done.stderr.matches("tip:").count(), 1, "{done:#?}");
    }
}

#[test]
fn lines_for_people_end_where_the_terminal_does_and_are_whole_elsewhere() {
    let (env, server) = TestEnv::with_server("");
    let place = server.place();
    let nobody = VacantPort::keep();
    for (typed, code, words) in [
        (
            format!("ping {place} -n 120 -i 0 -q"),
            0,
            "\nPING 127.0.0.1:",
        ),
        (format!("bench {place} -n 200"), 0, "\nserver "),
        ("server --listen 192.0.2.1:4433".to_owned(), 2, "\nhint: "),
        (
            format!("client 127.0.0.1:{} -m a", nobody.number()),
            1,
            "\nhint: ",
        ),
        ("cert new localhost".to_owned(), 0, "\ncertificate "),
    ] {
        for columns in [50, 80] {
            let shown = Terminal::start_with_columns(columns, env.qecho(&typed)).exits(code);
            // The progress before the report is drawn over.
            let shown = shown
                .rsplit("\u{1b}[2K")
                .next()
                .expect("there is a last part");
            let shown = format!("\n{}", shown.replace('\r', ""));
            assert!(shown.contains(words), "{typed}: {shown}");
            for line in shown.lines() {
                // A word that is longer stands alone.
                let is_word = line.split_whitespace().count() <= 2;
                let width = line.chars().count();
                assert!(
                    width <= columns.into() || is_word,
                    "{columns}: {line:?} in {shown}"
                );
            }
        }
    }
    let piped = env.qecho(format!("bench {place} -n 200")).ok();
    let longest = piped.stdout.lines().map(str::len).max();
    assert!(longest > Some(80), "{piped:#?}");
}

#[test]
fn limits_of_none_are_refused() {
    let env = TestEnv::new();
    for option in [
        "--max-connections",
        "--max-connections-per-address",
        "--max-streams",
    ] {
        let done = env
            .qecho(format!("server --listen localhost:0 {option} 0"))
            .run();
        done.exits(2).complains(option);
    }
}

#[test]
fn bare_numbers_are_seconds_and_rates_are_read_as_iperf3_has_them() {
    let (env, server) = TestEnv::with_server("");
    let place = server.place();
    env.qecho(format!("bench {place} -d 0.2 --warmup 0 --timeout 9"))
        .ok();
    let relay = env.relay(&place, "--delay 0.02 --rate 10M --rebind-port 5");
    let up = &relay.listening["up"];
    assert_eq!(
        (&up["delay_ms"], &up["rate_bits_per_second"]),
        (&20.0.into(), &10_000_000.into())
    );
    assert_eq!(relay.listening["rebind_every_ms"], 5_000.0);
    relay.ends_well();
}

#[test]
fn every_command_knows_its_version() {
    let env = TestEnv::new();
    for command in with_cert(&["", "demo", "server", "client", "ping", "relay", "trace"]) {
        for flag in ["-V", "--version"] {
            let done = env.qecho(format!("{command} {flag}")).run();
            done.exits(0).prints(env!("CARGO_PKG_VERSION"));
            assert_eq!(done.stdout.lines().count(), 1);
        }
    }
}

#[test]
fn help_lists_the_ways_and_their_meaning() {
    let env = TestEnv::new();
    let done = env.qecho("client --help").run();
    for way in ["stream:", "stream-per-message:", "uni:", "datagram:"] {
        done.prints(way);
    }
}

#[test]
fn help_survives_a_reader_that_leaves() {
    let (running, stdout) = TestEnv::new().qecho("server --help").start_unread();
    drop(stdout);
    let done = running.done();
    assert!(!done.stderr.contains("panicked"), "{done:#?}");
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_is_wrong() {
    let env = TestEnv::new();
    for (typed, said) in [
        ("", "Usage: qecho <COMMAND>"),
        ("ping-pong", "unrecognized subcommand 'ping-pong'"),
        ("client", "<HOST[:PORT]>"),
        ("client localhost:x", "`x` is no port number"),
        ("client localhost:0", "port 0"),
        ("client https://localhost", "without a scheme"),
        ("client [::1", "`[` without `]`"),
        ("client localhost --over carrier-pigeon", "'carrier-pigeon'"),
        ("client localhost --timeout soon", "write for instance 10s"),
        ("client localhost --timeout 1000y", "at most 365 days"),
        ("client localhost --timeout 0s", "more than 0"),
        ("client localhost --pin sha256:00", "64 hex digits"),
        ("client localhost --pin 00 --insecure", "--pin"),
        ("client a --insecure --ca a.pem", "cannot be used with"),
        ("client localhost -m a --verify", "cannot be used with"),
        ("server --cert a.pem", "--key"),
        ("server --key a.pem", "--cert"),
        ("server --listen a.com:1", "`a.com` is no address"),
        ("server --listen [::1]:70000", "`70000` is no port number"),
        ("server --max-connections many", "'many'"),
        ("client localhost --timeout 0", "more than 0"),
        ("server --max-streams 0", "0 is not in 1..=10000"),
        ("server --alpn a,,b", "1 to 255 bytes"),
        ("server --messages sometimes", "'sometimes'"),
        ("demo one two", "'two'"),
        ("client a --trace=wrong", "handshake, packets, frames"),
        ("client localhost --trace frames", "write --trace=frames"),
        ("client --trace packets localhost", "write --trace=packets"),
        ("server --trace handshake", "write --trace=handshake"),
        ("demo --trace story", "write --trace=story"),
        ("trace a --trace frames", "unexpected argument '--trace'"),
        ("trace", "<FILE>"),
        ("trace a --sequence --detail frames", "cannot be used with"),
    ] {
        let done = env.qecho(typed).run();
        done.exits(2).complains(said);
        assert_eq!(done.stdout, "", "{typed}");
    }
}

#[test]
fn what_cannot_be_meant_together_is_refused_with_a_hint() {
    let env = TestEnv::new();
    env.qecho("client localhost --format json")
        .run_with(b"a")
        .fails(
            2,
            "cannot write both JSON and the bytes of a pipe to stdout",
            Some("--verify"),
        );
    env.qecho("client localhost --verify --over datagram")
        .run_with(b"a")
        .fails(2, "--verify is for a pipe", Some("always compared"));
}

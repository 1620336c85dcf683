//! The examples of `--help`, as they stand, in a network of their own.

use std::{path::Path, thread, time::Duration};

use crate::{
    cmd::Cmd,
    env::TestEnv,
    help::{COMMANDS, help},
};

/// Commands whose examples take long.
const LOADS: [&str; 2] = ["bench", "report"];
/// Time for the examples of many commands, one after the other, on a busy machine.
const SCRIPT_LIMIT: Duration = Duration::from_secs(180);

#[test]
fn every_example_of_a_help_works_as_it_stands() {
    let all = COMMANDS.into_iter().chain(["cert", "cert ca"]);
    let (loads, others): (Vec<_>, Vec<_>) = all.partition(|name| LOADS.contains(name));
    thread::scope(|scope| {
        let loads = scope.spawn(move || run(&loads));
        let examples = run(&others) + loads.join().expect("they work");
        assert!(examples >= 30, "{examples}");
    });
}

/// Runs the examples of commands, one after the other, with a server and a relay beside them;
/// returns how many they were.
#[track_caller]
fn run(commands: &[&str]) -> usize {
    let env = TestEnv::new();
    let mut script = String::from(
        "ip link set lo up
         trap 'kill $pids; wait' EXIT
         qecho server >server.log & pids=$!
         qecho relay --delay 1ms >relay.log & pids=\"$pids $!\"
         until grep -q client server.log && grep -q . relay.log; do sleep 0.1; done
         qecho cert new localhost --cert-file cert.pem --key-file key.pem\n",
    );
    let mut examples = 0;
    for command in commands {
        let help = help(command, "--help", "200").stdout;
        let (_, shown) = help.split_once("Examples:\n").expect(command);
        let typed = shown.lines().filter_map(|line| line.strip_prefix("    "));
        let typed = typed.collect::<Vec<_>>().join("\n").replace("\\\n", "");
        for line in typed.lines() {
            examples += 1;
            script += &in_short(line);
        }
    }
    let mut command = env.command("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_qecho"));
    let folder = program.parent().expect("a program is in a folder");
    let path = std::env::var("PATH").expect("there is a path");
    command
        .args(["--net", "bash", "-euc", &script])
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("PROFILE", env.path("profile"));
    let done = Cmd::new(command).start().done_within(SCRIPT_LIMIT);
    done.exits(0);
    examples
}

/// Returns a script that runs an example in less time than a person would take. What serves runs
/// until it has said that it is ready, on a port of its own.
fn in_short(line: &str) -> String {
    let mut line = line.to_owned();
    for (words, others) in [
        ("*:4433", "*:4440"),
        ("elvish/rc.elv", "rc.elv"),
        ("qecho ping", "qecho ping -i 50ms"),
        ("-d 1s", "-d 100ms"),
    ] {
        line = line.replace(words, others);
    }
    // All requirements take half a minute each time.
    if line.starts_with("qecho conform") && !line.contains("--show") {
        line = line.replacen("conform", "conform --only 9000/19.5", 1);
    }
    if line.starts_with("qecho doctor") {
        // A busy machine drops datagrams itself, which is a cause.
        return format!("{line} --quick || [ $? -eq 1 ]\n");
    }
    if line.contains("--find-limit") {
        // What a busy machine finds is its own matter; that it begins is ours.
        return format!("timeout -s INT 2 {line} || [ $? -ne 2 ]\n");
    }
    let port = match line.split(' ').nth(1) {
        Some("server") if line.contains("--listen") => "",
        Some("server" | "relay") => " --listen localhost:0",
        Some("conform") if line.contains("--by-name") => " --listen localhost:0",
        _ => return format!("echo \"+ {line}\" >&2\n{line} </dev/null\n"),
    };
    format!(
        "{line}{port} >started & pid=$!
         until [ -s started ]; do kill -0 $pid; sleep 0.1; done
         kill $pid; wait $pid; rm started\n"
    )
}

//! Clients that are interrupted, and whose terminal is closed.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use rustix::process::{Pid, Signal};

use crate::{
    env::{self, TestEnv},
    terminal::Terminal,
    transcript::Transcript,
};

#[test]
fn a_client_that_is_interrupted_or_terminated_says_so_by_its_exit_code() {
    let (env, server) = TestEnv::with_server("");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        for way in ["stream", "uni", "datagram", "stream-per-message"] {
            let mut client = env.client(&server, format!("--over {way}")).start();
            client.echoes("here\n");
            let stdin = client.stdin.take();
            client.signal(signal);
            let done = client.done_within(Duration::from_secs(5));
            done.exits(code);
            assert!(!done.stderr.contains("qecho:"), "{done:#?}");
            drop(stdin);
        }
    }
    assert_eq!(server.ends_well()["connections"], 8);
}

#[test]
fn a_client_is_interrupted_while_the_last_bytes_wait_for_their_reader() {
    let (env, server) = TestEnv::with_server("--messages always");
    let (mut client, stdout) = env.client(&server, "").start_unread();
    // More than the 64 KiB of a pipe, and no more than the client's queue takes
    // beside them, however small the pieces are that come back.
    client.types(&crate::pipe::random(80_000));
    drop(client.stdin.take());
    server.event("closed");
    client.signal(Signal::TERM);
    client.done_within(Duration::from_secs(5)).exits(143);
    drop(stdout);
}

#[test]
fn a_client_is_interrupted_although_nobody_reads_its_output() {
    let (env, server) = TestEnv::with_server("");
    let (mut client, stdout) = env.client(&server, "").start_unread();
    client.types(&crate::pipe::random(1_000_000));
    client.signal(Signal::TERM);
    client.done_within(Duration::from_secs(5)).exits(143);
    drop(stdout);
}

#[test]
fn a_command_that_listens_for_no_signal_is_terminated_by_a_hangup_too() {
    let env = TestEnv::new();
    let silent = env::socket();
    let show = env.qecho(format!("cert show {}", env::address(&silent)));
    let show = show.start();
    let first = silent.recv(&mut [0; 2_000]);
    first.expect("the first packet comes");
    show.signal(Signal::HUP);
    show.done().exits(143);
}

#[test]
fn a_command_whose_terminal_is_closed_is_terminated_whether_it_is_told_or_sees_it() {
    let (env, server) = TestEnv::with_server("");
    let place = server.place();
    let path = env.path("status");
    let made = env.command("mkfifo").arg(&path).status();
    assert!(made.expect("every system has it").success());
    let pipe = File::options().read(true).write(true).open(&path);
    let statuses = Transcript::collect(pipe.expect("it is there"));
    let mut ended = 0;
    for (command, begun) in [
        (format!("ping {place} --live -i 10ms"), "█"),
        (format!("ping {place} -i 10ms"), "seq=3"),
        (format!("client {place}"), "Message: "),
        // It reads from the terminal, and says nothing before.
        ("trace -".into(), "process "),
    ] {
        for reaction in [":", ""] {
            let path = path.display();
            // What reports the status outlives the terminal; qecho ignores SIGHUP by the latter.
            let script =
                format!("(trap '{reaction}' HUP; qecho; echo status $? >{path}); read line");
            let terminal = Terminal::start_script(&env, &script, &command);
            terminal.screen.says(begun);
            terminal.until_job(knows_hangup);
            terminal.closes();
            ended += 1;
            statuses.says_times("status 143\n", ended);
        }
    }
}

/// Tells whether a process is qecho, which has a handler for SIGHUP or ignores it.
fn knows_hangup(job: Pid) -> bool {
    if !Path::new("/proc/self/status").exists() {
        // Other systems do not say so.
        return true;
    }
    let path = format!("/proc/{}/status", job.as_raw_nonzero());
    let status = fs::read_to_string(path).unwrap_or_default();
    let find = |name| status.lines().find_map(|line| line.strip_prefix(name));
    let has_bit = |name| {
        let mask = find(name).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & 1 == 1)
    };
    let is_qecho = find("Name:").is_some_and(|name| name.trim() == "qecho");
    is_qecho && (has_bit("SigCgt:") || has_bit("SigIgn:"))
}

//! Conditions that a relay takes, and those that it refuses.

use crate::env::{TestEnv, address, socket};

#[test]
fn what_means_nothing_is_refused_in_one_line() {
    let env = TestEnv::new();
    for (typed, said) in [
        (
            "--loss 2",
            "`2` has no percent sign; write for instance 2% or 0.5%",
        ),
        ("--loss 101%", "no more than 100%"),
        ("--corrupt=-1%", "`-1%` is no share"),
        (
            "--rate 10mbps",
            "`10mbps` is no rate; write for instance 500kbit, 10mbit or 1gbit",
        ),
        ("--rate 0bit", "more than 0"),
        ("--queue many", "`many` is no whole number"),
        ("--mtu 0", "`0` is no whole number from 1 to 65507"),
        ("--burst 0", "`0` is no whole number"),
        ("--delay soon", "write for instance 10s"),
        ("--drop 7-2", "`7-2` ends before it begins"),
        ("--drop 0", "`0` is no whole number from 1 to "),
        ("--blackhole 5s", "`5s` has no `/`"),
        ("--blackhole 5s/0s", "more than 0"),
        ("--up lost=1%", "`lost` is no condition; there are delay, "),
        ("--down loss=1", "loss: `1` has no percent sign"),
        ("--up loss", "`loss` has no `=`"),
        (
            "--up loss=none",
            "loss: `none` is for rate, police, ecn, mtu, blackhole and drop",
        ),
        ("--police 5", "`5` has no `/`"),
        ("--police 0/1s", "`0` is no whole number"),
        ("--ecn bleach", "write clear, ce or ect1"),
        ("--up=", "no condition is named"),
        ("--seed x", "'x'"),
        ("--to localhost:0", "port 0"),
        ("--listen example.com:1", "write for instance 0.0.0.0:4434"),
    ] {
        let done = env.qecho(format!("relay {typed}")).run();
        done.exits(2).complains(said);
        assert_eq!(done.stdout, "", "{typed}");
        let about = done.stderr.lines().filter(|line| line.contains(said));
        assert_eq!(about.count(), 1, "{done:#?}");
    }
}

#[test]
fn what_cannot_work_is_refused_with_a_reason() {
    let env = TestEnv::new();
    let fails = |typed: &str, reason: &str, hint: Option<&str>| {
        env.qecho(format!("relay {typed}"))
            .run()
            .fails(2, reason, hint);
    };
    fails("--queue 5", "give a rate too", None);
    fails("--rebind-port 1ms", "it must be at least 10ms", None);
    fails("--nat-timeout 1ms", "it must be at least 10ms", None);
    fails("--rebind-port often 5s", "or every 5s", None);
    fails(
        "--rebind-address soon",
        "cannot use --rebind-address: ",
        None,
    );
    fails(
        "--rebind-address 1s --to [::1]:9",
        "cannot change the address towards [::1]:9",
        Some("--rebind-port"),
    );
    fails("--burst 5", "give a loss too", None);
    let taken = socket();
    let taken = address(&taken);
    fails(
        &format!("--listen {taken}"),
        &format!("cannot listen on {taken}"),
        Some("has this port; choose another by --listen"),
    );
    // Somebody else may take the port before the relay does, but not each time.
    let mut tries = (0..3).map(|_| {
        let free = address(&socket());
        let typed = format!("relay --listen {free} --to {free}");
        env.qecho(&typed).run()
    });
    let done = tries.find(|done| !done.stderr.contains("cannot listen on"));
    let done = done.expect("a port is free");
    done.fails(2, "that is the relay itself", Some("--to"));
    fails(
        "--to no-such-host.invalid",
        "no-such-host.invalid",
        Some("spelling"),
    );
}

#[test]
fn help_says_what_each_condition_does() {
    let env = TestEnv::new();
    let done = env.qecho("relay --help").run();
    done.exits(0).prints("Conditions, both ways:");
    let options = "listen to delay jitter loss burst reorder duplicate corrupt rate queue police \
                   ecn mtu blackhole drop up down rebind-port rebind-address nat-timeout seed format";
    for option in options.split(' ') {
        done.prints(&format!("      --{option} <"));
    }
}

//! Colours: on a terminal that has them, for who wants them, and nowhere else.

use crate::{
    cmd::Cmd,
    env::{TestEnv, VacantPort},
    terminal::Terminal,
};

/// Begins a word that stands out.
const ESCAPE: &str = "\x1b[";

/// Runs a client whom nobody answers, at a terminal.
fn refused(env: &TestEnv, change: impl FnOnce(Cmd) -> Cmd) -> String {
    let nobody = VacantPort::keep();
    let client = env.qecho(format!("client 127.0.0.1:{} -m a", nobody.number()));
    Terminal::start(change(client.without("NO_COLOR"))).exits(1)
}

#[test]
fn verdicts_and_titles_are_coloured_on_a_terminal() {
    let env = TestEnv::new();
    let shown = refused(&env, |cmd| cmd.env("NO_COLOR", ""));
    for word in ["qecho:", "hint:"] {
        let coloured = shown.contains(&format!("m{word}{ESCAPE}0m "));
        assert!(coloured, "{word} in {shown:?}");
    }
    let demo = Terminal::start(env.qecho("demo").env("NO_COLOR", "")).exits(0);
    for word in ["ok:", "connected", "datagram"] {
        let coloured = demo.contains(&format!("m{word}{ESCAPE}0m "));
        assert!(coloured, "{word} in {demo:?}");
    }
}

#[test]
fn who_wants_no_colours_gets_none() {
    let env = TestEnv::new();
    for (variable, value) in [("NO_COLOR", "1"), ("TERM", "dumb"), ("CLICOLOR", "0")] {
        let shown = refused(&env, |cmd| cmd.env("NO_COLOR", "").env(variable, value));
        assert!(!shown.contains(ESCAPE), "{variable}: {shown:?}");
        assert!(shown.contains("hint: "), "{variable}: {shown:?}");
    }
}

#[test]
fn a_pipe_has_colours_only_by_force() {
    let env = TestEnv::new();
    let demo = || env.qecho("demo").without("NO_COLOR").env("TERM", "xterm");
    let plain = demo().ok();
    assert!(!plain.stdout.contains(ESCAPE), "{plain:#?}");
    let forced = demo().env("CLICOLOR_FORCE", "1").ok();
    assert!(forced.stdout.contains(ESCAPE), "{forced:#?}");
    let unforced = demo().env("CLICOLOR_FORCE", "0").ok();
    assert!(!unforced.stdout.contains(ESCAPE), "{unforced:#?}");
    let refused = demo().env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").ok();
    assert!(!refused.stdout.contains(ESCAPE), "{refused:#?}");
}

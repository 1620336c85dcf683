//! A ping as it is watched on a terminal.

use rustix::process::Signal;

use crate::{
    env::TestEnv,
    terminal::{CTRL_BACKSLASH, CTRL_C, CTRL_Z, JOB, Terminal},
};

const ALTERNATE_SCREEN: &str = "\x1b[?1049h";
/// Real-time signals, which have no names.
const REAL_TIME: [i32; 2] = [37, 64];

const USUAL_SCREEN: &str = "\x1b[?1049l";

#[test]
fn a_live_view_is_drawn_until_a_key_ends_it_and_then_summed_up() {
    let (env, server) = TestEnv::with_server("");
    for way in ["stream", "frame", "handshake", "vn"] {
        for end in [b"q", CTRL_C, b"\x1b"] {
            let command = format!("ping {} --live --over {way} -i 10ms", server.place());
            let terminal = Terminal::start(env.qecho(&command));
            terminal.screen.says(ALTERNATE_SCREEN);
            // Blanks are leapt over.
            terminal.screen.says(way);
            // The histogram has begun.
            terminal.screen.says("█");
            terminal.types(end);
            let shown = terminal.exits(0);
            let (_, summary) = shown.rsplit_once(USUAL_SCREEN).expect("it is given back");
            assert!(summary.contains(" 0 lost (0%)"), "{summary:?}");
        }
    }
}

#[test]
fn a_live_view_ends_by_itself_and_gives_the_terminal_back_whatever_happens() {
    let (env, server) = TestEnv::with_server("");
    let place = server.place();
    let command = format!("ping {place} --live -n 5 -i 10ms");
    let shown = Terminal::start(env.qecho(&command)).exits(0);
    assert!(shown.contains("5 sent, 5 received"), "{shown:?}");

    let terminal = Terminal::start(env.qecho(format!("ping {place} --live -i 10ms")));
    terminal.screen.says("█");
    terminal.signal(Signal::TERM);
    terminal.exits(143);

    let command = format!("ping {place} --live -i 10ms --give-up");
    let terminal = Terminal::start(env.qecho(command));
    terminal.screen.says("█");
    server.process.signal(Signal::KILL);
    let shown = terminal.exits(1);
    let (_, after) = shown.rsplit_once(USUAL_SCREEN).expect("it is given back");
    assert!(after.contains("nobody listens there any more"), "{after:?}");
}

#[test]
fn a_live_view_that_is_stopped_gives_the_terminal_back_and_is_whole_again_in_the_foreground() {
    let (env, server) = TestEnv::with_server("");
    let command = format!("ping {} --live -i 10ms", server.place());
    let by_signal = [Signal::TSTP, Signal::TTIN, Signal::TTOU].map(Some);
    for signal in by_signal.into_iter().chain([None]) {
        let terminal = Terminal::start_script(&env, JOB, &command);
        let title = format!("{} over", server.place());
        terminal.screen.says_after(ALTERNATE_SCREEN, &title);
        match signal {
            None => terminal.types(CTRL_Z),
            Some(signal) => terminal.signals_job(signal),
        }
        let number = signal.unwrap_or(Signal::TSTP).as_raw();
        let status = format!("status {}", 128 + number);
        terminal.screen.says_after(&status, "terminal as before");
        let shown = terminal.screen.text();
        let (_, after) = shown.rsplit_once(USUAL_SCREEN).expect("it is given back");
        assert!(after.contains(&status), "{shown:?}");
        terminal.enters("");
        // All of it is drawn, not only what has changed.
        let again = format!("\x1b[2J\x1b[1;1H┌ {title}");
        terminal.screen.says_after(&status, &again);
        terminal.screen.says_after(&status, "█");
        terminal.types(b"q");
        terminal.screen.says_after(&status, " 0 lost (0%)");
        assert!(terminal.exits(0).contains("status 0"));
    }
}

#[test]
fn a_signal_ends_a_live_view_although_the_terminal_takes_nothing() {
    let (env, server) = TestEnv::with_server("");
    let command = format!("ping {} --live -i 10ms", server.place());
    for (signal, status) in [(Signal::QUIT, 131), (Signal::TERM, 143)] {
        let terminal = Terminal::start_script(&env, JOB, &command);
        terminal.screen.says("█");
        terminal.takes_output(false);
        terminal.signals_job(signal);
        terminal.until_job_ends();
        terminal.takes_output(true);
        let status = format!("status {status}");
        terminal.screen.says_after(&status, "terminal as before");
        terminal.enters("");
        terminal.exits(2);
    }
}

#[test]
fn a_live_view_in_the_background_goes_on_and_draws_nothing() {
    let (env, server) = TestEnv::with_server("");
    let command = format!("ping {} --live -i 10ms -n 30", server.place());
    let script = "qecho & wait; echo; echo status $?";
    let shown = Terminal::start_script(&env, script, &command).exits(0);
    assert!(shown.contains("30 sent, 30 received"), "{shown:?}");
    assert!(!shown.contains(ALTERNATE_SCREEN), "{shown:?}");

    let script = "qecho & echo begun; read line; fg; echo status $?";
    let command = format!("ping {} --live -i 10ms", server.place());
    let terminal = Terminal::start_script(&env, script, &command);
    terminal.screen.says("begun");
    terminal.enters("");
    terminal.screen.says_after(ALTERNATE_SCREEN, "█");
    terminal.types(b"q");
    let shown = terminal.exits(0);
    assert!(shown.contains("status 0"), "{shown:?}");
}

#[test]
fn a_live_view_gives_the_terminal_back_before_a_signal_ends_it() {
    let (env, server) = TestEnv::with_server("");
    let command = format!("ping {} --live -i 10ms", server.place());
    let by_key = (None, 128 + 3);
    let by_signal = [Signal::QUIT, Signal::ABORT, Signal::ALARM, Signal::USR1];
    let more = [Signal::IO, Signal::POWER, Signal::STKFLT];
    let by_signal = by_signal.into_iter().chain(more);
    let numbers = by_signal.map(Signal::as_raw).chain(REAL_TIME);
    let by_signal = numbers.map(|signal| (Some(signal), 128 + signal));
    for (signal, status) in by_signal.chain([by_key]) {
        let terminal = Terminal::start_script(&env, JOB, &command);
        terminal.screen.says("█");
        match signal {
            Some(signal) => terminal.signals_job_by(signal),
            None => terminal.types(CTRL_BACKSLASH),
        }
        let status = format!("status {status}");
        terminal.screen.says(&status);
        terminal.enters("");
        // There is no job any more that could be continued.
        let shown = terminal.exits(2);
        let (_, after) = shown.rsplit_once(USUAL_SCREEN).expect("it is given back");
        assert!(after.contains(&status), "{shown:?}");
        assert!(after.contains("terminal as before"), "{shown:?}");
    }
}

#[test]
fn a_live_view_that_nobody_could_continue_is_not_stopped() {
    let (env, server) = TestEnv::with_server("");
    let command = format!("ping {} --live -i 10ms -n 100", server.place());
    let terminal = Terminal::start(env.qecho(&command));
    terminal.screen.says("█");
    terminal.types(CTRL_Z);
    let shown = terminal.exits(0);
    assert!(shown.contains("100 sent, 100 received"), "{shown:?}");
}

#[test]
fn a_live_view_needs_a_terminal_that_can_be_drawn_on() {
    let env = TestEnv::new();
    for (term, named) in [
        (Some("dumb"), "is dumb"),
        (Some(""), "names none"),
        (None, "names none"),
    ] {
        let command = env.qecho("ping localhost --live").without("NO_COLOR");
        let command = match term {
            Some(term) => command.env("TERM", term),
            None => command.without("TERM"),
        };
        let shown = Terminal::start(command).exits(2);
        assert!(shown.contains(&format!("TERM {named}")), "{shown:?}");
        assert!(shown.contains("hint: leave it out"), "{shown:?}");
        assert!(!shown.contains('\x1b'), "{shown:?}");
    }
}

#[test]
fn a_live_view_needs_a_terminal() {
    let env = TestEnv::new();
    let done = env.qecho("ping localhost --live").run();
    done.fails(2, "--live needs a terminal", Some("leave it out"));
    let done = env.qecho("ping localhost --live --format json").run();
    done.exits(2).complains("cannot be used with");
}

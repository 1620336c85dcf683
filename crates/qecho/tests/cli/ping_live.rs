//! A ping as it is watched on a terminal.

use rustix::process::Signal;

use crate::{
    env::TestEnv,
    terminal::{CTRL_C, Terminal},
};

const ALTERNATE_SCREEN: &str = "\x1b[?1049h";
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
fn a_live_view_needs_a_terminal() {
    let env = TestEnv::new();
    let done = env.qecho("ping localhost --live").run();
    done.fails(2, "--live needs a terminal", Some("leave it out"));
    let done = env.qecho("ping localhost --live --format json").run();
    done.exits(2).complains("cannot be used with");
}

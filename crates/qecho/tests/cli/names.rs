//! Names that are typed: hosts, files and protocols, whatever is in them.

use crate::{cmd::Output, env::TestEnv};

/// A name that ends its line, and colours what follows.
const STEERS: &str = "a\nb\u{1b}[35;7mc";
/// The same, as it is shown.
const SHOWN: &str = "a\\nb\\u{1b}[35;7mc";

/// Checks that a name was refused or not found in one line, beside a hint, and is short there.
fn is_told_in_a_line(done: &Output, name: &str) {
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(!said.contains('\u{1b}') && !said.contains("\nb"), "{said}");
    assert!(said.lines().all(|line| line.len() < 1_000), "{said}");
    if name == STEERS {
        assert!(said.contains(SHOWN), "{said}");
    } else {
        assert!(said.contains("… (10,00"), "{said}");
    }
}

#[test]
fn a_name_stays_on_its_line_whatever_is_in_it() {
    let env = TestEnv::new();
    let long = "x".repeat(10_000);
    for (typed, code) in [
        ("client -m a --timeout 1s HERE", 2),
        ("ping -n 1 HERE", 2),
        ("ping -n 1 --format json HERE", 2),
        ("bench -d 1s HERE", 2),
        ("conform HERE", 2),
        ("relay --to HERE", 2),
        ("server --listen HERE", 2),
        ("cert show HERE", 2),
        ("cert show ./HERE", 2),
        ("cert new HERE", 2),
        ("cert verify HERE localhost", 2),
        ("cert list HERE", 2),
        ("cert ca new --name-constraints HERE", 2),
        ("client localhost -m a --ca HERE", 2),
        ("client localhost -m a --pin HERE", 2),
        ("client localhost -m a --pcap HERE/x", 2),
        ("client localhost -m a --keylog HERE/x", 2),
        ("server --cert HERE --key HERE", 2),
        ("trace HERE", 2),
        ("report HERE --output a.html", 2),
        ("demo --trace=HERE", 2),
        ("HERE", 2),
    ] {
        for name in [STEERS, &long] {
            let words = typed.split(' ').map(|word| word.replace("HERE", name));
            let done = words.fold(env.qecho(""), |cmd, word| cmd.arg(word)).run();
            done.exits(code);
            is_told_in_a_line(&done, name);
        }
    }
}

#[test]
fn files_and_protocols_that_are_used_stay_on_their_lines() {
    let env = TestEnv::new();
    let file = format!("{STEERS}.pem");
    let made = env.qecho("cert new localhost --cert-file").arg(file).ok();
    made.prints(&format!("certificate  {SHOWN}.pem\n"));
    let folder = format!("{STEERS}/{STEERS}");
    let made = env.qecho("cert ca new --ca-root").arg(folder).ok();
    made.prints(&format!("{SHOWN}/{SHOWN}/rootCA.pem\n"));
    let (server, port) = env.text_server("--alpn any --messages always");
    let client = env.qecho(format!("client localhost:{port} -m hello --alpn"));
    let log = format!("{STEERS}.log");
    let client = client.arg(STEERS).arg("--keylog").arg(log).ok();
    client.complains(&format!("ALPN {SHOWN}"));
    client.complains(&format!("writing TLS secrets to {SHOWN}.log: "));
    server.stdout.says(&format!("connected, ALPN {SHOWN}\n"));
}

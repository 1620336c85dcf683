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

#[test]
fn a_host_is_the_same_in_any_letters_and_case_and_with_the_last_dot() {
    let env = TestEnv::new();
    env.qecho("cert new BÜCHER.localhost --cert-file c.pem --key-file k.pem")
        .ok()
        .prints("names        xn--bcher-kva.localhost\n");
    let server = env.server("--cert c.pem --key k.pem");
    let port = server.port();
    for host in [
        "bücher.localhost",
        "BÜCHER.LOCALHOST",
        "bücher.localhost.",
        "bücher。localhost。",
        "xn--bcher-kva.localhost.",
        "XN--BCHER-KVA.Localhost",
    ] {
        let done = env.qecho(format!("client {host}:{port} -m a --trace=frames"));
        let done = done.ok();
        done.complains("verified by qecho cert's local CA");
        // The name in the ClientHello (RFC 6066 §3), and the next of what is told of it.
        let asked = |next| format!("for xn--bcher-kva.localhost{next}");
        let asks = [asked(","), asked(")")].map(|words| done.stderr.contains(&words));
        assert!(asks.contains(&true), "{host}: {done:?}");
        let verify = env.qecho(format!("cert verify c.pem {host}")).ok();
        verify.prints("ok: good for xn--bcher-kva.localhost until");
    }
}

#[test]
fn a_fault_of_a_host_is_told_alike_in_any_letters() {
    let env = TestEnv::new();
    let label = |letter: &str| letter.repeat(64);
    for (ascii, other, reason) in [
        (
            "a..b".to_owned(),
            "ü..b".to_owned(),
            "a part of it is empty",
        ),
        (label("a"), label("ü"), "has more than 63 characters"),
        ("a@b".into(), "ü@b".into(), "no host name has `@` in it"),
        (" a".into(), " ü".into(), "no host name has a space in it"),
        ("a-.b".into(), "a-.ü".into(), "begins or ends with `-`"),
        ("*.b".into(), "*.ü".into(), "`*` stands for no single host"),
        ("xn--a".into(), "XN--A.ü".into(), "stands for no letters"),
        (
            "127.0.0.1.".into(),
            "１２７.0.0.1".into(),
            "like an IP address",
        ),
    ] {
        for host in [ascii, other] {
            let done = env.qecho("client -m a").arg(&host).run();
            done.exits(2).complains(reason);
        }
    }
}

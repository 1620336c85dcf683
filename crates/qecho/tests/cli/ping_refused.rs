//! Pings of hosts that are not there, die or refuse, and pings that mean
//! nothing.

use rustix::process::Signal;

use crate::env::{self, TestEnv, VacantPort};

#[test]
fn a_host_that_does_not_answer_is_named_with_the_time_that_it_had() {
    let env = TestEnv::new();
    let silent = env::socket();
    let address = env::address(&silent);
    for way in ["stream", "datagram", "frame"] {
        let command = format!("ping {address} --over {way} -n 2 --timeout 200ms --give-up");
        let reason = format!("cannot connect to {address}: no answer within 200 ms");
        let done = env.qecho(&command).run();
        done.fails(1, &reason, Some("is a server running there"));
    }
    // These go on asking.
    for way in ["handshake", "vn"] {
        for interval in ["0", "20ms"] {
            let options = format!("--over {way} -n 3 -i {interval} --timeout 100ms");
            let done = env.qecho(format!("ping {address} {options}")).run();
            done.exits(1).prints("3 sent, 0 received, 3 lost (100%)");
            for sequence in 1..=3 {
                done.prints(&format!(
                    "{address}: seq={sequence} lost: no answer within 100 ms"
                ));
            }
            assert_eq!(done.stderr, "");
        }
    }
}

#[test]
fn nobody_there_is_noticed_at_once() {
    let env = TestEnv::new();
    let vacant = VacantPort::keep();
    let port = vacant.number();
    for way in ["stream", "datagram", "frame"] {
        let command = format!("ping 127.0.0.1:{port} --over {way} -n 2 --give-up");
        let reason = format!("nobody listens there (127.0.0.1:{port})");
        let done = env.qecho(&command).run();
        done.fails(1, &reason, Some("is a server running there"));
    }
    for way in ["handshake", "vn"] {
        let command = format!("ping 127.0.0.1:{port} --over {way} -n 2 -i 0");
        let done = env.qecho(&command).run();
        let reason = format!("seq=2 lost: nobody listens there (127.0.0.1:{port})");
        done.exits(1).prints(&reason);
    }
}

#[test]
fn a_host_that_dies_in_the_middle_ends_a_ping_that_gives_up_and_what_came_is_kept() {
    let env = TestEnv::new();
    for way in ["stream", "datagram", "frame"] {
        let server = env.server("");
        let place = server.place();
        let command = format!("ping {place} --over {way} -i 20ms --timeout 30s --give-up");
        let ping = env.qecho(&command).start();
        ping.stdout.says("seq=3 ");
        server.process.signal(Signal::KILL);
        let done = ping.done();
        let reason = format!("{place}: connection lost: nobody listens there any more");
        done.fails(1, &reason, None)
            .prints(&format!("\n--- {place} over {way} ---\n"))
            .prints("p50 ");
    }
}

#[test]
fn a_server_that_is_told_to_end_is_quoted() {
    let (env, server) = TestEnv::with_server("--drain 10ms");
    let command = format!("ping {} -i 20ms --format json --give-up", server.place());
    let ping = env.qecho(&command).start();
    ping.stdout.says("\"seq\":3,");
    server.process.terminate();
    let done = ping.done();
    done.exits(1).complains("server shutting down");
    let rows = done.events();
    let error = rows.iter().find(|row| row["event"] == "error");
    let reason = error.expect("it is told")["reason"].as_str();
    assert!(reason.is_some_and(|reason| reason.contains("server shutting down")));
    assert!(done.last_event()["received"].as_u64() >= Some(3));
}

#[test]
fn a_ping_goes_on_when_its_server_goes_away_and_comes_back() {
    let env = TestEnv::new();
    for way in ["stream", "datagram", "frame"] {
        let server = env.server("");
        let (place, port) = (server.place(), server.port());
        let ping = env
            .qecho(format!("ping {place} --over {way} -i 50ms"))
            .start();
        ping.stdout.says("seq=3 ");
        server.process.signal(Signal::KILL);
        server.process.done();
        let reason =
            format!("{place}: connection lost: nobody listens there any more; trying again");
        ping.stderr.says(&reason);
        ping.stdout
            .says(&format!("lost: nobody listens there (127.0.0.1:{port})"));
        let again = format!("server --format json --listen 127.0.0.1:{port}");
        let again = env.await_server(env.qecho(again));
        ping.stdout.says_times("connected in ", 2);
        ping.stdout.until("reply of the new server", |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let (_, after) = text.rsplit_once("connected in ").unwrap_or_default();
            after.contains(" time=")
        });
        ping.signal(Signal::INT);
        ping.done().exits(0).prints("p50 ");
        again.ends_well();
    }
}

#[test]
fn a_ping_of_a_server_that_is_not_there_yet_waits_for_it() {
    // Whom the ping trusts is there.
    let (env, server) = TestEnv::with_server("");
    server.ends_well();
    let vacant = VacantPort::keep();
    let port = vacant.number();
    let ping = format!("ping 127.0.0.1:{port} -i 50ms --format json");
    let ping = env.qecho(ping).start();
    ping.stdout.line_with("\"disconnected\"");
    ping.stdout.line_with("\"lost\"");
    drop(vacant);
    let server = format!("server --format json --listen 127.0.0.1:{port}");
    let server = env.await_server(env.qecho(server));
    ping.stdout.line_with("\"reply\"");
    ping.signal(Signal::INT);
    assert!(ping.done().exits(0).last_event()["lost"].as_u64() >= Some(1));
    server.ends_well();

    let nobody = VacantPort::keep();
    let ping = format!("ping 127.0.0.1:{} -n 3 -i 0", nobody.number());
    let done = env.qecho(ping).run();
    done.exits(1)
        .prints("3 sent, 0 received, 3 lost (100%)")
        .complains("trying again");
}

#[test]
fn one_unknown_name_among_good_ones_keeps_nothing_from_being_pinged() {
    let (env, server) = TestEnv::with_server("");
    let good = server.place();
    let vacant = VacantPort::keep();
    let nobody = vacant.number();
    for way in ["stream", "datagram", "frame", "handshake", "vn"] {
        let command = format!(
            "ping {good} nobody.invalid 127.0.0.1:{nobody} --over {way} -n 3 -i 0 --timeout 3s"
        );
        let done = env.qecho(&command).run();
        done.exits(2)
            .complains("cannot find the address of nobody.invalid")
            .prints(&format!(
                "\n--- {good} over {way} ---\n3 sent, 3 received, 0 lost (0%)"
            ));
    }
    let done = env.qecho("ping nobody.invalid nowhere.invalid").run();
    done.exits(2)
        .complains("cannot find the address of nobody.invalid")
        .complains("cannot find the address of nowhere.invalid");
    assert_eq!(done.stdout, "");
    let done = env.qecho("ping nobody.invalid").run();
    let hint = Some("check the spelling");
    done.fails(2, "cannot find the address of nobody.invalid", hint);
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let (env, server) = TestEnv::with_server("");
    for size in ["0", "15", "1048577", "many"] {
        let command = format!("ping {} -s {size}", server.place());
        let done = env.qecho(&command).run();
        done.exits(2).complains("'--size <BYTES>'");
    }
    let command = format!("ping {} --over datagram -s 2000 -n 1", server.place());
    let reason = "a message of 2000 bytes is too large: a DATAGRAM frame takes at most 1414 here";
    let done = env.qecho(&command).run();
    done.fails(2, reason, Some("-s 1414"));
    for (way, size, shown) in [
        ("datagram", 16, "16"),
        ("datagram", 1_414, "1,414"),
        ("stream", 1_048_576, "1,048,576"),
    ] {
        let options = format!("--over {way} -s {size} -n 3 -i 0");
        let command = format!("ping {} {options}", server.place());
        let done = env.qecho(&command).run();
        done.exits(0).prints(&format!("\n{shown} bytes from "));
    }
}

#[test]
fn a_family_is_kept_to() {
    let (env, server) = TestEnv::with_server("");
    for (option, address) in [("-4", "(127.0.0.1:"), ("-6", "([::1]:")] {
        let Some(port) = port_of(&server.listening["addresses"], address) else {
            // A host may lack IPv6.
            continue;
        };
        let ping = format!("ping localhost:{port} {option} -n 1");
        env.qecho(ping).ok().prints(address);
    }
    let done = env.qecho("ping 127.0.0.1 -6 -n 1").run();
    done.fails(2, "127.0.0.1 has no IPv6 address", None);
}

fn port_of(addresses: &serde_json::Value, begins: &str) -> Option<u16> {
    let begins = begins.trim_start_matches('(');
    let addresses = addresses.as_array()?.iter();
    let mut addresses = addresses.filter_map(serde_json::Value::as_str);
    let address = addresses.find(|address| address.starts_with(begins))?;
    address.rsplit_once(':')?.1.parse().ok()
}

#[test]
fn who_is_not_to_be_trusted_is_not_pinged() {
    let (env, server) = TestEnv::with_server("");
    let wrong = format!("sha256:{}", "0".repeat(64));
    for way in ["stream", "handshake"] {
        let command = format!("ping {} --over {way} -n 3 --pin {wrong}", server.place());
        let done = env.qecho(&command).run();
        done.exits(1)
            .complains(&format!("cannot trust {}: ", server.place()));
        assert!(!done.stdout.contains("time="), "{done:#?}");
    }
    // Whoever answers version negotiation proves nothing.
    let command = format!("ping {} --over vn -n 1 --pin {wrong}", server.place());
    env.qecho(&command).ok();
}

#[test]
fn what_means_nothing_is_refused() {
    let env = TestEnv::new();
    for (arguments, reason) in [
        ("", "<HOST[:PORT]>"),
        ("localhost -n 0", "'--count <COUNT>'"),
        ("localhost -i soon", "'--interval <TIME>'"),
        ("localhost -4 -6", "cannot be used with"),
        ("localhost --timeout 0s", "'--timeout <TIME>'"),
        ("localhost:0", "nobody can be reached on port 0"),
        ("a --over frame -s 100", "--over frame sends no messages"),
        ("localhost --over vn --trace", "--over vn has no connection"),
        ("a --over vn --pcap x", "--over vn has no connection"),
    ] {
        let done = env.qecho(format!("ping {arguments}")).run();
        done.exits(2).complains(reason);
        assert_eq!(done.stdout, "");
    }
}

#[test]
fn help_says_what_each_way_does() {
    let done = TestEnv::new().qecho("ping --help").run();
    for way in ["stream:", "datagram:", "frame:", "handshake:", "vn:"] {
        done.prints(way);
    }
}

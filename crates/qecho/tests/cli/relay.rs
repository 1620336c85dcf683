//! A bad network between a client and a server, or between any two programs.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    env::{self, Server, TestEnv},
    pipe::random,
};

const WAYS: [&str; 4] = ["stream", "stream-per-message", "uni", "datagram"];

#[test]
fn a_perfect_relay_changes_nothing() {
    let (env, server) = TestEnv::with_server("");
    let relay = env.relay(&server.place(), "");
    assert_eq!(relay.listening["event"], "relaying");
    assert_eq!(relay.listening["schema"], 1);
    for way in WAYS {
        let done = env.client(&relay, format!("--over {way} -m 日本語")).run();
        done.exits(0).prints("echo: \"日本語\", 9 bytes");
    }
    let counts = ends_well(relay);
    assert_eq!(counts["event"], "stopped");
    assert_eq!(counts["schema"], 1);
    assert_eq!(counts["clients"], 4);
    for direction in ["up", "down"] {
        let counts = &counts[direction];
        assert_eq!(counts["delivered"], counts["received"]);
        assert_eq!(counts["bytes_delivered"], counts["bytes_received"]);
    }
    assert_eq!(server.ends_well()["connections"], 4);
}

#[test]
fn a_delay_each_way_shows_in_the_echo_time() {
    let (env, server) = TestEnv::with_server("");
    let relay = env.relay(&server.place(), "--delay 20ms");
    let client = env.client(&relay, "--format json -m a -m b");
    let done = client.ok();
    for event in done.events() {
        for time in ["handshake_us", "echo_time_us"] {
            if let Some(time) = event[time].as_f64() {
                assert!(time >= 40_000.0, "{event}");
            }
        }
    }
}

#[test]
fn a_megabyte_comes_back_whole_although_a_tenth_of_the_datagrams_is_lost() {
    let (env, server) = TestEnv::with_server("");
    let relay = env.relay(&server.place(), "--loss 10% --delay 2ms --seed 1");
    assert_eq!(relay.listening["seed"], 1);
    all_comes_back(&env, &relay, 1_000_000);
    let counts = ends_well(relay);
    for direction in ["up", "down"] {
        let counts = &counts[direction];
        let (received, lost) = (number(counts, "received"), number(counts, "lost"));
        // A megabyte is some 700 datagrams or more: an honest tenth of them.
        assert!(lost * 20 > received && lost * 7 < received, "{counts}");
    }
}

#[test]
fn a_bad_network_of_every_kind_loses_nothing_of_a_stream() {
    let (env, server) = TestEnv::with_server("");
    // So bad that each harm is done some twenty times each way: by chance none never is.
    let bad = "--delay 3ms --jitter 2ms --loss 6% --burst 3 --reorder 4% --duplicate 3% \
               --corrupt 3% --rate 40mbit --queue 50 --mtu 1300 --blackhole 400ms/50ms \
               --up loss=7%,blackhole=none";
    let relay = env.relay(&server.place(), bad);
    all_comes_back(&env, &relay, 1_000_000);
    let counts = ends_well(relay);
    for direction in ["up", "down"] {
        for count in ["lost", "reordered", "duplicated", "corrupted", "too_long"] {
            assert!(number(&counts[direction], count) > 0, "{count} in {counts}");
        }
    }
    assert_eq!(counts["up"]["blackholed"], 0);
}

#[test]
fn a_client_whose_port_changes_all_the_time_loses_nothing() {
    let (env, server) = TestEnv::with_server("");
    // So that it lasts for 1.6 s at least.
    let options = "--rebind-port 300ms --rate 100mbit --delay 1ms";
    let relay = env.relay(&server.place(), options);
    all_comes_back(&env, &relay, 20_000_000);
    let counts = ends_well(relay);
    assert!(number(&counts, "rebinds") >= 5, "{counts}");
    assert_eq!(counts["clients"], 1);
    // It is still the same connection.
    assert_eq!(server.ends_well()["connections"], 1);
}

#[test]
fn a_client_whose_address_changes_all_the_time_loses_nothing() {
    let (env, server) = TestEnv::with_server("");
    // So that it lasts for 1.6 s at least.
    let options = "--rebind-address every 300ms --rate 100mbit --delay 1ms";
    let relay = env.relay(&server.place(), options);
    assert_eq!(relay.listening["rebind"], "address");
    all_comes_back(&env, &relay, 20_000_000);
    let counts = ends_well(relay);
    assert!(number(&counts, "rebinds") >= 5, "{counts}");
    assert_eq!(counts["sockets_failed"], 0);
    assert_eq!(server.ends_well()["connections"], 1);
}

#[test]
fn the_datagrams_that_are_to_be_dropped_are_and_others_are_not() {
    let env = TestEnv::new();
    let [server, client] = [(); 2].map(|()| env::socket());
    let relay = env.relay(&env::address(&server).to_string(), "--drop 2-3");
    for data in [b"1", b"2", b"3", b"4"] {
        let sent = client.send_to(data, ("127.0.0.1", relay.port()));
        sent.expect("it is sent");
    }
    assert_eq!(received(&server).0, b"1");
    assert_eq!(received(&server).0, b"4");
    let counts = ends_well(relay);
    assert_eq!(counts["up"]["dropped"], 2);
    assert_eq!(counts["up"]["lost"], 0);
}

#[test]
fn a_policer_passes_the_first_of_a_burst_and_no_more() {
    let env = TestEnv::new();
    let [server, client] = [(); 2].map(|()| env::socket());
    let to = env::address(&server).to_string();
    let relay = env.relay(&to, "--police 5/1h");
    for data in 1..=8 {
        let sent = client.send_to(&[data], ("127.0.0.1", relay.port()));
        sent.expect("it is sent");
    }
    for data in 1..=5 {
        assert_eq!(received(&server).0, [data]);
    }
    let counts = ends_well(relay);
    assert_eq!(counts["up"]["policed"], 3);
    assert_eq!(counts["up"]["delivered"], 5);
}

#[test]
fn a_client_is_forgotten_after_its_silence_and_not_because_time_passes() {
    let (env, server) = TestEnv::with_server("");
    let relay = env.relay(&server.place(), "--nat-timeout 1s");
    assert_eq!(relay.listening["nat_timeout_ms"], 1_000.0);
    let talks = env.client(&relay, "-m a").run();
    talks.exits(0);
    // Each ping comes from another port, and the connection stays.
    let pings = env.qecho(format!("ping {} -n 3 -i 1500ms --insecure", relay.place()));
    pings.run().exits(0).prints("3 sent, 3 received");
    assert!(number(&ends_well(relay), "rebinds") >= 2);
    assert_eq!(server.ends_well()["connections"], 2);
}

#[test]
fn ecn_marks_pass_and_what_the_path_does_to_them_is_seen() {
    let (env, server) = TestEnv::with_server("");
    for (options, words) in [
        ("", "ECN works"),
        ("--ecn clear", "no ECN"),
        ("--ecn ect1", "no ECN"),
        ("--ecn ce", "met congestion"),
    ] {
        let relay = env.relay(&server.place(), options);
        let ping = env.qecho(format!("ping {} -n 3 -i 10ms --insecure", relay.place()));
        let done = ping.run();
        done.exits(0).prints(words);
        let remarked = number(&ends_well(relay)["up"], "remarked");
        assert_eq!(remarked > 0, !options.is_empty());
    }
}

#[test]
fn nobody_but_the_one_server_is_reached_or_heard() {
    let env = TestEnv::new();
    let [server, client, stranger] = [(); 3].map(|()| env::socket());
    let relay = env.relay(&env::address(&server).to_string(), "");
    let entrance = ("127.0.0.1", relay.port());
    client.send_to(b"hello", entrance).expect("it is sent");
    let (hello, exit) = received(&server);
    assert_eq!(hello, b"hello");
    stranger.send_to(b"intruder", exit).expect("it is sent");
    server.send_to(b"answer", exit).expect("it is sent");
    // What was sent first would come first.
    let (answer, from) = received(&client);
    assert_eq!((&answer[..], from.port()), (&b"answer"[..], relay.port()));
    // Who sends to the entrance is a client, and gets an exit of its own.
    stranger.send_to(b"hello", entrance).expect("it is sent");
    let (_, other) = received(&server);
    assert_ne!(other, exit);
    let counts = ends_well(relay);
    assert_eq!(counts["datagrams_stray"], 1);
    assert_eq!(counts["clients"], 2);
    assert_eq!(counts["up"]["delivered"], 2);
    assert_eq!(counts["down"]["delivered"], 1);
}

#[test]
fn a_seed_repeats_the_fate_of_every_datagram() {
    let env = TestEnv::new();
    let [server, client] = [(); 2].map(|()| env::socket());
    let fates = |seed: u64| {
        let options =
            format!("--loss 20% --burst 2 --duplicate 10% --corrupt 10% --mtu 100 --seed {seed}");
        let relay = env.relay(&env::address(&server).to_string(), &options);
        for length in 1..=101 {
            let datagram = vec![0; length];
            let sent = client.send_to(&datagram, ("127.0.0.1", relay.port()));
            sent.expect("it is sent");
        }
        ends_well(relay)["up"].clone()
    };
    let once = fates(7);
    assert_eq!(once["received"], 101);
    assert_eq!(once["too_long"], 1);
    assert!(number(&once, "lost") > 0, "{once}");
    assert_eq!(fates(7), once);
    assert_ne!(fates(8), once);
}

#[test]
fn a_signal_ends_it_and_it_prints_what_it_did() {
    let (env, server) = TestEnv::with_server("");
    for signal in [Signal::INT, Signal::TERM] {
        let options = "--listen localhost:0 --delay 2ms --down loss=5%,burst=2 --rebind-port 5s";
        let relay = env.qecho(format!("relay {options} --to {}", server.place()));
        let relay = relay.start();
        let first = relay.stdout.line(0);
        let (_, entrance) = first.split_once("relaying ").expect("it says so");
        let (entrance, exit) = entrance.split_once(" → ").expect("it says so");
        assert_eq!(exit, format!("127.0.0.1:{}", server.port()));
        let (entrance, _) = entrance.split_once(',').unwrap_or((entrance, ""));
        env.qecho(format!("client {entrance} -m hello")).ok();
        relay.signal(signal);
        let done = relay.done();
        done.exits(0);
        assert_eq!(done.stderr, "");
        let lines: Vec<_> = done.stdout.lines().collect();
        assert_eq!(lines[1], "  up         2ms delay");
        assert_eq!(lines[2], "  down       2ms delay, 5% lost, 2 in a row");
        let rebinding = "  rebinding  a new port towards the server every 5s";
        assert_eq!(lines[3], rebinding);
        assert!(lines[4].starts_with("  seed       "));
        assert_eq!(lines[6], "stopped: 1 client, 0 rebindings");
        assert!(lines[7].starts_with("up    ") && lines[7].contains(" datagrams came ("));
        assert!(lines[8].starts_with("down  "));
    }
}

#[test]
fn json_tells_the_conditions_in_numbers() {
    let env = TestEnv::new();
    let options = "--delay 20ms --loss 2% --blackhole 5s/2s --rebind-port every 5s \
                   --up rate=10mbit,mtu=1280,blackhole=none,drop=2-7,ecn=clear \
                   --down police=5/100ms";
    let relay = env.relay("127.0.0.1:9", options);
    let said = &relay.listening;
    assert_eq!(said["to"], "127.0.0.1:9");
    assert_eq!(said["rebind"], "port");
    assert_eq!(said["rebind_every_ms"], 5_000.0);
    for (direction, name, value) in [
        ("up", "delay_ms", Value::from(20.0)),
        ("down", "loss", 0.02.into()),
        ("up", "rate_bits_per_second", 10_000_000.into()),
        ("down", "rate_bits_per_second", Value::Null),
        ("up", "mtu", 1_280.into()),
        ("down", "mtu", Value::Null),
        ("up", "blackhole_open_ms", Value::Null),
        ("up", "drop_first", 2.into()),
        ("up", "drop_last", 7.into()),
        ("down", "drop_first", Value::Null),
        ("up", "ecn", "clear".into()),
        ("down", "ecn", Value::Null),
        ("up", "police_datagrams", Value::Null),
        ("down", "police_datagrams", 5.into()),
        ("down", "police_ms", 100.0.into()),
        ("down", "blackhole_closed_ms", 2_000.0.into()),
    ] {
        assert_eq!(said[direction][name], value, "{direction} {name}");
    }
}

#[test]
fn a_seed_is_drawn_if_none_is_given() {
    let env = TestEnv::new();
    let seeds = [(); 2].map(|()| {
        let relay = env.relay("127.0.0.1:9", "");
        relay.listening["seed"].as_u64().expect("a number")
    });
    assert_ne!(seeds[0], seeds[1]);
}

#[test]
fn more_clients_one_after_another_than_a_relay_keeps_are_all_answered_and_it_says_so() {
    let (env, server) = (TestEnv::new(), env::socket());
    server
        .set_read_timeout(Some(Duration::from_millis(300)))
        .expect("a socket has a timeout");
    let relay = env.relay(&env::address(&server).to_string(), "");
    let relay_address = relay.place();
    let mut clients = Vec::new();
    for number in 1..=300_u16 {
        let client = env::socket();
        client.connect(&relay_address).expect("it is on this host");
        // As every client does, it asks again when nothing comes.
        client
            .set_read_timeout(Some(Duration::from_millis(300)))
            .expect("a socket has a timeout");
        let mut answer = [0; 10];
        let asked = number.to_be_bytes();
        loop {
            client.send(&asked).expect("it is sent");
            while let Ok((length, from)) = server.recv_from(&mut answer) {
                server.send_to(&answer[..length], from).expect("it is sent");
                if answer[..2] == asked {
                    break;
                }
            }
            if client.recv(&mut answer).is_ok() {
                break;
            }
        }
        assert_eq!(answer[..2], asked);
        clients.push(client);
    }
    let told = relay.event("client_replaced");
    assert_eq!(told["clients_max"], 256);
    let counts = ends_well(relay);
    assert_eq!(counts["clients"], 300);
    assert_eq!(counts["clients_replaced"], 44);
}

/// Sends so many bytes through a relay, all of which must come back.
#[track_caller]
fn all_comes_back(env: &TestEnv, relay: &Server, bytes: usize) {
    // A handshake takes its time on a bad network beside busy neighbours.
    let client = env.client(relay, "--verify --timeout 60s");
    let done = client.run_with(&random(bytes));
    let told = done.exits(0).stdout.replace(',', "");
    assert_eq!(told, format!("ok: {bytes} bytes came back identical\n"));
}

/// Ends a relay, whose counts must add up, and returns them.
#[track_caller]
fn ends_well(relay: Server) -> Value {
    let counts = relay.ends_well();
    for direction in ["up", "down"] {
        let sum = |names: &str| -> u64 {
            let names = names.split(' ');
            names.map(|name| number(&counts[direction], name)).sum()
        };
        let fates = "delivered dropped lost too_long blackholed policed queue_full overflowed \
                     unsent under_way";
        assert_eq!(sum("received duplicated"), sum(fates), "{counts}");
    }
    counts
}

#[track_caller]
fn number(counts: &Value, name: &str) -> u64 {
    counts[name].as_u64().expect("it is counted")
}

#[track_caller]
fn received(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2_000];
    let (length, from) = socket.recv_from(&mut buffer).expect("something comes");
    (buffer[..length].to_vec(), from)
}

//! Messages from the command line and what comes back.

use serde_json::Value;

use crate::env::{TestEnv, assert_contains};

const WAYS: [&str; 4] = ["stream", "stream-per-message", "uni", "datagram"];

#[test]
fn every_message_comes_back_with_its_echo_time_whatever_it_travels_on() {
    let (env, server) = TestEnv::with_server("");
    for way in WAYS {
        let client = env.client(&server, format!("--over {way} -m"));
        let client = client
            .arg("this is a message")
            .arg("--message=日本語 \x1b[31m");
        let words = format!("Connecting to {} … connected to ", server.place());
        let done = client.ok();
        done.complains(&words);
        let lines: Vec<_> = done.stdout.lines().collect();
        assert_eq!(lines.len(), 2, "{done:#?}");
        assert!(lines[0].starts_with("echo: \"this is a message\", 17 bytes in "));
        let unit_is_last = lines[0].ends_with("s");
        assert!(unit_is_last, "the unit of time: {}", lines[0]);
        assert!(lines[1].starts_with("echo: \"日本語 \\u{1b}[31m\", 15 bytes in "));
    }
    let counts = server.ends_well();
    assert_eq!(counts["connections"], 4);
    assert_eq!(counts["datagrams_echoed"], 2);
    assert_eq!(counts["bytes_echoed"], 3 * (17 + 15));
    assert_eq!(counts["streams"], 1 + 2 + 1);
}

#[test]
fn json_has_one_object_per_event() {
    let (env, server) = TestEnv::with_server("");
    for way in WAYS {
        let command = format!("--over {way} --format json -m 日本語 -m b");
        let done = env.client(&server, &command).ok();
        assert_eq!(done.stderr, "");
        let [connected, first, second, last] = &done.events()[..] else {
            panic!("{done:#?}")
        };
        assert_eq!(connected["event"], "connected");
        let address = connected["address"].as_str().expect("a text");
        assert!(address.ends_with(&server.port().to_string()));
        assert_eq!(connected["verified_by"], "qecho's local CA");
        assert!(connected["handshake_us"].as_f64() > Some(0.0));
        assert_eq!(connected["quic_version"], 1);
        let cipher_suite = connected["cipher_suite"].as_str().expect("a text");
        assert!(cipher_suite.starts_with("TLS_"));
        assert!(connected["key_exchange"].is_string());
        assert_eq!(connected["alpn"], "echo");
        for (event, number, text) in [(first, 1, "日本語"), (second, 2, "b")] {
            assert_eq!(event["event"], "echo");
            assert_eq!(event["number"], number);
            assert_eq!(event["bytes"], text.len());
            assert_eq!(event["text"], text);
            assert!(event["echo_time_us"].as_f64() > Some(0.0));
        }
        for (member, value) in [("messages", 2), ("bytes_sent", 10), ("bytes_received", 10)] {
            assert_eq!(last[member], value, "{last}");
        }
        assert_eq!(last["event"], "done");
    }
}

#[test]
fn a_big_message_comes_back_and_is_shown_in_part() {
    let (env, server) = TestEnv::with_server("");
    let big = "x".repeat(100_000);
    let done = env.client(&server, "-m").arg(&big).run();
    done.exits(0).prints("x…\", 100,000 bytes in ");
    assert!(done.stdout.len() < 300);
}

#[test]
fn a_message_that_fits_into_no_datagram_is_said_so() {
    let (env, server) = TestEnv::with_server("");
    let client = env.client(&server, "--over datagram -m");
    let reason = "message 1 has 70000 bytes, but a DATAGRAM frame takes at most ";
    client.arg("x".repeat(70_000)).run().fails(2, reason, None);
}

#[test]
fn both_addresses_of_localhost_are_served() {
    let (env, server) = TestEnv::with_server("");
    for address in server.listening["addresses"].as_array().expect("a list") {
        let address = address.as_str().expect("a text");
        let done = env.qecho(format!("client {address} -m a")).ok();
        done.complains(&format!("connected to {address} in "));
    }
}

#[test]
fn a_client_may_offer_no_alpn_or_another_that_the_server_knows() {
    let env = TestEnv::new();
    for (server_alpn, offered, agreed) in [
        ("", "", Some("echo")),
        ("", "--alpn none", None),
        ("", "--alpn echo", Some("echo")),
        ("--alpn h3,hq-interop", "--alpn h3", Some("h3")),
        ("--alpn h3", "--alpn echo", Some("echo")),
        ("--alpn any", "--alpn whatever", Some("whatever")),
        ("--alpn any", "--alpn none", None),
    ] {
        let server = env.server(server_alpn);
        let command = format!("-m a --format json {offered}");
        let done = env.client(&server, &command).ok();
        let alpn = &done.events()[0]["alpn"];
        let expected = agreed.map_or(Value::Null, Value::from);
        assert_eq!(*alpn, expected, "{server_alpn} {offered}");
    }
}

#[test]
fn a_protocol_that_the_server_does_not_know_is_refused_by_name() {
    let (env, server) = TestEnv::with_server("--messages always");
    let done = env.client(&server, "-m a --alpn h3").run();
    let hint = Some("the server does not agree to h3");
    done.fails(1, "no_application_protocol", hint);
    let json = env.client(&server, "-m a --alpn h3 --format json").run();
    let event = json.exits(1).last_event();
    assert_eq!(event["event"], "error");
    assert_eq!(event["kind"], "not_connected");
    assert_contains(&event["reason"], "no_application_protocol");
    assert!(event["hint"].is_string());
    let counts = server.ends_well();
    assert_eq!(counts["connections"], 0);
    assert_eq!(counts["streams"], 0);
}

#[test]
fn a_server_that_ends_streams_after_a_message_echoes_each_on_its_own() {
    let (env, server) = TestEnv::with_server("--end after-message");
    for way in WAYS {
        let done = env.client(&server, format!("--over {way} -m a -m b")).run();
        done.exits(0).prints("echo: \"a\"").prints("echo: \"b\"");
    }
}

#[test]
fn every_client_may_be_asked_to_prove_its_address_first() {
    let (env, server) = TestEnv::with_server("--retry always");
    env.client(&server, "-m a").ok().prints("echo: \"a\"");
    let never = env.server("--retry never");
    env.client(&never, "-m a").ok().prints("echo: \"a\"");
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let (env, server) = TestEnv::with_server("");
    let (running, stdout) = env.client(&server, "-m a -m b").start_unread();
    drop(stdout);
    let done = running.done();
    done.exits(0);
    assert!(!done.stderr.contains("qecho:"), "{done:#?}");
}

#[test]
fn an_empty_message_is_sent_where_it_has_a_stream_or_a_frame_of_its_own() {
    let (env, server) = TestEnv::with_server("");
    for way in ["stream-per-message", "datagram"] {
        let client = || env.client(&server, format!("--over {way} --format json"));
        let given = client().arg("-m").arg("").run();
        for done in [given, client().run_with(b"\n")] {
            let echo = &done.exits(0).events()[1];
            assert_eq!(
                (&echo["event"], &echo["bytes"]),
                (&"echo".into(), &0.into())
            );
            // Timed to the FIN or the frame, not to its sending.
            assert!(echo["echo_time_us"].as_f64() > Some(0.0), "{echo}");
        }
    }
    for way in ["stream", "uni"] {
        let done = env
            .client(&server, format!("--over {way}"))
            .arg("-m")
            .arg("");
        let reason = "an empty message is nothing to send on a stream with others";
        done.run()
            .fails(2, reason, Some("--over stream-per-message"));
    }
}

//! Servers that are not there, do not answer, or are full.

use std::{net::UdpSocket, time::Duration};

use crate::{
    process::{quickly, timed},
    stage::{Stage, VacantPort, last_event},
};

#[test]
fn no_server_is_noticed_at_once_and_the_address_named() {
    let stage = Stage::new();
    let vacant = VacantPort::keep();
    let port = vacant.number();
    for host in ["127.0.0.1", "localhost"] {
        let command = format!("client {host}:{port} -m a");
        quickly(Duration::from_secs(2), || {
            stage.qecho(&command).run().fails(
                1,
                &format!(
                    "cannot connect to {host}:{port}: nobody listens there (127.0.0.1:{port})"
                ),
                Some(&format!("is a server running there, on UDP port {port}?")),
            );
        });
    }
}

#[test]
fn a_pipe_to_nobody_does_not_hang_on_its_input() {
    let stage = Stage::new();
    let vacant = VacantPort::keep();
    for way in ["stream", "uni", "datagram", "stream-per-message"] {
        let command = format!("client 127.0.0.1:{} --over {way}", vacant.number());
        let mut client = stage.qecho(&command).start();
        let open = client.stdin.take();
        client.done_within(Duration::from_secs(10)).fails(
            1,
            "nobody listens there",
            Some("server"),
        );
        drop(open);
    }
}

#[test]
fn a_host_that_never_answers_is_given_up_after_the_timeout() {
    let stage = Stage::new();
    let silent = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
    let address = silent.local_addr().expect("it is bound");
    let command = format!("client {address} -m a --timeout 700ms");
    let (done, took) = timed(|| stage.qecho(&command).run());
    done.fails(
        1,
        "no answer within 700 ms",
        Some("is a server running there"),
    );
    assert!(took >= Duration::from_millis(700), "it took {took:?}");
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    let json = stage.qecho(&format!("{command} --format json")).run();
    json.exits(1);
    assert_eq!(last_event(&json)["kind"], "not_connected");
}

#[test]
fn a_client_that_waits_for_an_answer_can_be_interrupted() {
    let stage = Stage::new();
    let silent = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
    let address = silent.local_addr().expect("it is bound");
    let client = stage
        .qecho(&format!("client {address} -m a --timeout 1m"))
        .start();
    client.stderr.says("Connecting to");
    silent
        .set_read_timeout(Some(crate::hearing::LIMIT))
        .expect("it is no zero");
    silent
        .recv(&mut [0; 2_000])
        .expect("the first packet comes");
    client.signal(rustix::process::Signal::INT);
    client.done_within(Duration::from_secs(5)).exits(130);
}

#[test]
fn a_name_without_address_could_not_run() {
    let done = Stage::new().qecho("client no-such-host.invalid -m a").run();
    done.fails(
        2,
        "cannot find the address of no-such-host.invalid",
        Some("check the spelling"),
    );
}

#[test]
fn one_connection_too_many_is_refused_at_once() {
    let stage = Stage::new();
    let server = stage.server("--max-connections 1");
    let mut first = stage.client(&server, "").start();
    first.types(b"here");
    first.stdout.says("here");
    quickly(Duration::from_secs(1), || {
        let done = stage.client(&server, "-m a").run();
        done.fails(1, "CONNECTION_REFUSED", Some("full or shutting down"));
    });
    first.done().exits(0);
}

#[test]
fn a_silent_connection_is_given_up_after_the_idle_timeout() {
    let stage = Stage::new();
    let server = stage.server("--messages always --idle-timeout 2s");
    let mut client = stage.client(&server, "").start();
    client.types(b"here");
    client.stdout.says("here");
    let stdin = client.stdin.take();
    let done = client.done();
    done.fails(
        1,
        "connection lost: the peer fell silent (idle timeout)",
        None,
    );
    drop(stdin);
}

#[test]
fn a_place_is_free_as_soon_as_its_client_has_gone() {
    let stage = Stage::new();
    let server = stage.server("--max-connections 1");
    for _ in 0..10 {
        stage.client(&server, "-m a").run().exits(0);
    }
}

//! A path on which a server falls silent as soon as a client has more to say than its handshake.

use std::{
    collections::HashMap,
    net::{SocketAddr, UdpSocket},
    thread,
    time::Duration,
};

use crate::env::{self, Server, TestEnv};

/// One client's way to the server.
struct Way {
    behind: UdpSocket,
    is_mute: bool,
}

/// Starts the path; returns where it begins.
fn mute(server: &Server) -> SocketAddr {
    let front = env::socket();
    let address = env::address(&front);
    let poll = Duration::from_millis(2);
    front
        .set_read_timeout(Some(poll))
        .expect("a socket has one");
    let place = server.place();
    thread::spawn(move || {
        let mut ways = HashMap::<SocketAddr, Way>::new();
        let mut buffer = [0; 2_000];
        // The test ends it with the process.
        loop {
            if let Ok((length, from)) = front.recv_from(&mut buffer) {
                // An Initial packet where all is silent is of another client, to whom the system
                // has given the port of an earlier one.
                let is_initial = buffer[0] & 0xf0 == 0xc0;
                ways.retain(|client, way| !(is_initial && way.is_mute && *client == from));
                let way = ways.entry(from).or_insert_with(|| {
                    let behind = env::socket();
                    behind.connect(&place).expect("loopback has ports");
                    behind.set_nonblocking(true).expect("a socket can be so");
                    let is_mute = false;
                    Way { behind, is_mute }
                });
                // A short header: the handshake is over.
                way.is_mute |= buffer[0] & 0x80 == 0;
                let _ = way.behind.send(&buffer[..length]);
            }
            for (client, way) in &ways {
                while let Ok(length) = way.behind.recv(&mut buffer) {
                    if !way.is_mute {
                        let _ = front.send_to(&buffer[..length], client);
                    }
                }
            }
        }
    });
    address
}

/// Returns a server behind such a path, and what tries these requirements on it: it breaks F45.
pub(super) fn faulty(requirements: &str) -> (TestEnv, Server, String) {
    let (env, server) = TestEnv::with_server("");
    let address = mute(&server);
    let command = format!("conform {address} --timeout 2s --only {requirements}");
    (env, server, command)
}

#[test]
fn what_is_broken_stands_first_with_the_command_that_shows_it() {
    let (env, _server, command) = faulty("F12,F45,V11");
    let done = env.qecho(&command).run();
    done.exits(1);
    let lines: Vec<_> = done.stdout.lines().collect();
    assert!(
        lines[0].starts_with("fail      F45 9000 §4.1 MUST: "),
        "{done:#?}"
    );
    assert!(
        lines[2].starts_with("note      F12 9000 §19.5 MUST: "),
        "{done:#?}"
    );
    assert!(
        done.stdout
            .trim_end()
            .ends_with("breaks 1 of 3 requirements: F45.")
    );
    let again = lines[1].trim().strip_prefix("qecho ").expect("a command");
    let again = env.qecho(again).run();
    again
        .exits(1)
        .prints("MAX_DATA")
        .prints("verdict      fail");
}

//! Messages to a service manager: systemd's protocol, on a real socket.

use std::{
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    env::{Server, TestEnv},
    transcript::LIMIT,
};

/// Socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    /// Name by which a service finds it, in `NOTIFY_SOCKET`.
    name: String,
}

impl Manager {
    fn at_a_path(env: &TestEnv) -> Self {
        let path = env.path("notify");
        let socket = UnixDatagram::bind(&path).expect("the folder takes sockets");
        Self::new(socket, path.display().to_string())
    }

    fn at_an_abstract_address() -> Self {
        let name = format!("qecho-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("it is short");
        let socket = UnixDatagram::bind_addr(&address).expect("nobody else has it");
        Self::new(socket, format!("@{name}"))
    }

    fn new(socket: UnixDatagram, name: String) -> Self {
        socket
            .set_read_timeout(Some(LIMIT))
            .expect("it has a timeout");
        Self { socket, name }
    }

    fn start(&self, env: &TestEnv, arguments: &str) -> Server {
        let server = format!("server --format json --listen localhost:0 --drain 1m {arguments}");
        let server = env.qecho(server).env("NOTIFY_SOCKET", &self.name);
        env.await_server(server)
    }

    /// Returns the next message, each assignment by itself.
    #[track_caller]
    fn told(&self) -> Vec<String> {
        let mut buffer = [0; 4_096];
        let length = self.socket.recv(&mut buffer).expect("something is told");
        let text = std::str::from_utf8(&buffer[..length]).expect("it is text");
        text.lines().map(str::to_owned).collect()
    }
}

/// Reads the clock by which systemd tells one reload from another.
fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// Follows a server from its start over two reloads to its end.
fn follow(env: &TestEnv, manager: &Manager, arguments: &str) {
    let server = manager.start(env, arguments);
    assert_eq!(manager.told(), ["READY=1"]);
    for _ in 0..2 {
        let before = monotonic_us();
        server.process.signal(Signal::HUP);
        let told = manager.told();
        let at = told
            .iter()
            .find_map(|one| one.strip_prefix("MONOTONIC_USEC="));
        let at: u64 = at
            .and_then(|at| at.parse().ok())
            .expect("it tells the time");
        assert!((before..=monotonic_us()).contains(&at), "{told:?}");
        assert!(told.contains(&"RELOADING=1".to_owned()), "{told:?}");
        assert_eq!(manager.told(), ["READY=1"]);
    }
    server.ends_well();
    let told = manager.told();
    assert_eq!(told[0], "STOPPING=1");
    assert!(told[1].starts_with("STATUS=shutting down"), "{told:?}");
    // However long --drain is, and the output after it.
    assert_eq!(told[2], "EXTEND_TIMEOUT_USEC=72000000");
}

#[test]
fn a_service_manager_is_told_of_start_reloads_and_end() {
    let env = TestEnv::new();
    follow(&env, &Manager::at_a_path(&env), "");
    env.qecho("cert new localhost --cert-file c.pem --key-file c-key.pem")
        .ok();
    let manager = Manager::at_an_abstract_address();
    follow(&env, &manager, "--cert c.pem --key c-key.pem");
}

#[test]
fn a_manager_that_is_not_there_stops_nobody() {
    let env = TestEnv::new();
    for name in ["/nowhere/notify", "@qecho-nobody", "", "relative"] {
        let server = env.qecho("server --format json --listen localhost:0");
        let server = env.await_server(server.env("NOTIFY_SOCKET", name));
        env.client(&server, "-m hello").ok();
        server.ends_well();
    }
}

#[test]
fn a_server_that_drains_has_ended_for_its_manager_and_reloads_no_more() {
    let env = TestEnv::new();
    let manager = Manager::at_a_path(&env);
    let server = manager.start(&env, "");
    assert_eq!(manager.told(), ["READY=1"]);
    let mut client = env.client(&server, "").start();
    client.echoes("here\n");
    server.process.terminate();
    assert_eq!(manager.told()[0], "STOPPING=1");
    server.process.signal(Signal::HUP);
    server.process.stderr.says("no files to read again");
    client.done().exits(0);
    server.process.done().exits(0);
    let more = Some(Duration::from_millis(1));
    manager
        .socket
        .set_read_timeout(more)
        .expect("it has a timeout");
    assert!(manager.socket.recv(&mut [0; 4_096]).is_err());
}

#[test]
fn a_watchdog_hears_again_and_again_from_a_server_that_lives() {
    let env = TestEnv::new();
    let manager = Manager::at_a_path(&env);
    let server = env.qecho("server --format json --listen localhost:0");
    let server = server
        .env("NOTIFY_SOCKET", &manager.name)
        .env("WATCHDOG_USEC", "300000");
    let server = env.await_server(server);
    let (mut beats, mut words) = (0, 0);
    while beats < 3 || words < 3 {
        match manager.told().join("\n").as_str() {
            "WATCHDOG=1" => beats += 1,
            "STATUS=serving, 0 connections open" => words += 1,
            other => assert_eq!(other, "READY=1"),
        }
    }
    server.ends_well();
}

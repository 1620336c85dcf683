//! A server at the limit of its memory: what the process holds, who is told to go, and who is
//! served.

use std::{
    net::SocketAddr,
    sync::mpsc::{Receiver, Sender, channel},
};

use bytes::Bytes;
use qecho_cert::{TrustSettings, TrustVerifier};
use qecho_engine::{
    Application, ClientTls, CloseReason, ConnectTo, Connection, Connector, Dir, Event,
    ShardContext, StreamId, Written,
    config::{ShardConfig, Transport},
};
use qecho_io::{EventLoop, ReceiveErrors, Runner, Socket};

use crate::{
    env::{Server, TestEnv, read},
    transcript::LIMIT,
};

const MIB: u64 = 1 << 20;

/// The server's limit.
const MEMORY_MAX: u64 = 64 * MIB;

/// What its process may hold beyond that: what comes between two looks on a slow machine, and
/// the pages of a program that was built to be debugged.
const SLACK: u64 = 48 * MIB;

/// Clients that send all that the server allows and read nothing of what comes back.
struct SlowReaders {
    server: SocketAddr,
    connector: Connector,
    count: usize,
    closed: Sender<CloseReason>,
}

impl SlowReaders {
    fn start(server: &Server, count: usize) -> (Runner<Self, ()>, Receiver<CloseReason>) {
        let pin = server.pin().parse::<qecho_cert::Pin>().expect("a pin");
        let settings = TrustSettings::default().with_pin(pin);
        let verifier = TrustVerifier::new(settings).expect("a pin is enough");
        let tls = ClientTls::new(verifier).with_alpn(&[b"echo"]);
        let (closed, told) = channel();
        let readers = Self {
            server: server.place().parse().expect("an address"),
            connector: tls.connector().expect("these settings work"),
            count,
            closed,
        };
        let mut transport = Transport::default();
        transport.stream_receive_window = 4_096;
        transport.receive_window = 16_384;
        let address = ([127, 0, 0, 1], 0).into();
        let socket = Socket::bind(address, ReceiveErrors::No).expect("there is a free port");
        let config = ShardConfig::client(transport);
        let event_loop = EventLoop::new("the readers' thread", &config, vec![socket], readers);
        let event_loop = event_loop.expect("these settings work");
        let runner = event_loop.start("slow readers", EventLoop::run);
        (runner.expect("there is a thread"), told)
    }

    fn write(&self, connection: &mut Connection<'_>, id: StreamId) {
        while let Written::All = connection.write(id, Bytes::from_static(&[b'x'; 16_384])) {}
    }
}

impl Application for SlowReaders {
    type State = ();
    type Command = ();

    fn start(&mut self, context: &mut ShardContext<'_, ()>) {
        let to = ConnectTo {
            remote: self.server,
            server_name: "localhost",
            connector: &self.connector,
        };
        for _ in 0..self.count {
            context.connect(&to, ()).expect("there is a socket");
        }
    }

    fn accept(&mut self, _: &mut Connection<'_>) {}

    fn handle_event(&mut self, connection: &mut Connection<'_>, (): &mut (), event: Event) {
        match event {
            Event::Connected => {
                for _ in 0..4 {
                    let id = connection.open(Dir::Bidirectional);
                    self.write(connection, id.expect("it is allowed"));
                }
            }
            Event::Writable(id) => self.write(connection, id),
            // The test may have seen enough.
            Event::Closed(reason) => drop(self.closed.send(reason)),
            _ => {}
        }
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, ()>, (): ()) {
        context.shut_down(0, "");
    }
}

/// Returns the most that a server's process has held so far, in bytes.
fn most_resident(server: &Server) -> u64 {
    let status = read(format!("/proc/{}/status", server.process.id()));
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    1024 * peak.and_then(|peak| peak.parse().ok()).unwrap_or(u64::MAX)
}

#[test]
fn a_server_at_its_memorys_limit_closes_slow_readers_with_a_reason_and_serves_everybody_else() {
    let (env, server) = TestEnv::with_server("--memory-max 64MiB");
    let place = server.place();
    let prompt = env.client(&server, "");
    let mut honest = prompt.start();
    honest.echoes("before");
    let (readers, told) = SlowReaders::start(&server, 60);
    for number in 0..20 {
        let reason = told.recv_timeout(LIMIT).expect("they hold too much");
        match &reason {
            CloseReason::Application { reason, .. } => {
                let words = String::from_utf8_lossy(reason);
                assert!(words.contains("short of memory"), "{words}");
            }
            // What was lost of it is not said twice.
            CloseReason::Reset => {}
            other => panic!("{other}"),
        }
        if number % 5 == 0 {
            honest.echoes(&format!("meanwhile {number}"));
            env.client(&server, "-m hello").ok().prints("hello");
            env.qecho(format!("ping {place} -n 2 -i 10ms")).ok();
        }
    }
    honest.done().exits(0);
    let most = most_resident(&server);
    assert!(most <= MEMORY_MAX + SLACK, "{most} bytes");
    readers.mailbox().send(()).expect("they are there");
    readers.join().expect("waiting for packets works");
    let counts = server.ends_well();
    assert!(counts["closed_for_memory"].as_u64() >= Some(20), "{counts}");
}

#[test]
fn a_limit_too_small_for_any_server_is_refused_and_off_is_no_limit() {
    let env = TestEnv::new();
    for size in ["1MB", "63MiB", "0"] {
        let server = env.qecho(format!("server --listen localhost:0 --memory-max {size}"));
        let done = server.run();
        done.exits(2).complains("at least 64MiB");
    }
    let done = env.qecho("server --memory-max much").run();
    done.exits(2).complains("500MB");
    let server = env.server("--memory-max off");
    env.client(&server, "-m hello").ok();
    let counts = server.ends_well();
    assert_eq!(counts["closed_for_memory"], 0);
}

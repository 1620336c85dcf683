//! Health and readiness.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::SystemTime,
};

use bytes::Bytes;
use qecho_cert::{Authority, AutomaticLeaf, ServerIdentity};
use qecho_echo::server::{self, Echo};
use qecho_io::Listen;
use qecho_monitor::{Limits, Monitor, MonitorSockets};

use super::asking::{connect_to, get, get_from, monitored};
use crate::env::TestEnv;

#[test]
fn readiness_ends_when_draining_begins_and_health_does_not() {
    let (env, server) = monitored("--drain 25s");
    assert_eq!(get(&server, "/readyz", "").status, 200);
    let mut client = env.client(&server, "").start();
    client.echoes("here\n");
    server.process.terminate();
    server.process.stderr.says("shutting down");
    let answer = get(&server, "/readyz", "");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, "shutting down\n")
    );
    let answer = get(&server, "/healthz", "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    client.echoes("still here\n");
    client.done().exits(0);
    server.process.done().exits(0);
}

/// Whether answers are to stand still, and the way to wake them.
static STANDSTILL: AtomicBool = AtomicBool::new(true);
static STANDING: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

fn stands_still(data: Bytes) -> Bytes {
    let mut guard = STANDING.0.lock().expect("nobody panics");
    while STANDSTILL.load(SeqCst) {
        guard = STANDING.1.wait(guard).expect("nobody panics");
    }
    drop(guard);
    data
}

fn go_on() {
    STANDSTILL.store(false, SeqCst);
    let _guard = STANDING.0.lock().expect("nobody panics");
    STANDING.1.notify_all();
}

#[test]
fn a_shard_that_stands_still_is_unhealthy_until_it_goes_on() {
    let env = TestEnv::new();
    let (authority, _) = Authority::open_or_create(&env.home(), None, SystemTime::now())
        .expect("the home takes files");
    let clock = Arc::new(SystemTime::now);
    let leaf = AutomaticLeaf::open_or_create(Arc::new(authority), &env.home(), clock);
    let identity = Arc::new(leaf.expect("the home takes files"));
    let echo = Echo::answering(stands_still);
    let server = server::config(identity.clone())
        .with_listen([Listen::Loopback { port: 0 }])
        .start(|_| echo.clone());
    let server = server.expect("there is a free port");
    let monitor = Monitor::new(&server, Limits::default(), || 0);
    let sockets = MonitorSockets::bind(Listen::Loopback { port: 0 });
    let sockets = sockets.expect("there is a free port");
    let address: SocketAddr = sockets.addresses()[0];
    monitor.serve(sockets).expect("there is a thread");
    let ask = |path: &str| get_from(connect_to(address), path, "");
    assert_eq!(ask("/healthz").status, 200);
    let (place, pin) = (server.addresses()[0], identity.pin());
    let client = env
        .qecho(format!("client {place} --pin {pin} --timeout 1m -m hello"))
        .start();
    // The message is on its way: the shard stands still as soon as it has come.
    while ask("/healthz").status == 200 {
        assert!(!client.has_ended(), "{client:?}");
    }
    let answer = ask("/healthz");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, "no answer from shard 0\n")
    );
    let metrics = ask("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(
        metrics.body.contains("qecho_shard_up{shard=\"0\"} 0\n"),
        "{}",
        metrics.body
    );
    assert!(
        !metrics.body.contains("qecho_connections_open"),
        "{}",
        metrics.body
    );
    go_on();
    client.done().exits(0);
    assert_eq!(ask("/healthz").status, 200);
}

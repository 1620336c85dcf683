//! Loads whose packets are looked at.

use super::bench;
use crate::env::{self, TestEnv};

#[test]
fn the_packets_of_a_load_are_written_and_shown_and_each_connection_has_its_file() {
    let (env, server) = TestEnv::with_server("");
    let (pcap, qlog) = (env.path("load.pcapng"), env.path("qlog"));
    let (keys, pcap_shown) = (env.path("keys.txt"), pcap.display().to_string());
    let load = format!(
        "-n 40 --connections 4 --shards 2 --format json --trace=handshake --pcap {pcap_shown} \
         --qlog {} --keylog {}",
        qlog.display(),
        keys.display()
    );
    let done = bench(&env, &server, &load).run();
    done.exits(0).complains("ClientHello");
    assert_eq!(done.last_event()["messages"], 40);
    // One finds the server.
    let files = std::fs::read_dir(&qlog).expect("it was made").count();
    assert_eq!(files, 5);
    let secrets = env::read(&keys);
    assert_eq!(secrets.matches("CLIENT_TRAFFIC_SECRET_0").count(), 5);
    let shown = env.qecho(format!("trace {pcap_shown}")).run();
    shown.exits(0).prints("STREAM");
}

#[test]
fn with_packets_on_stdout_the_report_is_on_stderr() {
    let (env, server) = TestEnv::with_server("");
    let done = bench(&env, &server, "-n 5 --pcap -").run();
    done.exits(0).complains("echo time    p50 ");
    // The magic number of a pcapng file.
    let is_pcapng = done.bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]);
    assert!(is_pcapng, "{done:#?}");
}

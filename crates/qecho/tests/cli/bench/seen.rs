//! Loads whose packets are looked at.

use super::bench;
use crate::stage::{Stage, last_event};

#[test]
fn the_packets_of_a_load_are_written_and_shown_and_each_connection_has_its_file() {
    let stage = Stage::new();
    let server = stage.server("");
    let (pcap, qlog) = (stage.path("load.pcapng"), stage.path("qlog"));
    let (keys, pcap_shown) = (stage.path("keys.txt"), pcap.display().to_string());
    let load = format!(
        "-n 40 --connections 4 --shards 2 --format json --trace=handshake --pcap {pcap_shown} \
         --qlog {} --keylog {}",
        qlog.display(),
        keys.display()
    );
    let done = bench(&stage, &server, &load).run();
    done.exits(0).complains("ClientHello");
    assert_eq!(last_event(&done)["messages"], 40);
    // One finds the server.
    let files = std::fs::read_dir(&qlog).expect("it was made").count();
    assert_eq!(files, 5);
    let secrets = std::fs::read_to_string(&keys).expect("it was written");
    assert_eq!(secrets.matches("CLIENT_TRAFFIC_SECRET_0").count(), 5);
    let shown = stage.qecho(&format!("trace {pcap_shown}")).run();
    shown.exits(0).prints("STREAM");
}

#[test]
fn with_packets_on_stdout_the_report_is_on_stderr() {
    let stage = Stage::new();
    let server = stage.server("");
    let done = bench(&stage, &server, "-n 5 --pcap -").run();
    done.exits(0).complains("echo time    p50 ");
    // The magic number of a pcapng file.
    assert!(
        done.bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]),
        "{done:#?}"
    );
}

//! Peers that fill their datagrams with zero bytes behind the packets, as many stacks do.

use std::{net::UdpSocket, thread};

use crate::env::{TestEnv, address, socket};

/// Zero bytes behind the first packet.
const FILLING: usize = 40;

/// Passes datagrams on between a client and the server on that port, the first one filled;
/// returns the port for the client.
fn filling_relay(server: u16) -> u16 {
    let (near, far) = (socket(), socket());
    far.connect(("127.0.0.1", server))
        .expect("loopback has all ports");
    let port = address(&near).port();
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        let (length, client) = near.recv_from(&mut buffer).expect("a client comes");
        near.connect(client).expect("loopback has all ports");
        buffer[length..length + FILLING].fill(0);
        far.send(&buffer[..length + FILLING]).expect("it is on");
        let back = [near.try_clone(), far.try_clone()].map(|clone| clone.expect("there is room"));
        thread::spawn(move || pass(&back[1], &back[0]));
        pass(&near, &far);
    });
    port
}

/// Passes datagrams on until nothing comes any more; one that is lost is sent again.
fn pass(from: &UdpSocket, to: &UdpSocket) {
    let mut buffer = [0; 65_536];
    while let Ok(length) = from.recv(&mut buffer) {
        let _ = to.send(&buffer[..length]);
    }
}

#[test]
fn zero_bytes_behind_a_packet_are_called_padding_live_and_in_a_capture() {
    let env = TestEnv::new();
    let capture = env.path("capture");
    let launch = env.qecho("server --format json --listen localhost:0 --trace --pcap");
    let server = env.await_server(launch.arg(&capture));
    let port = filling_relay(server.port());
    let client = format!("client 127.0.0.1:{port} -m hello");
    env.qecho(client).ok();
    let server = server.ends();
    let traced = env.qecho("trace").arg(&capture).ok();
    for lines in [&server.stderr, &traced.stdout] {
        let padded = lines.matches(" 40 B  padding after the packet").count();
        assert_eq!(padded, 1, "{lines}");
        assert!(!lines.contains("its key does not fit"), "{lines}");
        assert!(!lines.contains("malformed"), "{lines}");
    }
    let handshake = env.qecho("trace --detail handshake").arg(&capture).ok();
    assert!(!handshake.stdout.contains("padding"), "{handshake:#?}");
    let drawn = env.qecho("trace --sequence").arg(&capture).ok();
    assert!(!drawn.stdout.contains("padding"), "{drawn:#?}");
}

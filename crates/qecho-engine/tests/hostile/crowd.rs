//! Crowds of clients that hold their handshakes open, or make the server remember them for
//! long: who else is served.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use qecho_engine::{
    CloseReason, Output, Received, Shard,
    config::{AdmissionSettings, ShardConfig, Transport},
    limits,
};
use qecho_testkit::identity::Identity;

use crate::attack::{Client, Server};

/// A server and clients at any addresses, with nothing between them.
struct Crowd {
    server: Shard<Server>,
    identity: Identity,
    now: Instant,
}

impl Crowd {
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn new() -> Self {
        let identity = Identity::generate();
        let admission = AdmissionSettings::default().with_connections_per_address_max(usize::MAX);
        let config = ShardConfig::server(Transport::default(), identity.server(&[b"echo"]));
        let server = Server::deaf().shard(config.with_admission(admission));
        Self {
            server,
            identity,
            now: Instant::now(),
        }
    }

    fn client(&self, address: SocketAddr) -> Client {
        Client::connect(self.now, &self.identity, 1_200, address)
    }

    /// Lets a client send what it has and get the answers; tells whether it sent anything.
    fn exchange(&mut self, client: &mut Client) -> bool {
        let mut any = false;
        let mut data = Vec::new();
        let connection = &mut client.connection;
        while connection.poll_transmit(self.now, 1, &mut data).is_some() {
            any = true;
            let received = Received::from_remote(client.address, &data);
            self.server.handle_datagram(self.now, received);
            data.clear();
        }
        self.server.handle_timeouts(self.now);
        while let Output::Datagram(datagram) = self.server.poll_output(self.now) {
            if datagram.destination == client.address {
                client.hear(self.now, &datagram.contents);
            }
        }
        any
    }
}

#[test]
fn handshakes_that_three_addresses_hold_shut_nobody_out() {
    let mut crowd = Crowd::new();
    // 34 a second, each of which answers a Retry and then falls silent.
    for number in 0..1_500_u16 {
        let address = IpAddr::from([10, 0, 0, (number % 3) as u8]);
        let mut holder = crowd.client((address, 1_024 + number).into());
        crowd.exchange(&mut holder);
        let is_retried = holder.connection.stats().frame_rx.crypto == 0;
        if is_retried {
            crowd.exchange(&mut holder);
        }
        crowd.now += Duration::from_millis(29);
        let held = crowd.server.half_open();
        assert!(held <= limits::HALF_OPEN_MAX, "{held} are held");
        if number % 10 == 9 {
            let mut honest = crowd.client(([192, 0, 2, 7], 2_000 + number).into());
            while crowd.exchange(&mut honest) {}
            assert!(
                !honest.connection.is_handshaking(),
                "client {number} is served at once"
            );
        }
    }
    assert_eq!(crowd.server.application().connected, 150);
    let closed = &crowd.server.application().closed;
    assert!(
        closed.contains(&CloseReason::CrowdedOut),
        "they were in the way, and not only late: {closed:?}"
    );
}

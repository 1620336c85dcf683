//! The repository's engine, which does what is legal, against the well-behaved peer, which must
//! not refuse any of it: with loss, resumption, migration, key updates and DATAGRAM frames.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use qecho_echo::server::Echo;
use qecho_engine::{
    Application, ClientTls, Output, Shard,
    config::{RetryPolicy, ShardConfig, Transport},
};
use qecho_netsim::simulation::{FAR, NEAR};
use qecho_packet::{Dir, Side, StreamId, wire::Frame};
use qecho_peer::{
    endpoint::{Endpoint, ServerConfig},
    network::{Ecn, Network, PathId},
    packet::one_rtt,
    script::Probe,
    simulated::{Conditions, Simulated, SimulatedClient, SimulatedServer},
    tls::Tickets,
};
use qecho_testkit::{
    identity::Identity,
    load::{Command, Load},
    scenario::Scenario,
    stream::Plan,
};

use crate::ends::{client, client_config, server_config, verifier};

/// A shard at the near end of a network.
struct Near<A: Application> {
    shard: Shard<A>,
    side: Side,
    /// The path that a client sends on.
    path: PathId,
}

const CODEPOINTS: [Ecn; 4] = [Ecn::NotEct, Ecn::Ect1, Ecn::Ect0, Ecn::Ce];
/// Virtual time in which everything must have happened.
const LIMIT: Duration = Duration::from_secs(120);

impl<A: Application> Near<A> {
    fn new(mut shard: Shard<A>, side: Side, network: &dyn Network) -> Self {
        shard.start(network.now());
        Self {
            shard,
            side,
            path: PathId(0),
        }
    }

    /// Lets time pass until something holds; returns whether it came about.
    fn run<N: Network>(
        &mut self,
        network: &mut N,
        limit: Duration,
        mut holds: impl FnMut(&mut Self, &mut N) -> bool,
    ) -> bool {
        let end = network.now() + limit;
        loop {
            self.shard.handle_timeouts(network.now());
            self.flush(network);
            if holds(self, network) {
                return true;
            }
            let deadline = self.flush(network).unwrap_or(end);
            if network.now() >= end {
                return false;
            }
            if let Some(received) = network.receive(deadline.min(end)) {
                let remote = match self.side {
                    Side::Client => FAR,
                    Side::Server => address(received.path),
                };
                let mut datagram = qecho_engine::Received::from_remote(remote, &received.datagram);
                let codepoint = CODEPOINTS.iter().position(|one| *one == received.ecn);
                datagram.ecn = codepoint.unwrap_or(0) as u8;
                self.shard.handle_datagram(network.now(), datagram);
            }
        }
    }

    fn flush(&mut self, network: &mut dyn Network) -> Option<std::time::Instant> {
        loop {
            let mut datagram = match self.shard.poll_output(network.now()) {
                Output::Datagram(datagram) => datagram,
                Output::Timeout(deadline) => return deadline,
                _ => continue,
            };
            let path = match self.side {
                Side::Client => self.path,
                Side::Server => path_of(datagram.destination),
            };
            let contents = std::mem::take(&mut datagram.contents);
            let size = datagram.segment_size.unwrap_or(contents.len()).max(1);
            for part in contents.chunks(size) {
                network.send(path, part, CODEPOINTS[usize::from(datagram.ecn & 0x03)]);
            }
            let now = network.now();
            self.shard.note_sent(now, datagram, Ok(contents.len()));
        }
    }
}

/// The client's address on a path: the port tells them apart.
fn address(path: PathId) -> SocketAddr {
    SocketAddr::new(NEAR.ip(), NEAR.port() + path.0 as u16)
}

fn path_of(client: SocketAddr) -> PathId {
    PathId(usize::from(client.port() - NEAR.port()))
}

#[track_caller]
fn assert_no_violation(endpoint: &Endpoint) {
    assert_eq!(endpoint.violation(), None);
    assert_eq!(endpoint.tls_error(), None);
}

fn engine_client(early_data: bool, plans: Vec<Plan>) -> Shard<Load> {
    let tls = ClientTls::new(verifier()).with_alpn(&[b"echo"]);
    let connector = tls.connector().unwrap();
    let connector = match early_data {
        true => connector.with_early_data(),
        false => connector,
    };
    let datagrams = vec![Bytes::from_static(b"datagram"), Bytes::from(vec![7; 1_000])];
    let config = ShardConfig::client(Transport::default()).with_seed([3; 32]);
    Shard::new(&config, &[NEAR], Load::new(connector, plans, datagrams)).unwrap()
}

fn ticket_server() -> ServerConfig {
    let mut config = server_config();
    config.tls.alpn = vec![b"echo".to_vec()];
    config.tls.tickets = Some(Tickets::new([5; 32]).with_early_data([]));
    config
}

/// Lets the engine's client do all that it can with the well-behaved server.
fn client_with_well_behaved_server(conditions: Conditions, early_data: bool) {
    let plans = vec![
        Plan::bidirectional(100_000),
        Plan::bidirectional(0),
        Plan::bidirectional(600_000),
    ];
    let mut network = Simulated::new(SimulatedServer::new(ticket_server()), conditions);
    let mut near = Near::new(engine_client(early_data, plans), Side::Client, &network);
    let is_done = |near: &mut Near<Load>, network: &mut Simulated<SimulatedServer>| {
        network.far.connections.iter().for_each(assert_no_violation);
        near.shard.application().is_done()
    };
    for connection in 0..2 {
        let now = network.now();
        near.shard.handle_command(now, Command::Connect);
        assert!(
            near.run(&mut network, LIMIT, is_done),
            "connection {connection}"
        );
        for round in 0..4 {
            near.run(&mut network, Duration::from_secs(2), |_, _| false);
            let now = network.now();
            near.shard.handle_command(now, Command::UpdateKeys);
            if round % 2 == 1 {
                near.path = network.open_path().unwrap();
            }
            let more = Plan::bidirectional(20_000);
            near.shard.handle_command(now, Command::Open(more));
            let datagram = Bytes::from_static(b"more");
            near.shard.handle_command(now, Command::Datagram(datagram));
            assert!(near.run(&mut network, LIMIT, is_done), "round {round}");
        }
    }
    let now = network.now();
    near.shard.handle_command(now, Command::Close(3));
    near.run(&mut network, Duration::from_secs(2), |_, _| false);
    let [first, second] = &network.far.connections[..] else {
        panic!("{:?}", network.far.connections.len());
    };
    for endpoint in [first, second] {
        assert_no_violation(endpoint);
        // It may have been lost.
        let codes = endpoint
            .closed()
            .map(|close| (close.application, close.code));
        assert!(matches!(codes, None | Some((true, 3))), "{codes:?}");
        // The engine updates keys by itself, too.
        assert!(endpoint.generation() >= 4);
    }
    assert!(!first.negotiated().unwrap().resumed);
    assert!(second.negotiated().unwrap().resumed);
    for connection in &near.shard.application().connections {
        assert_eq!(connection.fault, None);
    }
}

#[test]
fn the_engines_client_breaks_no_rule() {
    for early_data in [false, true] {
        client_with_well_behaved_server(Conditions::default(), early_data);
    }
}

#[test]
fn the_engines_client_breaks_no_rule_where_packets_are_lost() {
    for seed in 0..6 {
        let conditions = Conditions::default().losing(0.05, seed);
        client_with_well_behaved_server(conditions, seed % 2 == 0);
    }
}

/// Lets the well-behaved client do all that it can with the engine's server.
fn server_with_well_behaved_client(conditions: Conditions, retry: RetryPolicy) {
    let identity = Identity::generate();
    let scenario = Scenario::seeded(1).retry(retry);
    let mut network = Simulated::begin(conditions, |now| {
        let mut config = client_config();
        config.behaviour.issues_connection_ids = true;
        config.tls.alpn = vec![b"echo".to_vec()];
        config.tls.server_name = Some("localhost".to_owned());
        SimulatedClient::new(config, |rules| rules, [], now)
    });
    let shard: Shard<Echo> = scenario.server(&identity);
    let mut near = Near::new(shard, Side::Server, &network);
    type Client = Simulated<SimulatedClient>;
    let is_confirmed = |_: &mut Near<Echo>, network: &mut Client| {
        assert_no_violation(&network.far.endpoint);
        network.far.endpoint.is_confirmed()
    };
    assert!(near.run(&mut network, LIMIT, is_confirmed));
    for round in 0..4_u64 {
        let id = StreamId::new(Side::Client, Dir::Bidirectional, round);
        let endpoint = &mut network.far.endpoint;
        endpoint.write(id, &vec![round as u8; 50_000], true);
        endpoint.send(one_rtt([Frame::Datagram { data: b"datagram" }]));
        endpoint.update_keys();
        if round == 2 {
            endpoint.migrate(PathId(1));
        }
        let is_echoed = |_: &mut Near<Echo>, network: &mut Client| {
            assert_no_violation(&network.far.endpoint);
            let stream = network.far.endpoint.stream(id);
            stream.is_some_and(|stream| stream.is_whole())
        };
        assert!(near.run(&mut network, LIMIT, is_echoed), "round {round}");
        near.run(&mut network, Duration::from_secs(2), |_, _| false);
    }
    assert_no_violation(&network.far.endpoint);
    assert_eq!(network.far.endpoint.closed(), None);
}

#[test]
fn the_engines_server_breaks_no_rule() {
    server_with_well_behaved_client(Conditions::default(), RetryPolicy::Never);
    server_with_well_behaved_client(Conditions::default(), RetryPolicy::Always);
}

#[test]
fn the_engines_server_breaks_no_rule_where_packets_are_lost() {
    for seed in 0..6 {
        let conditions = Conditions::default().losing(0.05, seed);
        server_with_well_behaved_client(conditions, RetryPolicy::Never);
    }
}

#[test]
fn two_well_behaved_peers_get_on_where_packets_are_lost() {
    for seed in 0..10 {
        let conditions = Conditions::default().losing(0.10, seed);
        let mut network = Simulated::new(SimulatedServer::new(server_config()), conditions);
        let mut probe = Probe::client(&mut network, client_config());
        probe.patience = LIMIT;
        probe.open();
        assert!(probe.lives());
        drop(probe);
        network.far.connections.iter().for_each(assert_no_violation);
        let mut network = client(|rules| rules, []);
        let mut probe = Probe::server(&mut network, server_config());
        probe.patience = LIMIT;
        probe.open();
        assert!(probe.lives());
        drop(probe);
        assert_no_violation(&network.far.endpoint);
    }
}

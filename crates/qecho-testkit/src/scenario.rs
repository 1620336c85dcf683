//! A network, a server, clients and what is asked of them, in one sentence.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use qecho_echo::{
    ALPN_ECHO,
    server::{Echo, End},
};
use qecho_engine::{
    Connector, Secrets, Shard,
    config::{AdmissionSettings, RetryPolicy, ShardConfig, Transport},
};
use qecho_netsim::{
    link::Conditions,
    simulation::{FAR, NEAR, Simulation},
};
use rustls::KeyLog;

use crate::{
    identity::Identity,
    load::{Client, Command, Load},
    seed::ShowsSeed,
    stream::{Plan, Stream},
};

/// Bytes of a kibibyte.
pub const KIB: u64 = 1 << 10;
/// Bytes of a mebibyte.
pub const MIB: u64 = 1 << 20;

/// Virtual time that everything may take: loss of 30 % both ways needs many
/// timeouts.
const LIMIT: Duration = Duration::from_secs(3_600);

/// Everything that a simulation is made of.
#[derive(Clone, Default)]
pub struct Scenario {
    seed: u64,
    conditions: Conditions,
    /// The client's windows and timers.
    pub near: Transport,
    /// The server's windows and timers.
    pub far: Transport,
    admission: AdmissionSettings,
    end: End,
    early_data: bool,
    chain_bytes: usize,
    plans: Vec<Plan>,
    datagrams: Vec<Bytes>,
    clients: usize,
    traces_packets: bool,
    key_log: Option<Arc<dyn KeyLog>>,
}

/// Returns a path with a delay of 5 ms and no loss.
pub fn good_path() -> Conditions {
    Conditions {
        delay: Duration::from_millis(5),
        ..Conditions::default()
    }
}

/// Returns a path that loses everything.
pub fn dead_path() -> Conditions {
    Conditions {
        loss: 1.0,
        ..good_path()
    }
}

/// Returns a scenario of a stream of either direction and a few DATAGRAM frames.
pub fn everything(seed: u64) -> Scenario {
    Scenario::seeded(seed)
        .stream(Plan::bidirectional(100 * KIB))
        .stream(Plan::unidirectional(100 * KIB))
        .datagrams(vec![Bytes::from_static(b"datagram"); 4])
}

/// Returns a condition that holds as soon as it does of a stream of the first client.
pub fn any_stream(holds: impl Fn(&Stream) -> bool) -> impl FnMut(&mut Both) -> bool {
    move |both| {
        let client = &both.near.application().connections[0];
        client.streams.values().any(&holds)
    }
}

impl Scenario {
    /// Begins with a good path of 5 ms, one client and nothing to do.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            conditions: good_path(),
            clients: 1,
            ..Self::default()
        }
    }

    /// Gives the server a certificate chain of so many bytes.
    pub fn chain(mut self, bytes: usize) -> Self {
        self.chain_bytes = bytes;
        self
    }

    /// Loses this share of all datagrams.
    pub fn loss(mut self, share: f64) -> Self {
        self.conditions.loss = share;
        self
    }

    /// Lets this share of all datagrams be overtaken.
    pub fn reordering(mut self, share: f64) -> Self {
        self.conditions.reorder = share;
        self.conditions.jitter = self.conditions.jitter.max(Duration::from_millis(4));
        self
    }

    /// Repeats this share of all datagrams.
    pub fn duplication(mut self, share: f64) -> Self {
        self.conditions.duplicate = share;
        self
    }

    /// Changes this share of all datagrams.
    pub fn corruption(mut self, share: f64) -> Self {
        self.conditions.corrupt = share;
        self
    }

    /// Delays each datagram.
    pub fn delay(mut self, delay: Duration, jitter: Duration) -> Self {
        self.conditions.delay = delay;
        self.conditions.jitter = jitter;
        self
    }

    /// Makes the path better or worse in any other way.
    pub fn path(mut self, change: impl FnOnce(&mut Conditions)) -> Self {
        change(&mut self.conditions);
        self
    }

    /// Lets datagrams of this size pass at most.
    pub fn path_mtu(mut self, mtu: usize) -> Self {
        self.conditions.mtu = mtu;
        self
    }

    /// Lets both ends look for a path MTU up to this.
    pub fn udp_payload_max(mut self, size: u16) -> Self {
        self.near.udp_payload_max = Some(size);
        self.far.udp_payload_max = Some(size);
        self
    }

    /// Lets the server have so many unidirectional streams open.
    pub fn client_allows_unidirectional(mut self, streams: u64) -> Self {
        self.near.unidirectional_streams_max = streams;
        self
    }

    /// Says when the server demands a Retry.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.admission.retry = policy;
        self
    }

    /// Lets the server take so many connections.
    pub fn connections_max(mut self, most: usize) -> Self {
        self.admission.connections_max = most;
        self
    }

    /// Lets the server take 0-RTT.
    pub fn early_data(mut self) -> Self {
        self.early_data = true;
        self
    }

    /// Ends each stream after its first message.
    pub fn end_after_message(mut self) -> Self {
        self.end = End::AfterMessage;
        self
    }

    /// Lets both ends trace their packets.
    pub fn trace_packets(mut self) -> Self {
        self.traces_packets = true;
        self
    }

    /// Lets the server log its TLS secrets.
    pub fn key_log(mut self, key_log: Arc<dyn KeyLog>) -> Self {
        self.key_log = Some(key_log);
        self
    }

    /// Connects so many times.
    pub fn clients(mut self, count: usize) -> Self {
        self.clients = count;
        self
    }

    /// Does this on a stream of each connection.
    pub fn stream(mut self, plan: Plan) -> Self {
        self.plans.push(plan);
        self
    }

    /// Does this on so many streams of each connection.
    pub fn streams(self, count: usize, plan: &Plan) -> Self {
        (0..count).fold(self, |scenario, _| scenario.stream(plan.clone()))
    }

    /// Sends so many bytes on a bidirectional stream.
    pub fn echo(self, bytes: u64) -> Self {
        self.stream(Plan::bidirectional(bytes))
    }

    /// Sends these DATAGRAM frames on each connection.
    pub fn datagrams(mut self, datagrams: Vec<Bytes>) -> Self {
        self.datagrams = datagrams;
        self
    }

    /// Makes the server's shard.
    pub fn server(&self, identity: &Identity) -> Shard<Echo> {
        let tls = identity
            .server(&[ALPN_ECHO])
            .with_early_data(self.early_data)
            .with_key_log(self.key_log.clone());
        let config = ShardConfig::server(self.far.clone(), tls)
            .with_admission(self.admission.clone())
            .with_seed(self.seed_of(2))
            .with_secrets(Secrets::from_master(&self.seed_of(3)))
            .with_packet_tracing(self.traces_packets);
        let mut shard =
            Shard::new(&config, &[FAR], Echo::new(self.end, None)).expect("these settings work");
        shard.set_gso_segments(0, self.gso_segments());
        shard
    }

    /// Returns the configuration of the client's shard.
    pub fn client_config(&self) -> ShardConfig {
        ShardConfig::client(self.near.clone())
            .with_seed(self.seed_of(1))
            .with_secrets(Secrets::from_master(&self.seed_of(4)))
            .with_packet_tracing(self.traces_packets)
    }

    fn client(&self, connector: Connector) -> Shard<Load> {
        let load = Load::new(connector, self.plans.clone(), self.datagrams.clone());
        let mut shard =
            Shard::new(&self.client_config(), &[NEAR], load).expect("these settings work");
        shard.set_gso_segments(0, self.gso_segments());
        shard
    }

    /// Kernels that cut batches and those that do not take turns.
    fn gso_segments(&self) -> usize {
        1 + (self.seed % 3) as usize * 5
    }

    fn seed_of(&self, part: u8) -> [u8; 32] {
        let mut seed = [part; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        seed
    }

    /// Returns what the path is like.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Lets the clients begin to connect.
    pub fn begin(&self) -> World {
        let identity = Identity::generate().with_chain(self.chain_bytes);
        let near = self.client(identity.connector(&[ALPN_ECHO]));
        let far = self.server(&identity);
        let seed = self.seed;
        let simulation = Simulation::new(near, far, &self.conditions, seed);
        let mut world = World {
            simulation,
            _shows_seed: ShowsSeed(seed),
        };
        for _ in 0..self.clients {
            world.tell(Command::Connect);
        }
        world
    }

    /// Lets every client do everything; those that are not let in, because
    /// loss lets their handshake take too long, try again.
    pub fn finish(&self) -> World {
        let mut world = self.begin();
        loop {
            world.until("everything is done", |both| {
                let load = both.near.application();
                load.is_done() || load.connections.iter().any(|one| one.closed.is_some())
            });
            let tries_again = world
                .load()
                .connections
                .iter()
                .any(Client::failed_to_connect);
            if !tries_again {
                world.check_no_fault();
                return world;
            }
            world.tell(Command::TryAgain);
        }
    }

    /// Checks that every byte comes back once and in order, and every FIN is
    /// answered.
    pub fn check_all_returned(&self) {
        self.finish().check_all_returned();
    }
}

/// Both ends and the path between them.
pub type Both = Simulation<Load, Echo>;

/// A simulation under way.
pub struct World {
    /// Both ends and the path.
    pub simulation: Both,
    _shows_seed: ShowsSeed,
}

impl Deref for World {
    type Target = Both;

    fn deref(&self) -> &Self::Target {
        &self.simulation
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.simulation
    }
}

impl World {
    /// Returns the client's end.
    pub fn load(&self) -> &Load {
        self.near.application()
    }

    /// Returns the first client.
    pub fn client(&self) -> &Client {
        &self.load().connections[0]
    }

    /// Returns a client's streams in the order in which they were opened,
    /// bidirectional ones and then the others.
    pub fn streams(&self) -> Vec<&Stream> {
        let (bidirectional, unidirectional): (Vec<_>, Vec<_>) = self
            .client()
            .streams
            .iter()
            .partition(|(id, _)| id.direction() == qecho_engine::Dir::Bidirectional);
        let both = bidirectional.into_iter().chain(unidirectional);
        both.map(|(_, stream)| stream).collect()
    }

    /// Sends the client a message.
    pub fn tell(&mut self, mail: Command) {
        let now = self.simulation.now();
        self.simulation.near.handle_command(now, mail);
    }

    /// Lets time pass until something holds, which must be within an hour.
    pub fn until(&mut self, what: &str, holds: impl FnMut(&mut Both) -> bool) {
        self.within(LIMIT, what, holds);
    }

    /// Lets time pass until something holds.
    ///
    /// # Panics
    /// If it does not within `limit`.
    pub fn within(&mut self, limit: Duration, what: &str, holds: impl FnMut(&mut Both) -> bool) {
        let held = self.simulation.run_until(limit, holds);
        let connections = &self.load().connections;
        let shown = &connections[..connections.len().min(3)];
        assert!(held, "not within {limit:?}: {what}; clients {shown:#?}");
    }

    /// Checks that nobody noticed a fault.
    ///
    /// # Panics
    /// If somebody did.
    pub fn check_no_fault(&self) {
        for client in &self.load().connections {
            assert_eq!(client.fault, None, "{client:#?}");
        }
    }

    /// Checks that every byte came back, once and in order.
    ///
    /// # Panics
    /// If one did not.
    pub fn check_all_returned(&self) {
        self.check_no_fault();
        for client in &self.load().connections {
            assert_eq!(client.closed, None, "the connection lives");
            for (id, stream) in &client.streams {
                assert!(stream.is_whole(), "stream {id}: {stream:?}");
            }
        }
    }
}

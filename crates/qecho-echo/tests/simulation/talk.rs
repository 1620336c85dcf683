//! The client tool in talk with a server, on virtual time.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Receiver, channel, sync_channel},
    },
    time::Duration,
};

use bytes::Bytes;
use qecho_echo::{
    ALPN_ECHO,
    client::{
        CHUNKS_MAX, ClientApplication, ClientEvent, Command, Config, Failure, Message, Mode,
        Report, TransferIo,
    },
    dial::{Alpn, Target},
    server::Echo,
};
use qecho_engine::{Application, Dir, Shard, config::Transport};
use qecho_netsim::{
    link::Conditions,
    simulation::{End, FAR, NEAR, Simulation},
};

use qecho_testkit::{
    identity::{Identity, SERVER_NAME},
    scenario::{Scenario, good_path},
    scripted::{Script, ScriptedServer},
    seed::ShowsSeed,
};

pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// The client tool, a server and the path between them.
pub(crate) struct Conversation<F: Application> {
    pub(crate) simulation: Simulation<ClientApplication, F>,
    pub(crate) events: Receiver<ClientEvent>,
    pub(crate) seen: Vec<ClientEvent>,
    _shows_seed: ShowsSeed,
}

pub(crate) fn config(identity: &Identity, addresses: &[SocketAddr], alpn: Alpn) -> Config {
    let target = Target {
        server_name: SERVER_NAME.into(),
        addresses: addresses.to_vec(),
    };
    Config::new(target, identity.verifier())
        .with_alpn(alpn)
        .with_timeout(TIMEOUT)
        .with_transport(Transport::default())
}

impl<F: Application> Conversation<F> {
    pub(crate) fn new(config: &Config, far: Shard<F>, conditions: &Conditions, seed: u64) -> Self {
        Self::converse(near(config, seed), config, far, conditions, seed)
    }

    /// Begins a conversation whose client's shard tells its packets.
    pub(crate) fn traced(config: &Config, far: Shard<F>, seed: u64) -> Self {
        let near = near(config, seed).trace_packets();
        Self::converse(near, config, far, &good_path(), seed)
    }

    fn converse(
        near: Scenario,
        config: &Config,
        far: Shard<F>,
        conditions: &Conditions,
        seed: u64,
    ) -> Self {
        let (tell, events) = channel();
        let listener = move |event| {
            // The test may have seen enough.
            let _ = tell.send(event);
        };
        let client = ClientApplication::converse(config, Box::new(listener));
        let client = client.expect("these settings work");
        Self::over(&near, client, events, far, conditions, seed)
    }

    /// Begins a pipe whose whole input is there, and whose echo is compared.
    pub(crate) fn pipe(
        config: &Config,
        far: Shard<F>,
        input: &[u8],
        conditions: &Conditions,
        seed: u64,
    ) -> Self {
        let (give, taken) = sync_channel(CHUNKS_MAX);
        for piece in input.chunks(input.len().div_ceil(CHUNKS_MAX).max(1_000)) {
            let piece = Bytes::copy_from_slice(piece);
            give.send(Ok(piece)).expect("there is room for all");
        }
        let io = TransferIo {
            input: taken,
            output: None,
            progress: Arc::default(),
            direction: Dir::Bidirectional,
        };
        let (tell, events) = channel();
        let listener = Box::new(move |event| {
            // The test may have seen enough.
            let _ = tell.send(event);
        });
        let client = ClientApplication::transfer(config, listener, io).expect("good settings");
        Self::over(&near(config, seed), client, events, far, conditions, seed)
    }

    pub(crate) fn with(
        client: ClientApplication,
        events: Receiver<ClientEvent>,
        far: Shard<F>,
        conditions: &Conditions,
        seed: u64,
    ) -> Self {
        Self::over(
            &Scenario::seeded(seed),
            client,
            events,
            far,
            conditions,
            seed,
        )
    }

    fn over(
        near: &Scenario,
        client: ClientApplication,
        events: Receiver<ClientEvent>,
        far: Shard<F>,
        conditions: &Conditions,
        seed: u64,
    ) -> Self {
        let near = Shard::new(&near.client_config(), &[NEAR], client).expect("these settings work");
        Self {
            simulation: Simulation::new(near, far, conditions, seed),
            events,
            seen: Vec::new(),
            _shows_seed: ShowsSeed(seed),
        }
    }

    pub(crate) fn tell(&mut self, mail: Command) {
        let now = self.simulation.now();
        self.simulation.near.handle_command(now, mail);
    }

    pub(crate) fn say(&mut self, over: Mode, data: &[u8]) {
        let data = Bytes::copy_from_slice(data);
        self.tell(Command::Message(Message { data, over }));
    }

    /// Returns how the client ended, and what time it took.
    pub(crate) fn outcome(&mut self) -> (Result<Report, Failure>, Duration) {
        let began = self.simulation.now();
        let limit = Duration::from_secs(300);
        let finished = self
            .simulation
            .run_until(limit, |both| both.is_finished(End::Near));
        let took = self.simulation.now() - began;
        self.seen.extend(self.events.try_iter());
        let seen = &self.seen;
        assert!(finished, "the client does not end: {seen:#?}");
        let Some(ClientEvent::Ended(outcome)) = seen.last() else {
            panic!("the last event is not the end: {seen:#?}");
        };
        let is_end = |event: &&ClientEvent| matches!(event, ClientEvent::Ended(_));
        let ends = seen.iter().filter(is_end).count();
        assert_eq!(ends, 1, "one end: {seen:#?}");
        (outcome.clone(), took)
    }

    /// Sends a message and nothing after it; returns how many came back, and what time it took.
    pub(crate) fn hello(&mut self) -> (Result<u64, Failure>, Duration) {
        self.say(Mode::Stream, b"hello");
        self.tell(Command::Finish);
        let (outcome, took) = self.outcome();
        (outcome.map(|report| report.messages), took)
    }

    pub(crate) fn failure(&mut self) -> Failure {
        self.outcome().0.expect_err("this cannot go well")
    }

    pub(crate) fn tried_without_alpn(&self) -> bool {
        let mut seen = self.seen.iter();
        seen.any(|event| matches!(event, ClientEvent::WithoutAlpn))
    }
}

/// Returns what the shard of a client is made of.
fn near(config: &Config, seed: u64) -> Scenario {
    let mut scenario = Scenario::seeded(seed);
    scenario.near = config.transport.clone();
    scenario
}

/// Begins a conversation with an echo server.
pub(crate) fn with_echo(seed: u64, conditions: &Conditions) -> Conversation<Echo> {
    with_echo_at(&[FAR], seed, conditions)
}

/// Begins a conversation with an echo server that is looked for at these addresses.
pub(crate) fn with_echo_at(
    addresses: &[SocketAddr],
    seed: u64,
    conditions: &Conditions,
) -> Conversation<Echo> {
    let identity = Identity::generate();
    let config = config(&identity, addresses, Alpn::Auto);
    let far = Scenario::seeded(seed).server(&identity);
    Conversation::new(&config, far, conditions, seed)
}

/// Returns the failure of a message to a server that does as the script says.
pub(crate) fn failure_of(script: Script, message: &[u8]) -> Failure {
    let mut conversation = with_scripted(script);
    conversation.say(Mode::Stream, message);
    conversation.failure()
}

/// Begins a conversation with a server that does as the script says.
pub(crate) fn with_scripted(script: Script) -> Conversation<ScriptedServer> {
    let identity = Identity::generate();
    let config = config(&identity, &[FAR], Alpn::Auto);
    let far = ScriptedServer::shard(&identity, &[ALPN_ECHO], script);
    Conversation::new(&config, far, &good_path(), 1)
}

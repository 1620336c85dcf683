//! The client tool in talk with a server, on virtual time.

use std::{
    net::SocketAddr,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use bytes::Bytes;
use qecho_echo::{
    ALPN_ECHO,
    client::{ClientApplication, ClientEvent, Command, Config, Failure, Message, Mode, Report},
    dial::{Alpn, Target},
    server::Echo,
};
use qecho_engine::{Application, Shard, config::Transport};
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
        let (tell, events) = channel();
        let listener = move |event| {
            // The test may have seen enough.
            let _ = tell.send(event);
        };
        let client = ClientApplication::converse(config, Box::new(listener));
        let client = client.expect("these settings work");
        Self::with(client, events, far, conditions, seed)
    }

    pub(crate) fn with(
        client: ClientApplication,
        events: Receiver<ClientEvent>,
        far: Shard<F>,
        conditions: &Conditions,
        seed: u64,
    ) -> Self {
        let near = Scenario::seeded(seed).client_config();
        let near = Shard::new(&near, &[NEAR], client).expect("these settings work");
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

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
use qecho_engine::{
    Application, Connection, Event, Shard, ShardContext,
    config::{ShardConfig, Transport},
};
use qecho_netsim::{
    link::Conditions,
    simulation::{FAR, NEAR, Simulation},
};

use qecho_testkit::{
    identity::{Identity, SERVER_NAME},
    scenario::Scenario,
    seed::ShowsSeed,
};

pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// A server that does something else than echoing.
pub(crate) struct Rude(fn(&mut Connection<'_>, &Event));

impl Application for Rude {
    type State = ();
    type Command = ();

    fn accept(&mut self, _: &mut Connection<'_>) {}

    fn handle_event(&mut self, connection: &mut Connection<'_>, (): &mut (), event: Event) {
        (self.0)(connection, &event);
    }

    fn handle_command(&mut self, _: &mut ShardContext<'_, ()>, (): ()) {}
}

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

pub(crate) fn rude(
    identity: &Identity,
    alpn: &[&[u8]],
    act: fn(&mut Connection<'_>, &Event),
) -> Shard<Rude> {
    let config = ShardConfig::server(Transport::default(), identity.server(alpn));
    Shard::new(&config, &[FAR], Rude(act)).expect("these settings work")
}

pub(crate) fn good_path() -> Conditions {
    Conditions {
        delay: Duration::from_millis(5),
        ..Conditions::default()
    }
}

impl<F: Application> Conversation<F> {
    pub(crate) fn new(config: &Config, far: Shard<F>, conditions: &Conditions, seed: u64) -> Self {
        let (tell, events) = channel();
        let listener = move |event| {
            // The test may have seen enough.
            let _ = tell.send(event);
        };
        let client = ClientApplication::converse(config, Box::new(listener));
        Self::with(
            client.expect("these settings work"),
            events,
            far,
            conditions,
            seed,
        )
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
        let finished = self.simulation.run_until(Duration::from_secs(300), |both| {
            let now = both.now();
            both.near.is_finished(now)
        });
        let took = self.simulation.now() - began;
        self.seen.extend(self.events.try_iter());
        let seen = &self.seen;
        assert!(finished, "the client does not end: {seen:#?}");
        let Some(ClientEvent::Ended(outcome)) = seen.last() else {
            panic!("the last event is not the end: {seen:#?}");
        };
        let ends = seen
            .iter()
            .filter(|event| matches!(event, ClientEvent::Ended(_)));
        assert_eq!(ends.count(), 1, "one end: {seen:#?}");
        (outcome.clone(), took)
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
    let identity = Identity::generate();
    let config = config(&identity, &[FAR], Alpn::Auto);
    Conversation::new(
        &config,
        Scenario::seeded(seed).server(&identity),
        conditions,
        seed,
    )
}

/// Begins a conversation with a server that is rude.
pub(crate) fn with_rude(act: fn(&mut Connection<'_>, &Event)) -> Conversation<Rude> {
    let identity = Identity::generate();
    let config = config(&identity, &[FAR], Alpn::Auto);
    let far = rude(&identity, &[ALPN_ECHO], act);
    Conversation::new(&config, far, &good_path(), 1)
}

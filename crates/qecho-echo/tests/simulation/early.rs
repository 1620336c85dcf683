//! Data that a client sends before its handshake is complete (0-RTT).

use std::{cell::RefCell, rc::Rc, time::Duration};

use bytes::Bytes;
use qecho_echo::{ALPN_ECHO, server::Echo};
use qecho_engine::{
    Application, ConnectTo, Connection, ConnectionKey, Connector, Dir, EarlyData, Event, Shard,
    ShardContext, StreamId, config::RetryPolicy,
};
use qecho_netsim::simulation::{End, FAR, NEAR, Simulation};
use qecho_packet::Direction;

use qecho_testkit::{
    identity::{Identity, SERVER_NAME},
    scenario::Scenario,
};

const MESSAGE: &[u8] = b"the earlier the better";
/// Twice the delay of a scenario's path.
const ROUND_TRIP: Duration = Duration::from_millis(10);

/// Commands of a test to the client.
#[derive(Debug)]
enum Command {
    /// To the server by one of its names.
    Connect(&'static str),
    Close,
}

/// Outcome of one connection.
#[derive(Debug, Default)]
struct Seen {
    /// Whether the message was sent before the handshake was complete.
    sent_early: bool,
    early_data: Option<EarlyData>,
    /// From the beginning to the echo.
    echoed_after: Option<Duration>,
}

/// A client that connects when it is told to, and sends its message as soon as
/// it can.
struct Early {
    connector: Connector,
    seen: Vec<Seen>,
    live: Option<ConnectionKey>,
}

impl Early {
    fn send(connection: &mut Connection<'_>) {
        let id = connection.open(Dir::Bidirectional).expect("allowed");
        connection.write(id, Bytes::from_static(MESSAGE));
        connection.finish(id);
    }

    fn read(&mut self, connection: &mut Connection<'_>, id: StreamId) {
        let read = connection.read(id, 1_000);
        if read.data.is_empty() {
            return;
        }
        assert_eq!(read.data, MESSAGE);
        let seen = self.seen.last_mut().expect("there is a connection");
        seen.echoed_after = Some(connection.now() - connection.began());
    }
}

impl Application for Early {
    type State = ();
    type Command = Command;

    fn accept(&mut self, _: &mut Connection<'_>) {}

    fn handle_event(&mut self, connection: &mut Connection<'_>, (): &mut (), event: Event) {
        match event {
            Event::Connected => {
                let handshake = connection.handshake().expect("it is complete");
                let seen = self.seen.last_mut().expect("there is a connection");
                seen.early_data = handshake.early_data;
                if seen.early_data != Some(EarlyData::Accepted) {
                    Self::send(connection);
                }
            }
            Event::Readable(id) => self.read(connection, id),
            _ => {}
        }
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, ()>, mail: Command) {
        let Command::Connect(server_name) = mail else {
            let live = self.live.take().and_then(|key| context.connection(key));
            return live.expect("it lives").0.close(0, "");
        };
        let to = ConnectTo {
            remote: FAR,
            server_name,
            connector: &self.connector,
        };
        let key = context.connect(&to, ()).expect("there is a socket");
        self.live = Some(key);
        let (mut connection, ()) = context.connection(key).expect("it has just begun");
        let sent_early = connection.can_send_early();
        if sent_early {
            Self::send(&mut connection);
        }
        self.seen.push(Seen {
            sent_early,
            ..Seen::default()
        });
    }
}

struct World(Simulation<Early, Echo>);

impl World {
    fn new(scenario: &Scenario) -> Self {
        let identity = Identity::generate();
        Self::again(scenario, &identity, &early_connector(&identity))
    }

    /// Makes a world to which a client comes that may have been in another.
    fn again(scenario: &Scenario, identity: &Identity, connector: &Connector) -> Self {
        let early = Early {
            connector: connector.clone(),
            seen: Vec::new(),
            live: None,
        };
        let near = Shard::new(&scenario.client_config(), &[NEAR], early).expect("it can be made");
        let far = scenario.server(identity);
        Self(Simulation::new(near, far, scenario.conditions(), 1))
    }

    /// Connects once, and lets everything end that there is to do.
    fn connect(&mut self) -> &Seen {
        self.connect_by(SERVER_NAME)
    }

    /// As [`connect`](Self::connect), by a name of the server.
    fn connect_by(&mut self, name: &'static str) -> &Seen {
        let now = self.0.now();
        self.0.near.handle_command(now, Command::Connect(name));
        self.0.run_for(Duration::from_secs(2));
        let seen = self.0.near.application().seen.last();
        seen.expect("there was a connection")
    }

    fn streams_at_the_server(&self) -> u64 {
        self.0.far.application().report().streams
    }
}

fn early_connector(identity: &Identity) -> Connector {
    identity.connector(&[ALPN_ECHO]).with_early_data()
}

#[test]
fn a_client_that_comes_again_has_its_echo_after_one_round_trip() {
    let mut world = World::new(&Scenario::seeded(60).early_data());
    let first = world.connect();
    assert!(!first.sent_early && first.early_data.is_none(), "{first:?}");
    assert_eq!(first.echoed_after, Some(2 * ROUND_TRIP));
    for _ in 0..3 {
        let again = world.connect();
        assert!(again.sent_early);
        assert_eq!(again.early_data, Some(EarlyData::Accepted));
        assert_eq!(again.echoed_after, Some(ROUND_TRIP));
    }
    assert_eq!(world.streams_at_the_server(), 4);
}

#[test]
fn a_server_that_does_not_want_early_data_gets_none() {
    let mut world = World::new(&Scenario::seeded(61));
    for _ in 0..2 {
        let seen = world.connect();
        assert!(!seen.sent_early && seen.early_data.is_none(), "{seen:?}");
        assert_eq!(seen.echoed_after, Some(2 * ROUND_TRIP));
    }
}

#[test]
fn rejected_early_data_is_sent_again_and_echoed_once() {
    let identity = Identity::generate();
    let connector = early_connector(&identity);
    let scenario = Scenario::seeded(62).early_data();
    World::again(&scenario, &identity, &connector).connect();
    // A server that was started anew has forgotten the session.
    let mut world = World::again(&scenario, &identity, &connector);
    let seen = world.connect();
    assert!(seen.sent_early);
    assert_eq!(seen.early_data, Some(EarlyData::Rejected));
    assert_eq!(seen.echoed_after, Some(2 * ROUND_TRIP));
    assert_eq!(world.streams_at_the_server(), 1);
}

#[test]
fn replayed_early_data_is_not_echoed_twice() {
    let mut world = World::new(&Scenario::seeded(63).early_data());
    world.connect();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let recorder = heard.clone();
    world.0.observe(move |sighting| {
        if (sighting.end, sighting.direction) == (End::Near, Direction::Sent) {
            recorder.borrow_mut().push(sighting.data.to_vec());
        }
    });
    assert_eq!(world.connect().early_data, Some(EarlyData::Accepted));
    world.0.observe(|_| ());
    assert_eq!(world.streams_at_the_server(), 2);
    // Everything that the client said is said again, from elsewhere, when its
    // connection is over.
    let now = world.0.now();
    world.0.near.handle_command(now, Command::Close);
    world.0.run_for(Duration::from_secs(2));
    for data in heard.borrow().iter() {
        let elsewhere = ([192, 0, 2, 77], 1_234).into();
        world.0.inject(elsewhere, data.clone());
        world.0.run_for(Duration::from_millis(1));
    }
    assert_eq!(world.0.far.half_open(), 1, "the replay reached the server");
    world.0.run_for(Duration::from_secs(2));
    assert_eq!(world.streams_at_the_server(), 2);
}

#[test]
fn a_client_that_comes_again_is_sent_no_second_retry_where_everybody_is_sent_one() {
    let mut world = World::new(&Scenario::seeded(64).early_data().retry(RetryPolicy::Always));
    // A Retry takes a round trip of its own.
    assert_eq!(world.connect().echoed_after, Some(3 * ROUND_TRIP));
    for _ in 0..3 {
        let again = world.connect();
        assert_eq!(again.early_data, Some(EarlyData::Accepted));
        assert_eq!(again.echoed_after, Some(ROUND_TRIP));
    }
}

#[test]
fn a_server_is_the_same_by_its_name_in_any_case_and_with_the_last_dot() {
    let mut world = World::new(&Scenario::seeded(64).early_data().retry(RetryPolicy::Always));
    world.connect();
    for name in ["LocalHost", "localhost.", "LOCALHOST.", "localhost"] {
        let again = world.connect_by(name);
        assert_eq!(again.early_data, Some(EarlyData::Accepted), "{name}");
        assert_eq!(again.echoed_after, Some(ROUND_TRIP), "{name}: a token");
    }
}

#[test]
fn a_token_that_was_used_is_good_for_nobody_again() {
    let mut world = World::new(&Scenario::seeded(65).early_data().retry(RetryPolicy::Always));
    world.connect();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let recorder = heard.clone();
    world.0.observe(move |sighting| {
        if (sighting.end, sighting.direction) == (End::Near, Direction::Sent) {
            recorder.borrow_mut().push(sighting.data.to_vec());
        }
    });
    assert_eq!(world.connect().echoed_after, Some(ROUND_TRIP));
    world.0.observe(|_| ());
    let now = world.0.now();
    world.0.near.handle_command(now, Command::Close);
    world.0.run_for(Duration::from_secs(2));
    let first = heard.borrow()[0].clone();
    // From the address that the token was given to.
    world.0.inject(NEAR, first);
    world.0.run_for(Duration::from_millis(100));
    assert_eq!(world.0.far.half_open(), 0, "it was answered with Retry");
    assert_eq!(world.streams_at_the_server(), 2);
}

//! Clients whose first packet closes the connection that it opens: anybody can
//! make one, from any address.

use std::time::Duration;

use qecho_engine::{
    Application, ConnectTo, Connection, Connector, Event, Shard, ShardContext,
    config::{ShardConfig, Transport},
};
use qecho_netsim::{
    link::Conditions,
    simulation::{FAR, NEAR, Simulation},
};
use qecho_testkit::identity::{Identity, SERVER_NAME};

use crate::attack::Server;

const CLIENTS: usize = 300;

/// Opens connections and closes each before its first packet has left.
struct Hasty(Connector);

impl Application for Hasty {
    type State = ();
    type Command = ();

    fn start(&mut self, context: &mut ShardContext<'_, ()>) {
        for _ in 0..CLIENTS {
            let to = ConnectTo {
                remote: FAR,
                server_name: SERVER_NAME,
                connector: &self.0,
            };
            let key = context.connect(&to, ()).expect("there is a socket");
            let (mut connection, ()) = context.connection(key).expect("it was just made");
            connection.close(0, "");
        }
    }

    fn accept(&mut self, _: &mut Connection<'_>) {}

    fn handle_event(&mut self, _: &mut Connection<'_>, (): &mut (), _: Event) {}

    fn handle_command(&mut self, _: &mut ShardContext<'_, ()>, (): ()) {}
}

#[test]
fn connections_that_close_themselves_at_once_occupy_nothing() {
    let identity = Identity::generate();
    let config = ShardConfig::server(Transport::default(), identity.server(&[b"echo"]));
    let server = Server::deaf().shard(config);
    let hasty = Hasty(identity.connector(&[b"echo"]));
    let config = ShardConfig::client(Transport::default());
    let client = Shard::new(&config, &[NEAR], hasty).expect("these settings work");
    let mut both = Simulation::new(client, server, &Conditions::default(), 1);
    both.run_for(Duration::from_millis(100));
    let sent = both.links().0.counts().sent;
    assert!(sent >= CLIENTS as u64, "each sent its packet: {sent}");
    assert_eq!(both.far.connections(), 0);
    assert_eq!(both.far.half_open(), 0);
}

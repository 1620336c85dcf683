//! A server that does as a test says.

use qecho_engine::{
    Application, Connection, Event, Shard, ShardContext,
    config::{ShardConfig, Transport},
};
use qecho_netsim::simulation::FAR;

use crate::identity::Identity;

/// A server that calls a function with every event, and does nothing else.
pub struct ScriptedServer(Script);

/// Reaction of a scripted server to an event.
pub type Script = fn(&mut Connection<'_>, &Event);

impl ScriptedServer {
    /// Makes a server's shard that offers these application protocols.
    pub fn shard(identity: &Identity, alpn: &[&[u8]], script: Script) -> Shard<Self> {
        Self::shard_with(Transport::default(), identity, alpn, script)
    }

    /// Makes a server's shard with these windows and timers.
    pub fn shard_with(
        transport: Transport,
        identity: &Identity,
        alpn: &[&[u8]],
        script: Script,
    ) -> Shard<Self> {
        let config = ShardConfig::server(transport, identity.server(alpn));
        Shard::new(&config, &[FAR], Self(script)).expect("these settings work")
    }
}

impl Application for ScriptedServer {
    type State = ();
    type Command = ();

    fn accept(&mut self, _: &mut Connection<'_>) {}

    fn handle_event(&mut self, connection: &mut Connection<'_>, (): &mut (), event: Event) {
        (self.0)(connection, &event);
    }

    fn handle_command(&mut self, _: &mut ShardContext<'_, ()>, (): ()) {}
}

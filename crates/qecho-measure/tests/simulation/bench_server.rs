//! An echo server that takes its time, as long as a test says.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use qecho_echo::ALPN_ECHO;
use qecho_engine::{
    Application, Connection, ConnectionKey, Event, Shard, ShardContext, StreamId,
    config::{ShardConfig, Transport},
};
use qecho_netsim::simulation::FAR;

use qecho_testkit::identity::Identity;

/// Time that an echo takes: by its number, and by the time since the first.
pub(crate) type Service = fn(u64, Duration) -> Duration;

/// Echoes pieces in their order, each when its service is over.
pub(crate) struct Slow {
    service: Service,
    first: Option<Instant>,
    count: u64,
    waiting: VecDeque<(Instant, ConnectionKey, StreamId, Bytes)>,
}

impl Slow {
    /// Makes a server's shard.
    pub(crate) fn shard(identity: &Identity, service: Service) -> Shard<Self> {
        let config = ShardConfig::server(Transport::default(), identity.server(&[ALPN_ECHO]));
        let slow = Self {
            service,
            first: None,
            count: 0,
            waiting: VecDeque::new(),
        };
        Shard::new(&config, &[FAR], slow).expect("these settings work")
    }
}

impl Application for Slow {
    type State = ();
    type Command = ();

    fn accept(&mut self, _: &mut Connection<'_>) {}

    fn handle_event(&mut self, connection: &mut Connection<'_>, (): &mut (), event: Event) {
        let (Event::Opened(id) | Event::Readable(id)) = event else {
            return;
        };
        let data = connection.read(id, 1 << 20).data;
        if data.is_empty() {
            return;
        }
        let now = connection.now();
        let since = now - *self.first.get_or_insert(now);
        let due = now + (self.service)(self.count, since);
        self.count += 1;
        self.waiting.push_back((due, connection.key(), id, data));
    }

    fn handle_command(&mut self, _: &mut ShardContext<'_, ()>, (): ()) {}

    fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|(due, ..)| *due)
    }

    fn handle_deadline(&mut self, context: &mut ShardContext<'_, ()>) {
        while let Some((due, key, id, data)) = self.waiting.front().cloned()
            && due <= context.now()
        {
            self.waiting.pop_front();
            if let Some((mut connection, ())) = context.connection(key) {
                connection.write(id, data);
            }
        }
    }
}

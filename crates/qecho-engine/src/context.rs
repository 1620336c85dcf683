//! The view of a shard that its application gets.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use qecho_packet::Side;
use quinn_proto::{ClientConfig, Transmit};

use crate::{
    connection::{Connection, ConnectionKey},
    crypto::{Connector, ShardClient},
    state::{CloseFrame, ConnectionEntry, ShardState, StrayDatagram},
};

/// A shard during a turn.
pub struct ShardContext<'a, S> {
    shard: &'a mut ShardState<S>,
    now: Instant,
}

/// Server to connect to.
#[derive(Clone, Debug)]
pub struct ConnectTo<'a> {
    /// The server's address.
    pub remote: SocketAddr,
    /// The name that its certificate must have.
    pub server_name: &'a str,
    /// TLS as a client.
    pub connector: &'a Connector,
}

/// Error of a connection that could not even be begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The shard has no socket for the address's family.
    #[error("no local socket for {remote}")]
    NoSocket {
        /// The address that was asked for.
        remote: SocketAddr,
    },
    /// The name or address cannot be used.
    #[error("cannot connect to {remote} as {server_name:?}")]
    Refused {
        /// The address that was asked for.
        remote: SocketAddr,
        /// The name that was asked for.
        server_name: String,
        /// The state machine's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl<'a, S> ShardContext<'a, S> {
    pub(crate) fn new(shard: &'a mut ShardState<S>, now: Instant) -> Self {
        Self { shard, now }
    }

    /// Returns the time of this turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Begins a connection from the first socket of the right address family.
    ///
    /// # Errors
    /// [`ConnectError`] if there is no such socket or the name is invalid;
    /// whether anybody answers is told by events.
    pub fn connect(&mut self, to: &ConnectTo<'_>, state: S) -> Result<ConnectionKey, ConnectError> {
        let is_ipv4 = to.remote.is_ipv4();
        let mut bindings = self.shard.bindings.iter();
        let fits = bindings.position(|binding| binding.address.is_ipv4() == is_ipv4);
        match fits {
            Some(binding) => self.connect_from(binding, to, state),
            None => Err(ConnectError::NoSocket { remote: to.remote }),
        }
    }

    /// Begins a connection from one of the shard's sockets, named by the place
    /// of its address in what the shard was made with.
    ///
    /// # Errors
    /// As of [`connect`](Self::connect); a socket that does not exist, or is of
    /// the other address family, is none.
    pub fn connect_from(
        &mut self,
        binding: usize,
        to: &ConnectTo<'_>,
        state: S,
    ) -> Result<ConnectionKey, ConnectError> {
        let ConnectTo {
            remote,
            server_name,
            connector,
        } = *to;
        let binding = self
            .shard
            .bindings
            .get_mut(binding)
            .filter(|binding| binding.address.is_ipv4() == remote.is_ipv4())
            .ok_or(ConnectError::NoSocket { remote })?;
        let mut config = ClientConfig::new(Arc::new(ShardClient {
            tls: connector.clone(),
            keys: self.shard.keys.clone(),
        }));
        config.token_store(connector.tokens(remote));
        config.transport_config(self.shard.routes.transport_config(remote.ip()));
        let destination_cid = self.shard.initial_cids.next();
        config.initial_dst_cid_provider(Arc::new(move || destination_cid));
        let (handle, proto) = binding
            .endpoint
            .connect(self.now, config, remote, server_name)
            .map_err(|source| ConnectError::Refused {
                remote,
                server_name: server_name.to_owned(),
                source: source.into(),
            })?;
        let mut meta = binding.meta(handle, self.now, &proto);
        let key = meta.key;
        if let Some(tracing) = &mut self.shard.tracing {
            let addresses = (binding.address, remote);
            let number = self.shard.server_shared.next_connection();
            let names = (key, number);
            tracing.started(self.now, names, addresses, Side::Client, &destination_cid);
            meta.number = Some(number);
        }
        self.shard.insert(ConnectionEntry::new(proto, meta, state));
        Ok(key)
    }

    /// Returns a connection and its state to work on.
    pub fn connection(&mut self, key: ConnectionKey) -> Option<(Connection<'_>, &mut S)> {
        self.shard.mark_dirty(key);
        let now = self.now;
        let entry = self.shard.entry(key)?;
        if entry.reported_closed {
            return None;
        }
        let connection = Connection::new(&mut entry.proto, &mut entry.meta, now);
        Some((connection, &mut entry.state))
    }

    /// Asks a server for the versions that it speaks (RFC 9000 §6), once: whoever speaks QUIC
    /// answers that, also to a client that it does not let in.
    /// [`heard_of`](Self::heard_of) tells whether it has. Nothing is sent to an address for
    /// whose family the shard has no socket.
    pub fn request_versions(&mut self, remote: SocketAddr) {
        let mut bindings = self.shard.bindings.iter();
        let fits = bindings.position(|one| one.address.is_ipv4() == remote.is_ipv4());
        let Some(binding) = fits else {
            return;
        };
        let cids = &mut self.shard.initial_cids;
        let request = self.shard.strangers.request(|| cids.draw());
        let transmit = Transmit {
            destination: remote,
            ecn: None,
            size: request.len(),
            segment_size: None,
            src_ip: None,
        };
        self.shard.respond(binding, transmit, request);
    }

    /// Returns what came of a server and was not used, on a shard that only connects to others;
    /// of several datagrams, the one that says most.
    pub fn heard_of(&self, server: SocketAddr) -> Option<StrayDatagram> {
        self.shard.strangers.heard_of(server)
    }

    /// Lets nobody in any more; every connection is closed with `code` and
    /// `reason` as soon as it has no open stream, and at the latest after
    /// `grace`. Then the shard is finished.
    pub fn drain(&mut self, grace: Duration, code: u64, reason: &str) {
        let reason = reason.to_owned();
        self.shard
            .drain(self.now + grace, CloseFrame { code, reason });
    }

    /// Closes every connection at once with `code` and `reason`; the shard is
    /// finished when the peers have answered or [`LINGER`] has passed.
    ///
    /// [`LINGER`]: crate::limits::LINGER
    pub fn shut_down(&mut self, code: u64, reason: &str) {
        let reason = reason.to_owned();
        self.shard.shut_down(self.now, &CloseFrame { code, reason });
    }
}

//! One local address of a shard: its endpoint and connections.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use quinn_proto::{ConnectionHandle, Endpoint};

use super::entry::ConnectionEntry;
use crate::{
    config::Transport,
    connection::{ConnectionKey, ConnectionMeta},
};

pub(crate) struct Binding<S> {
    pub(crate) endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    pub(crate) gso_segments: usize,
    pub(super) index: usize,
    /// By the endpoint's own handle, which it uses again after a connection
    /// has drained: the generation tells the two apart.
    pub(super) connections: Vec<Option<Box<ConnectionEntry<S>>>>,
    /// Number of connections so far.
    pub(super) generation: u64,
    pub(super) settings: Arc<Transport>,
}

impl<S> Binding<S> {
    /// Makes the record for a connection that the endpoint has just begun.
    pub(crate) fn meta(
        &mut self,
        handle: ConnectionHandle,
        now: Instant,
        proto: &quinn_proto::Connection,
    ) -> ConnectionMeta {
        self.generation += 1;
        let key = ConnectionKey::new(self.index, handle, self.generation);
        ConnectionMeta::new(key, now, self.settings.clone(), proto)
    }

    pub(crate) fn insert(&mut self, entry: ConnectionEntry<S>) {
        let index = entry.meta.key.handle().0;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        debug_assert!(
            self.connections[index].is_none(),
            "a handle is used again only after its connection was removed"
        );
        self.connections[index] = Some(Box::new(entry));
    }

    pub(crate) fn key(&self, handle: ConnectionHandle) -> Option<ConnectionKey> {
        let entry = self.connections.get(handle.0)?.as_ref()?;
        Some(entry.meta.key)
    }

    pub(crate) fn entry(&mut self, key: ConnectionKey) -> Option<&mut ConnectionEntry<S>> {
        let entry = self.connections.get_mut(key.handle().0)?.as_mut()?;
        (entry.meta.key == key).then_some(entry)
    }

    pub(crate) fn remove(&mut self, key: ConnectionKey) -> Option<Box<ConnectionEntry<S>>> {
        self.entry(key)?;
        self.connections.get_mut(key.handle().0)?.take()
    }

    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = &mut ConnectionEntry<S>> {
        self.connections
            .iter_mut()
            .flatten()
            .map(|entry| &mut **entry)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &ConnectionEntry<S>> {
        self.connections.iter().flatten().map(|entry| &**entry)
    }
}

//! The connections that are open, and room for one more.

use std::{
    net::{Shutdown, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::HTTP_CONNECTIONS_MAX;

/// Connections of all listeners, the oldest first.
#[derive(Debug, Default)]
pub(super) struct OpenConnections {
    connections: Mutex<Vec<OpenConnection>>,
    closed: Condvar,
}

#[derive(Debug)]
struct OpenConnection {
    stream: Arc<TcpStream>,
    stage: Stage,
}

/// Stage of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not asked yet, or has its answer: it makes room for another.
    Idle,
    /// It is being answered.
    Answering,
    /// It was closed to make room, and is about to leave.
    Evicted,
}

/// Place of a connection, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    open: Arc<OpenConnections>,
    pub(super) stream: Arc<TcpStream>,
}

impl OpenConnections {
    /// Waits for a place for a connection, and closes the oldest that is not being answered if
    /// there is none; `None` if all are.
    pub(super) fn enter(self: &Arc<Self>, stream: TcpStream) -> Option<Place> {
        let stream = Arc::new(stream);
        let mut connections = self.lock();
        while connections.len() >= HTTP_CONNECTIONS_MAX {
            let is_any_leaving = connections.iter().any(|one| one.stage == Stage::Evicted);
            if !is_any_leaving {
                let mut idle = connections.iter_mut();
                let oldest = idle.find(|one| one.stage == Stage::Idle)?;
                oldest.stage = Stage::Evicted;
                // Its thread is woken by this, and leaves. A peer that has gone is no matter.
                let _ = oldest.stream.shutdown(Shutdown::Both);
            }
            let waited = self.closed.wait(connections);
            connections = waited.unwrap_or_else(PoisonError::into_inner);
        }
        connections.push(OpenConnection {
            stream: stream.clone(),
            stage: Stage::Idle,
        });
        let open = self.clone();
        Some(Place { open, stream })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<OpenConnection>> {
        let connections = self.connections.lock();
        connections.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Keeps the place until [`answered`](Self::answered), unless it had to be given up before.
    pub(super) fn answering(&self) -> bool {
        self.go(Stage::Answering)
    }

    /// Gives the place up if another connection needs it.
    pub(super) fn answered(&self) {
        self.go(Stage::Idle);
    }

    fn go(&self, stage: Stage) -> bool {
        let mut connections = self.open.lock();
        let mut places = connections.iter_mut();
        let mine = places.find(|one| Arc::ptr_eq(&one.stream, &self.stream));
        let mine = mine.filter(|one| one.stage != Stage::Evicted);
        mine.map(|one| one.stage = stage).is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut connections = self.open.lock();
        connections.retain(|one| !Arc::ptr_eq(&one.stream, &self.stream));
        drop(connections);
        self.open.closed.notify_all();
    }
}

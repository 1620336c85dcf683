//! Questions of other threads to the shards of a server, for what each has counted, which costs a
//! shard nothing until it is asked.

use std::{
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use qecho_engine::{Application, Shard, ShardCounts};

use crate::mailbox::Waker;

/// Questions that wait for one shard; who has one more waits for room.
const QUESTIONS_MAX: usize = 16;

/// Time from one look for room to the next.
const ROOM_INTERVAL: Duration = Duration::from_millis(1);

/// Counts of the sockets of a shard since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketCounts {
    /// UDP datagrams that were received.
    pub datagrams_received: u64,
    /// Bytes of their payloads.
    pub bytes_received: u64,
    /// UDP datagrams that were sent.
    pub datagrams_sent: u64,
    /// Bytes of their payloads.
    pub bytes_sent: u64,
    /// Sends of a datagram or batch that the system has refused, other than for a full buffer.
    pub sends_failed: u64,
    /// Received datagrams for another shard that were dropped, because
    /// [too many](qecho_engine::limits::HANDED_OVER_MAX) waited for it.
    pub handovers_dropped: u64,
}

/// Status of a shard, as it tells it itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardStatus<T> {
    /// Counts of its sockets.
    pub sockets: SocketCounts,
    /// Counts of what happened beside its connections.
    pub counts: ShardCounts,
    /// Handshakes under way.
    pub half_open: usize,
    /// Whether windows are small, because the process is near its memory's limit.
    pub is_crowded: bool,
    /// The answer of its application.
    pub application: T,
}

type Question<A> = Box<dyn FnOnce(&Shard<A>, &SocketCounts) + Send>;

/// Asks the shards of a server what they have counted.
pub struct Inspector<A: Application> {
    shards: Vec<(SyncSender<Question<A>>, Waker)>,
}

impl<A: Application> Clone for Inspector<A> {
    fn clone(&self) -> Self {
        Self {
            shards: self.shards.clone(),
        }
    }
}

impl<A: Application> std::fmt::Debug for Inspector<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Inspector")
            .field(&self.shards.len())
            .finish()
    }
}

impl<A: Application + 'static> Inspector<A> {
    pub(crate) fn new(shards: Vec<(SyncSender<Question<A>>, Waker)>) -> Self {
        Self { shards }
    }

    /// Asks every shard, each of which answers by the end of its turn, and waits at most
    /// `patience` for all of them. `None` stands for a shard that did not answer, because it
    /// stands still or has ended.
    pub fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        question: fn(&A) -> T,
    ) -> Vec<Option<ShardStatus<T>>> {
        let deadline = clock() + patience;
        let (mut unasked, answers): (Vec<_>, Vec<_>) = self
            .shards
            .iter()
            .map(|(questions, waker)| {
                let (answer, answered) = sync_channel(1);
                let ask: Question<A> = Box::new(move |shard, sockets| {
                    // Whoever asked may have lost patience.
                    let _ = answer.try_send(ShardStatus {
                        sockets: *sockets,
                        counts: *shard.counts(),
                        half_open: shard.half_open(),
                        is_crowded: shard.is_crowded(),
                        application: question(shard.application()),
                    });
                });
                ((questions, waker, ask), answered)
            })
            .unzip();
        // All are asked before the first is waited for, and one without room keeps no other
        // waiting.
        loop {
            unasked = unasked
                .into_iter()
                .filter_map(|(questions, waker, ask)| {
                    let asked = questions.try_send(ask);
                    waker.wake();
                    match asked {
                        Err(TrySendError::Full(ask)) => Some((questions, waker, ask)),
                        Ok(()) | Err(TrySendError::Disconnected(_)) => None,
                    }
                })
                .collect();
            if unasked.is_empty() || clock() >= deadline {
                break;
            }
            thread::sleep(ROOM_INTERVAL);
        }
        // Who was not asked has nobody who could answer.
        drop(unasked);
        let left = || deadline.saturating_duration_since(clock());
        let answers = answers.into_iter();
        answers
            .map(|answered| answered.recv_timeout(left()).ok())
            .collect()
    }
}

/// The shard's end of the questions.
pub(crate) struct Questions<A: Application>(Receiver<Question<A>>);

impl<A: Application> Questions<A> {
    /// Makes the way for questions to a shard.
    pub(crate) fn channel() -> (SyncSender<Question<A>>, Self) {
        let (sender, receiver) = sync_channel(QUESTIONS_MAX);
        (sender, Self(receiver))
    }

    /// Answers those that wait.
    pub(crate) fn answer(&self, shard: &Shard<A>, sockets: &SocketCounts) {
        for question in self.0.try_iter().take(QUESTIONS_MAX) {
            question(shard, sockets);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "somebody waits outside of every turn"
)]
fn clock() -> Instant {
    Instant::now()
}

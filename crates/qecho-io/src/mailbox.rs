//! The mailbox of a shard, its only way in from other threads.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::AtomicBool,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use qecho_engine::limits::MAILBOX_MAX;

use crate::meeting::Rung;

/// Sends commands to a shard; at most [`MAILBOX_MAX`] wait.
#[derive(Debug)]
pub struct Mailbox<M> {
    commands: SyncSender<M>,
    waker: Waker,
}

impl<M> Clone for Mailbox<M> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
            waker: self.waker.clone(),
        }
    }
}

/// Error of a command to a shard that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shard has ended")]
pub struct ShardEnded;

impl<M> Mailbox<M> {
    /// Sends a command; waits while the mailbox is full.
    ///
    /// # Errors
    /// [`ShardEnded`] if it has.
    pub fn send(&self, command: M) -> Result<(), ShardEnded> {
        self.commands.send(command).map_err(|_| ShardEnded)?;
        self.waker.wake();
        Ok(())
    }

    /// Returns what wakes the shard without a command.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }
}

/// Wakes a shard so that its application looks at what it shares with other
/// threads.
#[derive(Clone, Debug)]
pub struct Waker(Arc<WakerState>);

#[derive(Debug)]
struct WakerState {
    rung: Rung<AtomicBool>,
    bell: UnixStream,
}

impl Waker {
    /// Wakes the shard; many calls before it looks count as one.
    pub fn wake(&self) {
        self.0.rung.ring(|| {
            // The bell holds one byte at most, so it can only fail when the
            // shard has gone, and then there is nobody to wake.
            let _ = (&self.0.bell).write(&[1]);
        });
    }
}

/// The shard's end of its mailbox.
#[derive(Debug)]
pub(crate) struct Inbox<M> {
    commands: Receiver<M>,
    bell: UnixStream,
    state: Arc<WakerState>,
}

/// Makes a mailbox, if the system has file descriptors for it.
pub(crate) fn mailbox<M>() -> io::Result<(Mailbox<M>, Inbox<M>)> {
    let (near, far) = UnixStream::pair()?;
    near.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    let (sender, commands) = sync_channel(MAILBOX_MAX);
    let state = Arc::new(WakerState {
        rung: Rung::default(),
        bell: far,
    });
    let mailbox = Mailbox {
        commands: sender,
        waker: Waker(state.clone()),
    };
    let inbox = Inbox {
        commands,
        bell: near,
        state,
    };
    Ok((mailbox, inbox))
}

impl<M> Inbox<M> {
    /// Stops the bell; tells whether it rang. Look at everything shared after
    /// this, never before: what comes later rings again.
    pub(crate) fn answer(&mut self) -> bool {
        let Self { bell, state, .. } = self;
        state.rung.answer(|| {
            let mut byte = [0; 8];
            matches!(bell.read(&mut byte), Ok(1..))
        })
    }

    /// Takes the next command.
    pub(crate) fn next(&mut self) -> Option<M> {
        self.commands.try_recv().ok()
    }
}

impl<M> AsFd for Inbox<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::TrySendError;

    use super::*;

    #[test]
    fn commands_from_many_threads_all_arrive_and_ring() {
        let (mailbox, mut inbox) = mailbox().expect("two file descriptors");
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let mailbox = mailbox.clone();
                std::thread::spawn(move || {
                    for command in 0..100 {
                        let sent = mailbox.send(thread * 100 + command);
                        sent.expect("the inbox lives");
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert!(inbox.answer());
        let mut commands: Vec<_> = std::iter::from_fn(|| inbox.next()).collect();
        commands.sort_unstable();
        assert_eq!(commands, (0..400).collect::<Vec<_>>());
        assert!(!inbox.answer());
    }

    #[test]
    fn a_mailbox_has_a_bound_and_says_when_the_shard_has_ended() {
        let (mailbox, inbox) = mailbox().expect("two file descriptors");
        for command in 0..MAILBOX_MAX {
            assert_eq!(mailbox.send(command), Ok(()));
        }
        let one_more = mailbox.commands.try_send(0);
        assert_eq!(one_more, Err(TrySendError::Full(0)));
        drop(inbox);
        assert_eq!(mailbox.send(0), Err(ShardEnded));
    }
}

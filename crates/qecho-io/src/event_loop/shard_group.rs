//! Groups of shards, which end together and forward datagrams to one another.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use qecho_engine::{Received, limits::HANDED_OVER_MAX};

use crate::{
    mailbox::Waker,
    meeting::{Handover, Running},
};

/// Handle of one shard in its server's shard group. The group stops when every shard has
/// ended, or as soon as one fails.
///
/// The shards of a server end at different times, but until the last has, the
/// kernel must find a socket for each, and newcomers to any of them are to
/// hear that they are refused.
#[derive(Debug)]
pub(crate) struct ShardHandle {
    group: Arc<ShardGroup>,
    index: usize,
    has_ended: bool,
}

#[derive(Debug)]
struct ShardGroup {
    running: Running<AtomicUsize>,
    failed: AtomicBool,
    /// In the order of the shards, as the queues.
    wakers: Vec<Waker>,
    queues: Vec<ForwardQueue>,
}

/// Datagrams for one shard that others have received: the kernel steers a
/// batch that it has joined (GRO), or that was sent as one (GSO), by its first
/// datagram alone.
type ForwardQueue = Handover<AtomicBool, Mutex<VecDeque<Received>>>;

/// Makes the group of the shards that these wake.
pub(crate) fn shard_group(wakers: Vec<Waker>) -> Vec<ShardHandle> {
    let shards = wakers.len();
    let group = Arc::new(ShardGroup {
        running: Running(AtomicUsize::new(shards)),
        failed: AtomicBool::new(false),
        queues: wakers.iter().map(|_| ForwardQueue::default()).collect(),
        wakers,
    });
    let handle = |index| ShardHandle {
        group: group.clone(),
        index,
        has_ended: false,
    };
    (0..shards).map(handle).collect()
}

impl ShardHandle {
    /// Forwards a datagram to the shard that owns it; what is too much is lost, as
    /// on a network, and `false` tells it.
    pub(super) fn forward(&self, to: usize, received: Received) -> bool {
        let Some(queue) = self.group.queues.get(to) else {
            return false;
        };
        let mut has_room = false;
        queue.put(|datagrams: &mut VecDeque<_>| {
            has_room = datagrams.len() < HANDED_OVER_MAX;
            if has_room {
                datagrams.push_back(received);
            }
        });
        self.group.wakers[to].wake();
        has_room
    }

    /// Takes what others have forwarded to this shard.
    pub(super) fn take_forwarded(&self) -> VecDeque<Received> {
        self.group.queues[self.index].take()
    }

    /// Notes that this shard has ended; tells whether the group is over.
    pub(super) fn end(&mut self) -> bool {
        if !std::mem::replace(&mut self.has_ended, true) && self.group.running.end_one() {
            self.wake_all();
        }
        self.group.running.is_over() || self.has_failed()
    }

    /// Tells whether a shard has failed, and there is no use in going on.
    pub(super) fn has_failed(&self) -> bool {
        self.group.failed.load(Ordering::Acquire)
    }

    fn wake_all(&self) {
        self.group.wakers.iter().for_each(Waker::wake);
    }
}

impl Drop for ShardHandle {
    /// Notes a failure, unless the shard has ended.
    fn drop(&mut self) {
        if !self.has_ended {
            self.group.failed.store(true, Ordering::Release);
            self.wake_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::{Inbox, mailbox};

    fn handles() -> (Vec<ShardHandle>, Vec<Inbox<()>>) {
        let (wakers, inboxes) = (0..3)
            .map(|_| mailbox::<()>().expect("there are file descriptors"))
            .map(|(mailbox, inbox)| (mailbox.waker(), inbox))
            .unzip();
        (shard_group(wakers), inboxes)
    }

    #[test]
    fn a_group_is_over_when_the_last_has_ended_and_then_every_shard_is_woken() {
        let (mut handles, mut inboxes) = handles();
        assert!(!handles[0].end());
        assert!(!handles[0].end(), "each counts once");
        assert!(!handles[1].end());
        assert!(!inboxes[0].answer());
        assert!(handles[2].end());
        assert!(inboxes.iter_mut().all(Inbox::answer));
        assert!(handles[0].end());
        assert!(!handles[0].has_failed());
    }

    fn received(number: u8) -> Received {
        Received::from_remote(([127, 0, 0, 1], 1).into(), &[number])
    }

    #[test]
    fn what_is_forwarded_reaches_its_owner_in_order_and_no_more_than_it_may() {
        let (handles, mut inboxes) = handles();
        for number in [1, 2] {
            assert!(handles[0].forward(2, received(number)));
        }
        assert!(inboxes[2].answer(), "it is woken");
        assert!(!inboxes[1].answer());
        assert!(handles[1].take_forwarded().is_empty());
        let numbers = |handle: &ShardHandle| -> Vec<u8> {
            let datagrams = handle.take_forwarded().into_iter();
            datagrams.map(|datagram| datagram.data[0]).collect()
        };
        assert_eq!(numbers(&handles[2]), [1, 2]);
        assert!(numbers(&handles[2]).is_empty());
        for number in 0..HANDED_OVER_MAX + 10 {
            let is_taken = handles[0].forward(2, received(3));
            assert_eq!(is_taken, number < HANDED_OVER_MAX);
        }
        assert_eq!(numbers(&handles[2]).len(), HANDED_OVER_MAX);
    }

    #[test]
    fn a_group_is_over_at_once_when_a_shard_fails() {
        let (mut handles, mut inboxes) = handles();
        drop(handles.pop());
        assert!(handles.iter().all(ShardHandle::has_failed));
        assert!(inboxes.iter_mut().all(Inbox::answer));
        assert!(handles[0].end());
    }
}

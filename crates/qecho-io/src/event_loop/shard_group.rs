//! Event loops that end together.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use qecho_engine::{Received, limits::HANDED_OVER_MAX};

use crate::mailbox::Waker;

/// Handle of one shard in its server's shard group. The group stops when every shard has
/// ended, or as soon as one fails.
///
/// The shards of a server end at different times, but until the last has, the
/// kernel must find a socket for each, and newcomers to any of them are to
/// hear that they are refused.
#[derive(Debug)]
pub struct ShardHandle {
    group: Arc<ShardGroup>,
    index: usize,
    has_ended: bool,
}

#[derive(Debug)]
struct ShardGroup {
    running: AtomicUsize,
    failed: AtomicBool,
    /// In the order of the members.
    wakers: Vec<Waker>,
    handed_over: Vec<HandedOver>,
}

/// Datagrams for one member that others have received: the kernel steers a
/// batch that it has joined (GRO), or that was sent as one (GSO), by its first
/// datagram alone.
#[derive(Debug, Default)]
struct HandedOver {
    any: AtomicBool,
    datagrams: Mutex<VecDeque<Received>>,
}

/// Makes a group of the event loops that these wake.
pub fn shard_group(wakers: Vec<Waker>) -> Vec<ShardHandle> {
    let members = wakers.len();
    let group = Arc::new(ShardGroup {
        running: AtomicUsize::new(members),
        failed: AtomicBool::new(false),
        handed_over: wakers.iter().map(|_| HandedOver::default()).collect(),
        wakers,
    });
    let member = |index| ShardHandle {
        group: group.clone(),
        index,
        has_ended: false,
    };
    (0..members).map(member).collect()
}

impl ShardHandle {
    /// Hands a datagram to the member whose it is; what is too much is lost, as
    /// on a network.
    pub(super) fn hand_over(&self, to: usize, received: Received) {
        let Some(place) = self.group.handed_over.get(to) else {
            return;
        };
        let mut datagrams = place
            .datagrams
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if datagrams.len() < HANDED_OVER_MAX {
            datagrams.push_back(received);
        }
        place.any.store(true, Ordering::Release);
        drop(datagrams);
        self.group.wakers[to].wake();
    }

    /// Takes what others have handed over to this member.
    pub(super) fn handed_over(&self) -> VecDeque<Received> {
        let place = &self.group.handed_over[self.index];
        if !place.any.swap(false, Ordering::AcqRel) {
            return VecDeque::new();
        }
        let datagrams = place.datagrams.lock();
        std::mem::take(&mut *datagrams.unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that this member has ended; tells whether the group is over.
    pub(super) fn end(&mut self) -> bool {
        if !std::mem::replace(&mut self.has_ended, true) {
            let running = self.group.running.fetch_sub(1, Ordering::AcqRel);
            if running == 1 {
                self.wake_all();
            }
        }
        self.group.running.load(Ordering::Acquire) == 0 || self.has_failed()
    }

    /// Tells whether a member has failed, and there is no use in going on.
    pub(super) fn has_failed(&self) -> bool {
        self.group.failed.load(Ordering::Acquire)
    }

    fn wake_all(&self) {
        self.group.wakers.iter().for_each(Waker::wake);
    }
}

impl Drop for ShardHandle {
    /// Who leaves without having ended has failed.
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

    fn guests() -> (Vec<ShardHandle>, Vec<Inbox<()>>) {
        let (wakers, inboxes) = (0..3)
            .map(|_| mailbox::<()>().expect("there are file descriptors"))
            .map(|(mailbox, inbox)| (mailbox.waker(), inbox))
            .unzip();
        (shard_group(wakers), inboxes)
    }

    #[test]
    fn a_party_is_over_when_the_last_has_ended_and_then_everybody_is_woken() {
        let (mut members, mut inboxes) = guests();
        assert!(!members[0].end());
        assert!(!members[0].end(), "each counts once");
        assert!(!members[1].end());
        assert!(!inboxes[0].answer());
        assert!(members[2].end());
        assert!(inboxes.iter_mut().all(Inbox::answer));
        assert!(members[0].end());
        assert!(!members[0].has_failed());
    }

    fn received(number: u8) -> Received {
        Received::from_remote(([127, 0, 0, 1], 1).into(), &[number])
    }

    #[test]
    fn what_is_handed_over_reaches_its_owner_in_order_and_no_more_than_it_may() {
        let (members, mut inboxes) = guests();
        for number in [1, 2] {
            members[0].hand_over(2, received(number));
        }
        assert!(inboxes[2].answer(), "it is woken");
        assert!(!inboxes[1].answer());
        assert!(members[1].handed_over().is_empty());
        let numbers = |member: &ShardHandle| -> Vec<u8> {
            let datagrams = member.handed_over().into_iter();
            datagrams.map(|datagram| datagram.data[0]).collect()
        };
        assert_eq!(numbers(&members[2]), [1, 2]);
        assert!(numbers(&members[2]).is_empty());
        for _ in 0..HANDED_OVER_MAX + 10 {
            members[0].hand_over(2, received(3));
        }
        assert_eq!(numbers(&members[2]).len(), HANDED_OVER_MAX);
    }

    #[test]
    fn a_party_is_over_at_once_when_somebody_fails() {
        let (mut members, mut inboxes) = guests();
        drop(members.pop());
        assert!(members.iter().all(ShardHandle::has_failed));
        assert!(inboxes.iter_mut().all(Inbox::answer));
        assert!(members[0].end());
    }
}

//! Event loops that end together.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::mailbox::Waker;

/// One event loop's membership in a party that ends when all of its members
/// have ended, or one has failed.
///
/// The shards of a server end at different times, but until the last has, the
/// kernel must find a socket for each, and newcomers to any of them are to
/// hear that they are refused.
#[derive(Debug)]
pub struct Member {
    party: Arc<Party>,
    has_ended: bool,
}

#[derive(Debug)]
struct Party {
    running: AtomicUsize,
    failed: AtomicBool,
    wakers: Vec<Waker>,
}

/// Makes a party of the event loops that these wake.
pub fn party(wakers: Vec<Waker>) -> Vec<Member> {
    let members = wakers.len();
    let party = Arc::new(Party {
        running: AtomicUsize::new(members),
        failed: AtomicBool::new(false),
        wakers,
    });
    let member = || Member {
        party: party.clone(),
        has_ended: false,
    };
    std::iter::repeat_with(member).take(members).collect()
}

impl Member {
    /// Notes that this member has ended; tells whether the party is over.
    pub(super) fn end(&mut self) -> bool {
        if !std::mem::replace(&mut self.has_ended, true) {
            let running = self.party.running.fetch_sub(1, Ordering::AcqRel);
            if running == 1 {
                self.wake_all();
            }
        }
        self.party.running.load(Ordering::Acquire) == 0 || self.has_failed()
    }

    /// Tells whether a member has failed, and there is no use in going on.
    pub(super) fn has_failed(&self) -> bool {
        self.party.failed.load(Ordering::Acquire)
    }

    fn wake_all(&self) {
        self.party.wakers.iter().for_each(Waker::wake);
    }
}

impl Drop for Member {
    /// Who leaves without having ended has failed.
    fn drop(&mut self) {
        if !self.has_ended {
            self.party.failed.store(true, Ordering::Release);
            self.wake_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::{Inbox, mailbox};

    fn guests() -> (Vec<Member>, Vec<Inbox<()>>) {
        let (wakers, inboxes) = (0..3)
            .map(|_| mailbox::<()>().expect("there are file descriptors"))
            .map(|(mailbox, inbox)| (mailbox.waker(), inbox))
            .unzip();
        (party(wakers), inboxes)
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

    #[test]
    fn a_party_is_over_at_once_when_somebody_fails() {
        let (mut members, mut inboxes) = guests();
        drop(members.pop());
        assert!(members.iter().all(Member::has_failed));
        assert!(inboxes.iter_mut().all(Inbox::answer));
        assert!(members[0].end());
    }
}

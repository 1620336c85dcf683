//! Every order in which two or three threads can meet, as loom finds them.

use std::sync::atomic::Ordering;

use loom::{
    model::Builder,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize},
    },
    thread,
};

use super::{Counter, Flag, Handover, Lock, Permits, Rung, Running};

impl Flag for AtomicBool {
    fn load(&self, order: Ordering) -> bool {
        self.load(order)
    }

    fn swap(&self, value: bool, order: Ordering) -> bool {
        self.swap(value, order)
    }
}

impl Counter for AtomicUsize {
    fn load(&self, order: Ordering) -> usize {
        self.load(order)
    }

    fn fetch_add(&self, value: usize, order: Ordering) -> usize {
        self.fetch_add(value, order)
    }

    fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
        self.fetch_sub(value, order)
    }

    fn try_decrement(&self, order: Ordering) -> bool {
        let less = |value: usize| value.checked_sub(1);
        self.fetch_update(order, order, less).is_ok()
    }
}

impl<T> Lock<T> for Mutex<T> {
    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.lock().expect("no thread of a model panics"))
    }
}

/// Switches between threads that no thread has asked for, at most, in one order; loom's
/// documentation holds two or three to be enough for most faults.
const PREEMPTIONS_MAX: usize = 3;

/// Tries a model in every order.
fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS_MAX);
    builder.check(run);
}

/// A shard's bell, which holds one byte as the system does, and what its wakers share with it.
struct Shard {
    rung: Rung<AtomicBool>,
    byte: AtomicBool,
    shared: AtomicUsize,
}

impl Shard {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            rung: Rung(AtomicBool::new(false)),
            byte: AtomicBool::new(false),
            shared: AtomicUsize::new(0),
        })
    }

    fn wake(&self) {
        // The flag alone must show what was written before it.
        self.shared.fetch_add(1, Ordering::Relaxed);
        self.rung.ring(|| {
            self.byte.swap(true, Ordering::AcqRel);
        });
    }

    /// A turn: answers the bell, then looks.
    fn turn(&self) -> usize {
        self.rung.answer(|| self.byte.swap(false, Ordering::AcqRel));
        self.shared.load(Ordering::Relaxed)
    }
}

#[test]
fn no_wake_up_is_lost() {
    model(|| {
        let shard = Shard::new();
        let wakers = [(); 2].map(|()| {
            let shard = shard.clone();
            thread::spawn(move || shard.wake())
        });
        let mut seen = shard.turn();
        for waker in wakers {
            waker.join().expect("no thread of a model panics");
        }
        // The shard waits on the bell: each turn that follows begins with a byte.
        while shard.byte.load(Ordering::Acquire) {
            seen = shard.turn();
        }
        assert_eq!(seen, 2, "the bell is still, and something is unseen");
        shard.wake();
        assert!(shard.byte.load(Ordering::Acquire), "it rings again");
    });
}

#[test]
fn what_is_handed_over_is_taken_once_by_whoever_was_woken() {
    model(|| {
        let handover = Arc::new(Handover {
            any: AtomicBool::new(false),
            things: Mutex::new(Vec::new()),
        });
        let givers = [1, 2].map(|thing| {
            let handover = handover.clone();
            thread::spawn(move || handover.put(|things: &mut Vec<_>| things.push(thing)))
        });
        let mut taken: Vec<i32> = handover.take();
        for giver in givers {
            giver.join().expect("no thread of a model panics");
        }
        taken.extend(handover.take::<Vec<_>>());
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn one_of_a_group_is_the_last_and_sees_what_the_others_did() {
    model(|| {
        let running = Arc::new(Running(AtomicUsize::new(2)));
        let work = Arc::new(AtomicUsize::new(0));
        let members = [(); 2].map(|()| {
            let (running, work) = (running.clone(), work.clone());
            thread::spawn(move || {
                work.fetch_add(1, Ordering::Relaxed);
                let is_last = running.end_one();
                if running.is_over() {
                    assert_eq!(work.load(Ordering::Relaxed), 2);
                }
                is_last
            })
        });
        let ended = members.map(|member| member.join().expect("no thread of a model panics"));
        assert_eq!(ended.iter().filter(|is_last| **is_last).count(), 1);
        assert!(running.is_over());
    });
}

#[test]
fn a_permit_has_one_holder_at_a_time() {
    model(|| {
        let permits = Arc::new(Permits(AtomicUsize::new(1)));
        let holders = Arc::new(AtomicUsize::new(0));
        let threads = [(); 2].map(|()| {
            let (permits, holders) = (permits.clone(), holders.clone());
            thread::spawn(move || {
                if permits.acquire() {
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                    holders.fetch_sub(1, Ordering::SeqCst);
                    permits.release();
                }
            })
        });
        for thread in threads {
            thread.join().expect("no thread of a model panics");
        }
        assert!(permits.acquire() && !permits.acquire());
    });
}

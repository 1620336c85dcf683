//! An allocator that counts what each thread has allocated and not freed.

#![expect(unsafe_code, reason = "an allocator is unsafe by its trait")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    /// Bytes; signed, for what another thread allocated.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// Bytes that were ever allocated.
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counted.
pub struct Counting;

fn count(bytes: isize) {
    // A thread that ends frees after its counter is gone.
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        let _ = ALLOCATED.try_with(|bytes| bytes.set(bytes.get() + layout.size()));
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Returns the bytes that this thread has allocated and not freed.
pub fn live() -> isize {
    LIVE.get()
}

/// Returns the bytes that this thread allocates while something is done, freed or not: work
/// that consists of copying shows in it, and is the same on every machine.
pub fn allocated_by(work: impl FnOnce()) -> usize {
    let before = ALLOCATED.get();
    work();
    ALLOCATED.get() - before
}

/// Drops a value and returns the bytes that this gave back.
pub fn freed_by_dropping<T>(value: T) -> usize {
    let before = live();
    drop(value);
    usize::try_from(before - live()).unwrap_or(0)
}

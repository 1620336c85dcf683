//! The counting allocator, which counts here what is copied, too: work that consists of
//! copying shows in the bytes that are allocated for it, and is the same on every machine.

#![expect(unsafe_code, reason = "an allocator is unsafe by its trait")]

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
};

use crate::counting::Counting;

thread_local! {
    /// Bytes that were ever allocated.
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

/// The counting allocator, and a count of what was ever allocated.
pub(crate) struct Copying(pub(crate) Counting);

// SAFETY: every call goes to the other allocator unchanged.
unsafe impl GlobalAlloc for Copying {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATED.try_with(|bytes| bytes.set(bytes.get() + layout.size()));
        // SAFETY: the caller's promises are the same.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the same.
        unsafe { self.0.dealloc(pointer, layout) }
    }
}

/// Returns the bytes that are allocated while something is done, freed or not.
pub(crate) fn allocated_by(work: impl FnOnce()) -> usize {
    let before = ALLOCATED.get();
    work();
    ALLOCATED.get() - before
}

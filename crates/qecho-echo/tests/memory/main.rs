//! Memory that one connection can make the echo server keep, in bytes that a
//! counting allocator has seen.

mod bounds;
mod dissector;

use qecho_testkit::counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

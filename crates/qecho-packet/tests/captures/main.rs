//! Captures: ours, other people's, and files that are none.

mod cut_off;
mod files;
mod framing;
mod mutated;
mod pcap;
mod pcapng;
mod segmented;
mod tampered;
mod written;

use qecho_testkit::counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

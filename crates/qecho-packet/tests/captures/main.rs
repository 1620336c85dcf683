//! Captures: ours, other people's, and files that are none.

#[path = "../../../qecho-engine/tests/hostile/counting.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod counting;
mod cut_off;
#[path = "../../../qecho-engine/tests/hostile/failing_seed.rs"]
mod failing_seed;
mod files;
mod framing;
mod mutated;
mod pcap;
mod pcapng;
mod segmented;
mod tampered;
mod tampering;
mod written;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

//! Peers that break the rules, against a shard, and what that costs it.

mod after_handshake;
mod attack;
mod closing;
mod counting;
mod failing_seed;
mod forgery;
mod frames;
mod garbage;
mod identity;
mod memory;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

//! Peers that break the rules, against a shard, and what that costs it.

mod after_handshake;
mod amplification;
mod attack;
mod closing;
mod copying;
mod counting;
mod crowd;
mod failing_seed;
mod forgery;
mod fragments;
mod frames;
mod garbage;
mod identity;
mod initial;
mod memory;

#[global_allocator]
static ALLOCATOR: copying::Copying = copying::Copying(counting::Counting);

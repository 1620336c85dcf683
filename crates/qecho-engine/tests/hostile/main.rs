//! Peers that break the rules, against a shard, and what that costs it.

mod after_handshake;
mod amplification;
mod attack;
mod challenges;
mod closing;
mod counted;
mod crowd;
mod forgery;
mod fragments;
mod frames;
mod garbage;
mod handshake;
mod hogs;
mod memory;

use qecho_testkit::counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

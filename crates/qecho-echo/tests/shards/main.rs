//! Servers of several shards, on real sockets of loopback.
#![cfg(target_os = "linux")]

#[path = "../../../qecho-engine/tests/hostile/identity.rs"]
#[expect(dead_code, reason = "the simulation uses more of it")]
mod identity;
mod sharded;
mod steered;

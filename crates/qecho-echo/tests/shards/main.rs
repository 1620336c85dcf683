//! Servers of several shards, on real sockets of loopback.
#![cfg(target_os = "linux")]

mod sharded;
mod steered;

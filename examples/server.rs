//! The smallest echo server on qecho's crates.
//!
//! `cargo run --example server`, and in another terminal
//! `qecho client localhost`. Ctrl-C ends it.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::{sync::Arc, time::SystemTime};

use anyhow::Context;
use qecho_cert::{Authority, AutomaticLeaf, folder};
use qecho_echo::server::{self, Echo};

fn main() -> anyhow::Result<()> {
    // A certificate for localhost from the CA that `qecho client` trusts.
    let folder = folder::data_folder(&folder::process_variable).context("HOME is not set")?;
    let (authority, _) = Authority::open_or_create(&folder, None, SystemTime::now())?;
    let clock = Arc::new(SystemTime::now);
    let identity = AutomaticLeaf::open_or_create(Arc::new(authority), &folder, clock)?;

    let server = server::config(Arc::new(identity)).start(|_shard| Echo::default())?;
    println!("echoing on {:?}", server.addresses());
    server.wait()?;
    Ok(())
}

//! A server of one's own: what a client sends comes back in capitals.
//!
//! `cargo run --example uppercase`, and in another terminal
//! `echo hello | qecho client localhost`.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::{sync::Arc, time::SystemTime};

use anyhow::Context;
use qecho_cert::{Authority, AutomaticLeaf, folder};
use qecho_echo::server::Echo;
use qecho_io::{Listen, ServerConfig};

fn main() -> anyhow::Result<()> {
    let folder = folder::data_folder(&folder::process_variable).context("HOME is not set")?;
    let (authority, _) = Authority::open_or_create(&folder, None, SystemTime::now())?;
    let clock = Arc::new(SystemTime::now);
    let identity = AutomaticLeaf::open_or_create(Arc::new(authority), &folder, clock)?;

    let server = ServerConfig::new(Arc::new(identity))
        .with_listen([Listen::Loopback { port: 4433 }])
        .start(|_shard| Echo::answering(|data| data.to_ascii_uppercase().into()))?;
    println!("answering in capitals on {:?}", server.addresses());
    server.wait()?;
    Ok(())
}

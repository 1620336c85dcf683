//! A protocol of one's own: each stream is answered by the number of its bytes.
//!
//! `cargo run --example lengths`, and in another terminal
//! `printf hello | qecho client localhost`.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use anyhow::Context;
use qecho_cert::{Authority, AutomaticLeaf, folder};
use qecho_engine::{Application, Connection, Event, ReadEnd, ShardContext, StreamId};
use qecho_io::{Listen, ServerConfig};

/// Most bytes that are read of a stream at once.
const PIECE_MAX: usize = 64 * 1024;

/// Answers each stream of a client by the number of its bytes.
struct Lengths;

impl Application for Lengths {
    /// Bytes so far of each stream that has not ended.
    type State = HashMap<StreamId, u64>;
    /// Messages of other threads to the application: none.
    type Command = ();

    fn accept(&mut self, _: &mut Connection<'_>) -> Self::State {
        HashMap::new()
    }

    fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        lengths: &mut Self::State,
        event: Event,
    ) {
        let (Event::Opened(stream) | Event::Readable(stream)) = event else {
            return;
        };
        loop {
            let read = connection.read(stream, PIECE_MAX);
            let length = lengths.entry(stream).or_default();
            *length += read.data.len() as u64;
            match read.end {
                ReadEnd::More => continue,
                // An event tells when there is more.
                ReadEnd::Blocked => return,
                ReadEnd::Fin => {
                    connection.write(stream, format!("{length} bytes\n").into());
                    connection.finish(stream);
                }
                // The client gave the stream up, or it has ended before.
                _ => {}
            }
            lengths.remove(&stream);
            return;
        }
    }

    fn handle_command(&mut self, _: &mut ShardContext<'_, Self::State>, (): ()) {}
}

fn main() -> anyhow::Result<()> {
    let folder = folder::data_folder(&folder::process_variable).context("HOME is not set")?;
    let (authority, _) = Authority::open_or_create(&folder, None, SystemTime::now())?;
    let clock = Arc::new(SystemTime::now);
    let identity = AutomaticLeaf::open_or_create(Arc::new(authority), &folder, clock)?;

    let server = ServerConfig::new(Arc::new(identity))
        .with_listen([Listen::Loopback { port: 4433 }])
        .start(|_shard| Lengths)?;
    println!("counting on {:?}", server.addresses());
    server.wait()?;
    Ok(())
}

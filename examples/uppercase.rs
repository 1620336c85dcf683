//! A handler of one's own in place of echo: every stream comes back in
//! capitals.
//!
//! `cargo run --example uppercase`, and in another terminal
//! `echo hello | qecho client localhost`.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use anyhow::Context;
use bytes::Bytes;
use qecho_cert::{Authority, AutomaticLeaf, folder};
use qecho_engine::{
    AlpnPolicy, Application, Connection, Event, ReadEnd, ServerTls, Shard, ShardContext, StreamId,
    Written,
    config::{ShardConfig, Transport},
};
use qecho_io::{
    ReceiveErrors,
    event_loop::{EventLoop, bind_all, mailbox},
};

struct Uppercase;

impl Application for Uppercase {
    /// What a stream's send side refused, and whether it is the last.
    type State = HashMap<StreamId, (Bytes, bool)>;
    type Command = ();

    fn accept(&mut self, _: &mut Connection<'_>) -> Self::State {
        HashMap::new()
    }

    fn handle_event(&mut self, c: &mut Connection<'_>, unsent: &mut Self::State, event: Event) {
        let (Event::Opened(id) | Event::Readable(id) | Event::Writable(id)) = event else {
            return;
        };
        let (mut answer, mut fin) = unsent.remove(&id).unwrap_or_default();
        loop {
            // Reading no further while the peer is slow holds the peer back.
            if let Written::Blocked(rest) = c.write(id, answer) {
                unsent.insert(id, (rest, fin));
                return;
            }
            if fin {
                return c.finish(id);
            }
            let read = c.read(id, 64 * 1024);
            match read.end {
                ReadEnd::Fin => fin = true,
                ReadEnd::Reset(code) => return c.reset(id, code),
                ReadEnd::Blocked | ReadEnd::Closed if read.data.is_empty() => return,
                ReadEnd::Blocked | ReadEnd::Closed | ReadEnd::More => {}
            }
            answer = read.data.to_ascii_uppercase().into();
        }
    }

    fn handle_command(&mut self, _: &mut ShardContext<'_, Self::State>, (): ()) {}
}

fn main() -> anyhow::Result<()> {
    let folder = folder::data_folder(&folder::process_variable).context("HOME is not set")?;
    let (authority, _) = Authority::open_or_create(&folder, None, SystemTime::now())?;
    let clock = Arc::new(SystemTime::now);
    let identity = AutomaticLeaf::open_or_create(Arc::new(authority), &folder, clock)?;
    let tls = ServerTls::new(Arc::new(identity), AlpnPolicy::Any);

    let address = "127.0.0.1:4433".parse()?;
    let config = ShardConfig::server(Transport::default(), tls);
    let shard = Shard::new(&config, &[address], Uppercase)?;
    let (_mailbox, inbox) = mailbox()?;
    EventLoop::new(shard, bind_all(&[address], ReceiveErrors::No)?, inbox).run()?;
    Ok(())
}

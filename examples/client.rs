//! The smallest echo client on qecho's crates.
//!
//! `cargo run --example client -- "some text"`, with an echo server on
//! localhost.

#![expect(clippy::print_stderr, reason = "a program talks to its user")]

use std::{net::Ipv4Addr, sync::mpsc::channel};

use qecho_cert::{LocalAuthority, TrustSettings, TrustVerifier, folder};
use qecho_echo::{
    PORT,
    client::{Client, ClientEvent, Command, Config, Message, Mode},
    dial::Target,
};

fn main() -> anyhow::Result<()> {
    let text = std::env::args().nth(1).unwrap_or_else(|| "Hello".into());
    let local = LocalAuthority::of_this_machine(&folder::process_variable);
    let verifier = TrustVerifier::new(TrustSettings::default().with_local_authorities(local))?;
    let target = Target {
        server_name: "localhost".into(),
        addresses: vec![(Ipv4Addr::LOCALHOST, PORT).into()],
    };

    // The client works on a thread of its own and tells what happens.
    let (tell, events) = channel();
    let listener = Box::new(move |event| _ = tell.send(event));
    let client = Client::converse(&Config::new(target, verifier), listener)?;
    client.send(Command::Message(Message {
        data: text.into(),
        over: Mode::Stream,
    }));
    client.send(Command::Finish);
    for event in events {
        match event {
            ClientEvent::Echoed(echo) => eprintln!("echoed in {:?}", echo.echo_time),
            ClientEvent::Ended(outcome) => _ = outcome?,
            _ => {}
        }
    }
    client.wait()?;
    Ok(())
}

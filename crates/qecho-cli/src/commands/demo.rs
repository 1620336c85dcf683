//! `qecho demo`: a server and a client in one process, over real UDP.

use std::{
    io::{self, Write},
    sync::{Arc, mpsc::channel},
    time::{Duration, SystemTime},
};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use qecho_cert::{Authority, AutomaticLeaf, LocalAuthority, TrustSettings, TrustVerifier};
use qecho_echo::{
    client::{
        self, Client, ClientEvent, Command, Connected, Echoed, Failure as ClientFailure, Message,
        Mode,
    },
    dial::Target,
    server::{self, Echo},
};
use qecho_engine::Side;
use qecho_io::{Listen, Server};
use qecho_packet::{Observers, capture::Capture, trace::Sink};
use qecho_terminal::prose::Prose;
use qecho_trace::Detail;

use super::{observing::Observing, tracing, trust};
use crate::{
    args::{DemoArguments, DemoTraceArgument},
    exit::{ExitStatus, Failure},
    render,
};

/// Time for each step; on loopback all of them take milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

const AUTHORITY: &str = "the demo";

/// Bytes that surely fit into one DATAGRAM frame of a 1,200-byte packet.
const TEXT_MAX: usize = 1_000;

/// Runs the demo.
pub(super) fn run(arguments: DemoArguments) -> Result<ExitStatus, Failure> {
    check(&arguments.text)?;
    let (lines, qlog) = (arguments.trace.map(lines), &arguments.qlog);
    let mut observing =
        Observing::start_with(&arguments.capture, PATIENCE, lines, qlog, Side::Client)?;
    let ending = show(&arguments, &mut observing);
    observing.finish();
    ending
}

fn show(arguments: &DemoArguments, observing: &mut Observing) -> Result<ExitStatus, Failure> {
    let authority =
        Arc::new(Authority::ephemeral(SystemTime::now()).context("cannot make a CA for the demo")?);
    let local = vec![LocalAuthority::in_memory(AUTHORITY, &authority)];
    let trust = TrustVerifier::new(TrustSettings::default().with_local_authorities(local))
        .context("cannot trust the demo's CA")?;
    let identity = AutomaticLeaf::ephemeral(authority, Arc::new(SystemTime::now))
        .context("cannot make a certificate for the demo")?;
    let config = server::config(Arc::new(identity)).with_listen([Listen::Loopback { port: 0 }]);
    let server =
        server::start(&config, Echo::default()).context("cannot start the demo's server")?;
    render::demo::server(server.addresses()[0], &mut Prose::new(io::stdout()))?;
    let conversation = converse(arguments, &server, &trust, observing.observers());
    // Before what follows on stdout.
    observing.finish_trace();
    let conversation = conversation?;
    let now = server::Command::Drain(Duration::ZERO);
    server.mailboxes().send(&now);
    server.wait().context("cannot wait for packets")?;
    tell(&conversation, &trust)
}

/// Returns what shows the packets.
fn lines(trace: DemoTraceArgument) -> Box<dyn Sink> {
    let detail = match trace {
        DemoTraceArgument::Story => return tracing::story(),
        DemoTraceArgument::Handshake => Detail::Handshake,
        DemoTraceArgument::Packets => Detail::Packets,
        DemoTraceArgument::Frames => Detail::Frames,
    };
    tracing::lines_to(detail, tracing::layout(&io::stderr()), io::stderr())
}

/// Refuses a text that cannot be echoed in every way.
fn check(text: &str) -> Result<(), Failure> {
    match text.len() {
        0 => Err(anyhow!("the text is empty: there would be nothing to compare").into()),
        1..=TEXT_MAX => Ok(()),
        length => Err(Failure::from(anyhow!(
            "the text has {length} bytes and does not fit into one DATAGRAM frame"
        ))
        .hint(format!("use at most {TEXT_MAX} bytes"))),
    }
}

/// Outcome of a conversation with the demo's server.
#[derive(Default)]
struct Conversation {
    connected: Option<Box<Connected>>,
    echoed: Vec<Echoed>,
    failure: Option<ClientFailure>,
}

fn converse(
    arguments: &DemoArguments,
    server: &Server<Echo>,
    trust: &Arc<TrustVerifier>,
    observers: Observers,
) -> Result<Conversation, Failure> {
    let target = Target {
        server_name: "localhost".into(),
        addresses: server.addresses().to_vec(),
    };
    let mut config = client::Config::new(target, trust.clone()).with_timeout(PATIENCE);
    // One end sees all that passes; from both, it would show twice.
    config.key_log = observers.capture.as_ref().map(Capture::key_log);
    config.observers = observers;
    let (tell, events) = channel();
    let listener = move |event| {
        // Nobody listens any more once the demo has failed.
        let _ = tell.send(event);
    };
    let client =
        Client::converse(&config, Box::new(listener)).context("cannot start the demo's client")?;
    let data = Bytes::from(arguments.text.clone());
    for over in [Mode::Stream, Mode::Uni, Mode::Datagram] {
        let data = data.clone();
        client.send(Command::Message(Message { data, over }));
    }
    client.send(Command::Finish);
    let mut conversation = Conversation::default();
    for event in events {
        match event {
            ClientEvent::Connected(connected) => conversation.connected = Some(connected),
            ClientEvent::Echoed(message) => conversation.echoed.push(message),
            ClientEvent::Ended(result) => conversation.failure = result.err(),
            _ => {}
        }
    }
    client.wait().context("cannot wait for packets")?;
    Ok(conversation)
}

/// Tells what came of it, after what was traced.
fn tell(conversation: &Conversation, trust: &TrustVerifier) -> Result<ExitStatus, Failure> {
    let mut out = Prose::new(io::stdout().lock());
    if let Some(connected) = &conversation.connected {
        render::demo::connected(connected, &trust::anchor(trust), &mut out)?;
    }
    for message in &conversation.echoed {
        render::demo::echoed(message, &mut out)?;
    }
    render::demo::verdict(conversation.echoed.len() as u64, &mut out)?;
    out.flush()?;
    match &conversation.failure {
        None => Ok(ExitStatus::Done),
        Some(failure) => Err(Failure::negative(
            anyhow::Error::new(failure.clone()).context("the demo failed"),
        )),
    }
}

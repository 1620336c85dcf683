//! A first handshake with a server, which says in one line why there can be no second.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::AtomicBool,
        mpsc::{RecvTimeoutError, channel},
    },
    time::Duration,
};

use anyhow::{Context, anyhow};
use qecho_cert::{HostPort, TrustVerifier};
use qecho_echo::client::{self, Client, ClientEvent, Command, Connected};
use qecho_packet::close::CERTIFICATE_REQUIRED;
use qecho_probe::remote::{RemoteServer, client};

use crate::{
    args::ConformArguments,
    commands::{dialing, resolve, stopping::Stopping, trust},
    exit::Failure,
};

/// Time after which it is looked whether a signal has come.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A server that takes handshakes.
pub(super) struct Reached {
    /// The server, as it was typed.
    pub(super) server: HostPort,
    /// The address at which it answers.
    pub(super) address: SocketAddr,
    /// The name that its certificate has.
    pub(super) server_name: String,
    /// The application protocol that it agrees to; `None` offers none.
    pub(super) alpn: Option<Vec<u8>>,
    /// Judge of its certificate.
    pub(super) verifier: Arc<TrustVerifier>,
}

impl Reached {
    /// Returns the server for scripts, which behave as this client has where they do not say
    /// otherwise.
    pub(super) fn remote(
        &self,
        patience: Duration,
        is_stopped: Arc<AtomicBool>,
    ) -> anyhow::Result<RemoteServer> {
        let (name, alpn) = (&self.server_name, self.alpn.as_deref());
        let client = client(name, alpn, self.verifier.clone())
            .with_context(|| format!("no certificate can be for {name}"))?;
        Ok(RemoteServer::new(
            self.address,
            client,
            patience,
            is_stopped,
        ))
    }
}

/// Connects to a server as any client does.
pub(super) fn reach(
    arguments: &ConformArguments,
    server: &HostPort,
    stopping: &Stopping,
) -> Result<Reached, Failure> {
    let verifier = trust::verifier(&arguments.dial)?;
    let target = resolve::target(server)?;
    let server_name = target.server_name.clone();
    let alpn = &arguments.dial.alpn;
    let config = client::Config::new(target, verifier.clone())
        .with_alpn(alpn.clone())
        .with_timeout(arguments.timeout);
    let (tell, events) = channel();
    let listener = move |event| {
        // Nobody listens any more after a signal.
        let _ = tell.send(event);
    };
    let client = Client::converse(&config, Box::new(listener)).context("cannot connect")?;
    client.send(Command::Finish);
    let mut connected = None::<Box<Connected>>;
    let ended = loop {
        match events.recv_timeout(LOOK_INTERVAL) {
            Ok(ClientEvent::Connected(handshake)) => connected = Some(handshake),
            Ok(ClientEvent::Ended(result)) => break result,
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => stopping.check()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(anyhow!("the client's thread ended without a word").into());
            }
        }
    };
    client.wait().context("cannot wait for packets")?;
    let failure = ended.err();
    if let Some(client::Failure::Dial(dial)) = &failure {
        return Err(dialing::failure(server, alpn, &verifier, dial));
    }
    if let Some(client::Failure::Closed(reason)) = &failure
        && reason.transport_code() == Some(CERTIFICATE_REQUIRED)
    {
        let error = anyhow!("cannot test {server}: it lets in clients with a certificate alone");
        return Err(Failure::negative(error).hint("for the test, let it ask for none"));
    }
    match (connected, failure) {
        // What became of it afterwards is a matter of the requirements.
        (Some(connected), _) => Ok(Reached {
            server: server.clone(),
            address: connected.address,
            server_name,
            alpn: connected.handshake.alpn,
            verifier,
        }),
        (None, failure) => {
            let why = failure.map_or_else(String::new, |failure| format!(": {failure}"));
            Err(Failure::negative(anyhow!(
                "cannot connect to {server}{why}"
            )))
        }
    }
}

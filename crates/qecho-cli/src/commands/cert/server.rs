//! The certificate that a QUIC server shows.

use std::{sync::mpsc::channel, time::Duration};

use anyhow::{Context, anyhow};
use qecho_cert::{HostPort, TrustSettings, TrustVerifier};
use qecho_echo::{
    client::{self, Client, ClientEvent, Command},
    dial::Alpn,
};
use qecho_packet::text;
use rustls::pki_types::CertificateDer;

use super::super::{dialing, resolve};
use crate::{exit::Failure, stderr::say};

/// Connects, asks nothing, trusts nobody with anything, and takes the chain, also where the
/// handshake fails behind it.
pub(super) fn chain(
    server: &HostPort,
    alpn: &Alpn,
    timeout: Duration,
) -> Result<Vec<CertificateDer<'static>>, Failure> {
    // Nothing is sent, so whoever answers may show what they have.
    let verifier = TrustVerifier::new(TrustSettings::default().with_insecure(true))
        .context("cannot prepare TLS")?;
    let config = client::Config::new(resolve::target(server)?, verifier.clone())
        .with_alpn(alpn.clone())
        .with_timeout(timeout);
    let (tell, events) = channel();
    let listener = Box::new(move |event| {
        // Nobody listens any more once the chain is there.
        let _ = tell.send(event);
    });
    let client = Client::converse(&config, listener).context("cannot start the client")?;
    let mut chain = Err(Failure::negative(anyhow!("{server} showed no certificate")));
    for event in events {
        match event {
            ClientEvent::Connected(connected) => {
                chain = Ok(connected.handshake.peer_certificates.clone());
                client.send(Command::Finish);
            }
            ClientEvent::Ended(outcome) => {
                if let (Err(failure), Err(_)) = (outcome, &chain) {
                    chain = shown(&verifier, explain(server, alpn, &verifier, &failure));
                }
                break;
            }
            _ => {}
        }
    }
    client.wait().context("cannot wait for packets")?;
    chain
}

/// Returns the chain that the server has shown before the handshake failed, and says why.
fn shown(
    verifier: &TrustVerifier,
    failure: Failure,
) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let chain = verifier.shown_chain();
    if chain.is_empty() {
        return Err(failure);
    }
    if let Some(error) = &failure.error {
        say(text::line(&format!("warning: {error:#}")));
    }
    Ok(chain)
}

fn explain(
    server: &HostPort,
    alpn: &Alpn,
    verifier: &TrustVerifier,
    failure: &client::Failure,
) -> Failure {
    let client::Failure::Dial(dial) = failure else {
        return Failure::negative(anyhow!("cannot connect to {server}: {failure}"));
    };
    dialing::failure(server, alpn, verifier, dial)
}

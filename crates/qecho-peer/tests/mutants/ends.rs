//! Settings of both sides, and runs of a script against one of them.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use qecho_peer::{
    endpoint::{ClientConfig, ServerConfig},
    faults::Fault,
    network::{Ecn, Network, PathId, Received},
    rules::Rules,
    script::{Opened, Probe, Reaction},
    simulated::{Conditions, Simulated, SimulatedClient, SimulatedServer},
    tls,
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
};

/// A certificate that nobody looks at, and its key.
static IDENTITY: LazyLock<rcgen::CertifiedKey<rcgen::KeyPair>> =
    LazyLock::new(|| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());

/// Returns what trusts the certificate.
pub(crate) fn verifier() -> Arc<dyn ServerCertVerifier> {
    let mut roots = RootCertStore::empty();
    roots.add(IDENTITY.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    verifier.build().unwrap()
}

/// Returns the settings of a server.
pub(crate) fn server_config() -> ServerConfig {
    let chain = vec![IDENTITY.cert.der().clone()];
    let key = IDENTITY.signing_key.serialize_der();
    ServerConfig::new(tls::ServerConfig::new(chain, &key, []).unwrap(), 1)
}

/// Returns the settings of a client whose connection IDs are for the script to issue.
pub(crate) fn client_config() -> ClientConfig {
    let mut config = ClientConfig::new(tls::ClientConfig::new([]), 2);
    config.behaviour.issues_connection_ids = false;
    config
}

/// Returns the settings of a server whose connection IDs are for the script to issue.
pub(crate) fn script_server_config() -> ServerConfig {
    let mut config = server_config();
    config.behaviour.issues_connection_ids = false;
    config
}

/// Returns the well-behaved server.
pub(crate) fn good_server() -> SimulatedServer {
    SimulatedServer::new(server_config())
}

/// Runs a script as a client of a server, once the handshake is confirmed.
pub(crate) fn to_server<T>(server: SimulatedServer, script: impl FnOnce(&mut Probe<'_>) -> T) -> T {
    let mut network = Simulated::new(server, Conditions::default());
    let mut probe = Probe::client(&mut network, client_config());
    assert_eq!(probe.open(), Opened::Confirmed);
    script(&mut probe)
}

/// Returns a network with a client at its far end.
pub(crate) fn client(
    change: impl Fn(Rules) -> Rules,
    faults: impl IntoIterator<Item = Fault>,
) -> Simulated<SimulatedClient> {
    Simulated::begin(Conditions::default(), |now| {
        SimulatedClient::new(client_config(), change, faults, now)
    })
}

/// Runs a script as the server of a client, once the handshake is confirmed.
pub(crate) fn to_client<T>(
    network: &mut dyn Network,
    script: impl FnOnce(&mut Probe<'_>) -> T,
) -> T {
    let mut probe = Probe::server(network, script_server_config());
    assert_eq!(probe.open(), Opened::Confirmed);
    script(&mut probe)
}

/// Runs a script on the good server and on one with a fault; the results must differ.
pub(crate) fn shows<T: PartialEq + std::fmt::Debug>(
    fault: Fault,
    right: T,
    script: impl Fn(SimulatedServer) -> T,
) {
    assert_eq!(script(good_server()), right, "without {fault:?}");
    assert_ne!(
        script(good_server().with_faults([fault])),
        right,
        "{fault:?}"
    );
}

/// The same, by a script that runs once the handshake is confirmed.
pub(crate) fn shows_later<T: PartialEq + std::fmt::Debug>(
    fault: Fault,
    right: T,
    script: impl Fn(&mut Probe<'_>) -> T,
) {
    shows(fault, right, |server| to_server(server, &script));
}

/// Sends a datagram to a server and returns all that comes back.
pub(crate) fn answers(server: SimulatedServer, datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut network = Simulated::new(server, Conditions::default());
    network.send(PathId(0), datagram, Ecn::NotEct);
    received(&mut network)
}

pub(crate) fn received(network: &mut dyn Network) -> Vec<Vec<u8>> {
    let until: Instant = network.now() + Duration::from_secs(5);
    let datagrams = std::iter::from_fn(|| network.receive(until));
    datagrams
        .map(|Received { datagram, .. }| datagram)
        .collect()
}

/// A long header of a version, zeros behind it to make it so large.
pub(crate) fn long(version: u32, destination: &[u8], source: &[u8], size: usize) -> Vec<u8> {
    let mut datagram = vec![0xc0];
    datagram.extend(version.to_be_bytes());
    for id in [destination, source] {
        datagram.push(id.len() as u8);
        datagram.extend(id);
    }
    datagram.resize(size, 0);
    datagram
}

/// Tells whether the reaction is this close.
pub(crate) fn is_close(reaction: &Reaction, code: u64, frame_type: Option<u64>) -> bool {
    matches!(reaction, Reaction::Closed(close)
        if close.code == code && close.frame_type == frame_type && !close.application)
}

/// The reaction to a packet that was processed.
pub(crate) const TAKEN: Reaction = Reaction::LivesOn {
    is_acknowledged: true,
};
/// The reaction to a packet that was discarded.
pub(crate) const DISCARDED: Reaction = Reaction::LivesOn {
    is_acknowledged: false,
};

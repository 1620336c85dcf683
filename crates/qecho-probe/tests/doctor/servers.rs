//! Servers, who vouches for them, and middleboxes before them.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use qecho_cert::{Pin, TrustSettings, TrustVerifier};
use qecho_packet::wire::Frame;
use qecho_peer::{
    endpoint::{Endpoint, ServerConfig},
    network::{Ecn, PathId, Received},
    simulated::SimulatedServer,
    tls,
};
use qecho_probe::doctor::{Door, Options, Report, Target, climb};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::CertificateDer;

use crate::world::{Fate, Passing, Simulation};

pub(crate) const HOST: &str = "example.com";
pub(crate) const PORT: u16 = 4_433;

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(crate) static TRUSTED: LazyLock<Authority> = LazyLock::new(|| authority("Trusted CA"));

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// Returns what a good certificate says.
pub(crate) fn good_params() -> CertificateParams {
    let mut params = CertificateParams::new([HOST.to_owned()]).unwrap();
    params.distinguished_name = named(HOST);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// Returns the settings of a server that shows these certificates, its own first, and takes a
/// protocol.
pub(crate) fn config_with(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> ServerConfig {
    let mut tls = tls::ServerConfig::new(chain, &key.serialize_der(), []).unwrap();
    tls.alpn = vec![b"h3".to_vec()];
    ServerConfig::new(tls, 1)
}

/// Returns the settings of a server with a certificate of the trusted CA.
pub(crate) fn config_of(params: &CertificateParams) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let signed = params.signed_by(&key, &TRUSTED).unwrap();
    config_with(vec![signed.der().clone()], &key)
}

pub(crate) fn good_config() -> ServerConfig {
    config_of(&good_params())
}

/// Returns the settings of a good server that takes one protocol alone.
pub(crate) fn config_taking(alpn: &[u8]) -> ServerConfig {
    let mut config = good_config();
    config.tls.alpn = vec![alpn.to_vec()];
    config
}

pub(crate) fn good_server() -> SimulatedServer {
    SimulatedServer::new(good_config())
}

pub(crate) fn at(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), PORT)
}

/// The address of the only server, mostly.
pub(crate) const ADDRESS: &str = "192.0.2.1";

/// Returns a simulation of one server.
pub(crate) fn one(server: SimulatedServer) -> Simulation {
    Simulation::new().serve(&[at(ADDRESS)], server)
}

/// File with the certificate of the CA that is trusted.
static TRUSTED_FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let name = format!("trusted-{}.pem", std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let trusted: &rcgen::Certificate = (*TRUSTED).as_ref();
    fs::write(&path, trusted.pem()).unwrap();
    path
});

pub(crate) fn verifier(pin: Option<Pin>) -> Arc<TrustVerifier> {
    let files = vec![TRUSTED_FILE.clone()];
    let settings = TrustSettings::default().with_ca_files(files).with_pin(pin);
    TrustVerifier::new(settings).unwrap()
}

pub(crate) fn target(addresses: &[&str], doors: Vec<Door>) -> Target {
    let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
    Target::new(HOST, HOST, Ok(addresses), doors, verifier(None))
}

pub(crate) fn chosen_door() -> Door {
    Door::new(PORT, Some(b"h3".to_vec()), true).with_chosen_protocol()
}

/// Climbs to a server of these addresses.
pub(crate) fn examine_at(world: &mut Simulation, addresses: &[&str]) -> Report {
    examine_target(world, &target(addresses, vec![chosen_door()]))
}

pub(crate) fn examine_target(world: &mut Simulation, target: &Target) -> Report {
    let options = Options::default();
    climb(world, Some(target), &options, &mut |_| {}, &mut |_| {})
}

pub(crate) fn examine(world: &mut Simulation) -> Report {
    examine_at(world, &[ADDRESS])
}

/// Returns a middlebox that does something to what goes to the server.
pub(crate) fn towards(
    mut act: impl FnMut(&Passing<'_>) -> Fate + 'static,
) -> impl FnMut(&Passing<'_>) -> Fate + 'static {
    move |passing| match passing.is_to_server {
        true => act(passing),
        false => Fate::Passes,
    }
}

/// Returns a middlebox that loses what goes to the server, if it is so.
pub(crate) fn loses(
    mut is_lost: impl FnMut(&Passing<'_>) -> bool + 'static,
) -> impl FnMut(&Passing<'_>) -> Fate + 'static {
    towards(move |passing| match is_lost(passing) {
        true => Fate::Lost,
        false => Fate::Passes,
    })
}

/// Looks into a client's Initial packet as a middlebox does: what it asks for, if the ClientHello
/// is whole in it, and whether there is a part of one at all.
fn look_into(passing: &Passing<'_>) -> (Option<tls::ClientHello>, bool) {
    let mut reader = Endpoint::server(good_config_once(), passing.at);
    let received = Received {
        path: PathId::default(),
        datagram: passing.datagram.to_vec(),
        ecn: Ecn::NotEct,
    };
    reader.receive(passing.at, &received);
    let frames = reader.received().iter().flat_map(|it| it.frames());
    let mut frames = frames.filter(|frame| matches!(frame, Frame::Crypto { .. }));
    let has_part = frames.next().is_some();
    (reader.client_hello().cloned(), has_part)
}

fn good_config_once() -> ServerConfig {
    static CONFIG: LazyLock<ServerConfig> = LazyLock::new(good_config);
    CONFIG.clone()
}

/// Returns a middlebox that loses each ClientHello of one datagram that is so.
pub(crate) fn loses_hello(
    is_lost: impl Fn(&tls::ClientHello) -> bool + 'static,
) -> impl FnMut(&Passing<'_>) -> Fate + 'static {
    loses(move |passing| look_into(passing).0.is_some_and(|hello| is_lost(&hello)))
}

/// Returns a middlebox that loses each ClientHello that is not whole in its first datagram.
pub(crate) fn loses_parts() -> impl FnMut(&Passing<'_>) -> Fate + 'static {
    loses(|passing| matches!(look_into(passing), (None, true)))
}

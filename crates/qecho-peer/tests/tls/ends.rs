//! Both ends of a handshake, of either make, and what passes between them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use qecho_packet::close::PROTOCOL_VIOLATION;
use qecho_peer::tls::{
    ClientConfig, ClientTls, Level, Output, ServerConfig, ServerTls, Session, TlsError,
    Verification,
};
use rustls::{
    KeyLog, RootCertStore,
    client::WebPkiServerVerifier,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    quic::{self, KeyChange, Version},
    version::TLS13,
};

pub(crate) const ALPN: &[u8] = b"echo";
pub(crate) const CLIENT_PARAMETERS: &[u8] = &[0x01, 0x01, 0x05];
pub(crate) const SERVER_PARAMETERS: &[u8] = &[0x01, 0x01, 0x06];

/// Secrets by their label, of one connection.
pub(crate) type Secrets = BTreeMap<String, Vec<u8>>;

/// A message and its level.
pub(crate) type Flight = Vec<(Level, Vec<u8>)>;

/// One end of a handshake.
pub(crate) trait End {
    /// Reads; fails with a QUIC error code.
    fn read(&mut self, level: Level, bytes: &[u8]) -> Result<(), u64>;
    /// Returns what is to be sent.
    fn flight(&mut self) -> Flight;
}

/// Lets both ends talk until neither has more to say; fails with the name of the end that
/// refused the other, and its error code.
pub(crate) fn talk(client: &mut dyn End, server: &mut dyn End) -> Result<(), (&'static str, u64)> {
    let (mut to_server, mut to_client) = (client.flight(), server.flight());
    while !to_server.is_empty() || !to_client.is_empty() {
        for (level, bytes) in std::mem::take(&mut to_server) {
            server
                .read(level, &bytes)
                .map_err(|code| ("server", code))?;
            // At once: rustls tells only so when its keys change.
            to_client.extend(server.flight());
        }
        for (level, bytes) in std::mem::take(&mut to_client) {
            client
                .read(level, &bytes)
                .map_err(|code| ("client", code))?;
            to_server.extend(client.flight());
        }
    }
    Ok(())
}

/// Our client or server, with all that it has put out.
pub(crate) struct Ours<T> {
    pub(crate) tls: T,
    pub(crate) secrets: Secrets,
    pub(crate) parameters: Option<Vec<u8>>,
    pub(crate) complete: bool,
    pub(crate) sessions: Vec<Session>,
    /// Keys: level, and whether there are such to send and to receive.
    pub(crate) keys: Vec<(Level, bool, bool)>,
    pub(crate) error: Option<TlsError>,
}

/// What our client and server have in common.
pub(crate) trait OurTls {
    fn read(&mut self, level: Level, bytes: &[u8]) -> Result<(), TlsError>;
    fn output(&mut self) -> Option<Output>;
}

impl OurTls for ClientTls {
    fn read(&mut self, level: Level, bytes: &[u8]) -> Result<(), TlsError> {
        self.read(level, bytes)
    }

    fn output(&mut self) -> Option<Output> {
        self.output()
    }
}

impl OurTls for ServerTls {
    fn read(&mut self, level: Level, bytes: &[u8]) -> Result<(), TlsError> {
        self.read(level, bytes)
    }

    fn output(&mut self) -> Option<Output> {
        self.output()
    }
}

impl<T: OurTls> End for Ours<T> {
    fn read(&mut self, level: Level, bytes: &[u8]) -> Result<(), u64> {
        self.tls.read(level, bytes).map_err(|error| {
            self.error = Some(error.clone());
            error.code
        })
    }

    fn flight(&mut self) -> Flight {
        let mut flight = Vec::new();
        while let Some(output) = self.tls.output() {
            match output {
                Output::Message { level, bytes } => flight.push((level, bytes)),
                Output::Keys {
                    level,
                    local,
                    remote,
                    ..
                } => self.keys.push((level, local.is_some(), remote.is_some())),
                Output::PeerParameters(parameters) => self.parameters = Some(parameters),
                Output::KeyLog { label, secret, .. } => {
                    self.secrets.insert(label.to_owned(), secret);
                }
                Output::Complete => self.complete = true,
                Output::Ticket(session) => self.sessions.push(session),
                other => panic!("{other:?}"),
            }
        }
        flight
    }
}

impl<T> Ours<T> {
    fn new(tls: T) -> Self {
        Self {
            tls,
            secrets: Secrets::new(),
            parameters: None,
            complete: false,
            sessions: Vec::new(),
            keys: Vec::new(),
            error: None,
        }
    }
}

pub(crate) fn our_client(config: ClientConfig) -> Ours<ClientTls> {
    Ours::new(ClientTls::new(config, &mut |bytes| bytes.fill(3)))
}

pub(crate) fn our_server(config: ServerConfig) -> Ours<ServerTls> {
    Ours::new(ServerTls::new(config, &mut |bytes| bytes.fill(4)))
}

/// A client or server of rustls.
pub(crate) struct Theirs {
    pub(crate) tls: quic::Connection,
    level: Level,
}

impl End for Theirs {
    fn read(&mut self, _: Level, bytes: &[u8]) -> Result<(), u64> {
        self.tls.read_hs(bytes).map_err(|_| {
            // A QUIC stack on rustls says PROTOCOL_VIOLATION where it names no alert.
            let alert = self.tls.alert().map(u8::from);
            alert.map_or(PROTOCOL_VIOLATION, |alert| 0x100 + u64::from(alert))
        })
    }

    fn flight(&mut self) -> Flight {
        let mut flight = Vec::new();
        loop {
            let mut bytes = Vec::new();
            let change = self.tls.write_hs(&mut bytes);
            let silent = bytes.is_empty();
            if !silent {
                flight.push((self.level, bytes));
            }
            match change {
                Some(KeyChange::Handshake { .. }) => self.level = Level::Handshake,
                Some(KeyChange::OneRtt { .. }) => self.level = Level::OneRtt,
                None if silent => return flight,
                None => {}
            }
        }
    }
}

/// Secrets that rustls tells.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Secrets>);

impl Log {
    /// Returns the secrets that both sides must have in common.
    pub(crate) fn take(&self) -> Secrets {
        let mut secrets = std::mem::take(&mut *self.0.lock().expect("no test has panicked"));
        secrets.retain(|label, _| !label.contains("EXPORTER"));
        secrets
    }
}

impl KeyLog for Log {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        let mut secrets = self.0.lock().expect("no test has panicked");
        secrets.insert(label.to_owned(), secret.to_vec());
    }
}

/// Everything that both makes of ends are configured with.
pub(crate) struct World {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: Vec<u8>,
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) log: Arc<Log>,
}

impl World {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("randomness");
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]);
        let parameters = parameters.expect("the name is a name");
        let certificate = parameters.self_signed(&key).expect("the key signs");
        let certificate = certificate.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).expect("it is one");
        Self {
            certificate,
            key: key.serialize_der(),
            roots: Arc::new(roots),
            log: Arc::default(),
        }
    }

    /// A client of ours that checks all that there is to check.
    pub(crate) fn client(&self) -> ClientConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(self.roots.clone(), provider);
        ClientConfig::new(CLIENT_PARAMETERS)
            .with(|it| it.alpn = vec![ALPN.to_vec()])
            .with(|it| it.server_name = Some("localhost".to_owned()))
            .with(|it| {
                it.verification = Some(Verification {
                    verifier: verifier.build().expect("there is a root"),
                    name: ServerName::try_from("localhost").expect("it is a name"),
                    now: UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000)),
                })
            })
    }

    /// A server of ours.
    pub(crate) fn server(&self) -> ServerConfig {
        let chain = vec![self.certificate.clone()];
        ServerConfig::new(chain, &self.key, SERVER_PARAMETERS)
            .expect("the key is one of P-256")
            .with(|it| it.alpn = vec![ALPN.to_vec()])
    }

    pub(crate) fn their_client_config(&self, provider: CryptoProvider) -> rustls::ClientConfig {
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(provider));
        let mut config = builder
            .with_protocol_versions(&[&TLS13])
            .expect("the provider speaks it")
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.key_log = self.log.clone();
        config.enable_early_data = true;
        config
    }

    pub(crate) fn their_server_config(&self, provider: CryptoProvider) -> rustls::ServerConfig {
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(provider));
        let key = PrivateKeyDer::try_from(self.key.clone()).expect("PKCS #8");
        let mut config = builder
            .with_protocol_versions(&[&TLS13])
            .expect("the provider speaks it")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .expect("the key fits the certificate");
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.key_log = self.log.clone();
        config.max_early_data_size = u32::MAX;
        config
    }

    pub(crate) fn their_server(&self) -> Theirs {
        their_server(self.their_server_config(aws_lc_rs::default_provider()))
    }
}

pub(crate) fn their_client(config: impl Into<Arc<rustls::ClientConfig>>) -> Theirs {
    let name = ServerName::try_from("localhost").expect("it is a name");
    let parameters = CLIENT_PARAMETERS.to_vec();
    let client = quic::ClientConnection::new(config.into(), Version::V1, name, parameters);
    Theirs {
        tls: client.expect("these settings work").into(),
        level: Level::Initial,
    }
}

pub(crate) fn their_server(config: impl Into<Arc<rustls::ServerConfig>>) -> Theirs {
    let parameters = SERVER_PARAMETERS.to_vec();
    let server = quic::ServerConnection::new(config.into(), Version::V1, parameters);
    Theirs {
        tls: quic::Connection::Server(server.expect("these settings work")),
        level: Level::Initial,
    }
}

/// A provider with one suite, or all.
pub(crate) fn provider(
    suite: Option<rustls::SupportedCipherSuite>,
    groups: &[&'static dyn SupportedKxGroup],
) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if let Some(suite) = suite {
        provider.cipher_suites = vec![suite];
    }
    provider.kx_groups = groups.to_vec();
    provider
}

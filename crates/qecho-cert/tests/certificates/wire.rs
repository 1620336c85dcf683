//! A TLS 1.3 handshake between a client and a server over two vectors.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use qecho_cert::{Clock, LocalAuthority, TrustSettings, TrustVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::server::ResolvesServerCert;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::issue::file;

/// 2026-11-23 12:00 UTC, in seconds since 1970.
const NOW: u64 = 1_795_435_200;
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

/// A clock that stands still.
pub(crate) fn clock() -> Clock {
    Arc::new(now)
}

/// Trusts the local authority in a folder, under the name `qecho`.
pub(crate) fn trusting(folder: &tempfile::TempDir) -> TrustSettings {
    let local = vec![LocalAuthority::at("qecho", folder.path())];
    TrustSettings::default().with_local_authorities(local)
}

/// Trusts the CA in a file.
pub(crate) fn trusting_ca(path: PathBuf) -> TrustSettings {
    TrustSettings::default().with_ca_files(vec![path])
}

/// Trusts the CA whose certificate is given, by way of a file in a folder.
pub(crate) fn trusting_file(folder: &tempfile::TempDir, pem: &str) -> TrustSettings {
    trusting_ca(file(folder, "ca.pem", pem))
}

/// Trusts every server.
pub(crate) fn trusting_anybody() -> TrustSettings {
    TrustSettings::default().with_insecure(true)
}

/// Outcome of a handshake for the client.
pub(crate) struct Handshake {
    pub(crate) verifier: Arc<TrustVerifier>,
    /// The certificate it saw, or the error it ended with.
    pub(crate) result: Result<CertificateDer<'static>, rustls::Error>,
}

impl Handshake {
    /// Asserts that the server was accepted, and by which anchor.
    #[track_caller]
    pub(crate) fn accepted_by(&self, anchor: &str) {
        self.result.as_ref().expect("the handshake completes");
        assert!(self.verifier.failure().is_none());
        let verified_by = self.verifier.verified_by();
        let verified_by = verified_by.expect("an accepted server has an anchor");
        assert_eq!(verified_by.to_string(), anchor);
    }

    /// Asserts the reason of the refusal, and returns the hint.
    #[track_caller]
    pub(crate) fn refused_because(&self, reason: &str) -> String {
        let (said, hint) = self.refused();
        assert_eq!(said, reason);
        hint
    }

    /// Returns the reason of the refusal and the hint.
    #[track_caller]
    pub(crate) fn refused(&self) -> (String, String) {
        assert!(matches!(
            self.result,
            Err(rustls::Error::InvalidCertificate(_))
        ));
        assert_eq!(self.verifier.verified_by(), None);
        let failure = self
            .verifier
            .failure()
            .expect("a refused server was refused for something");
        (failure.to_string(), failure.hint())
    }
}

/// Lets a client that calls `name` meet a server.
pub(crate) fn meet(
    settings: TrustSettings,
    name: &'static str,
    identity: Arc<dyn ResolvesServerCert>,
) -> Handshake {
    meet_at(now(), settings, name, identity)
}

/// The same, at another time by the client's clock.
pub(crate) fn meet_at(
    time: SystemTime,
    settings: TrustSettings,
    name: &'static str,
    identity: Arc<dyn ResolvesServerCert>,
) -> Handshake {
    let verifier = TrustVerifier::new(settings).expect("the settings are usable");
    assert_eq!(verifier.verified_by(), None, "nobody has been verified yet");
    assert!(verifier.failure().is_none());
    let mut client = client(&verifier, name, time);
    let mut server = server(identity);
    let result = shake_hands(&mut client, &mut server).map(|()| {
        client
            .peer_certificates()
            .expect("a server shows its chain")[0]
            .clone()
            .into_owned()
    });
    Handshake { verifier, result }
}

fn client(verifier: &Arc<TrustVerifier>, name: &'static str, time: SystemTime) -> Connection {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_details(provider, Arc::new(StandingClock(time)))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(verifier) as _)
        .with_no_client_auth();
    let name = ServerName::try_from(name).expect("the test names a host");
    ClientConnection::new(Arc::new(config), name)
        .expect("the configuration is usable")
        .into()
}

fn server(identity: Arc<dyn ResolvesServerCert>) -> Connection {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(identity);
    ServerConnection::new(Arc::new(config))
        .expect("the configuration is usable")
        .into()
}

// Ends with the client's verdict; the server is well-behaved.
fn shake_hands(client: &mut Connection, server: &mut Connection) -> Result<(), rustls::Error> {
    const FLIGHTS_MAX: usize = 10;
    for _ in 0..FLIGHTS_MAX {
        deliver(client, server).expect("the server has nothing to object to");
        deliver(server, client)?;
        if !client.is_handshaking() && !server.is_handshaking() {
            return Ok(());
        }
    }
    panic!("the handshake goes on and on");
}

fn deliver(from: &mut Connection, to: &mut Connection) -> Result<(), rustls::Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes)
            .expect("a vector takes everything");
    }
    let mut bytes = bytes.as_slice();
    while !bytes.is_empty() {
        to.read_tls(&mut bytes).expect("a vector gives everything");
        to.process_new_packets()?;
    }
    Ok(())
}

#[derive(Debug)]
struct StandingClock(SystemTime);

impl TimeProvider for StandingClock {
    fn current_time(&self) -> Option<UnixTime> {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(UnixTime::since_unix_epoch(since))
    }
}

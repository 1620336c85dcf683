//! Servers on the network, over real UDP ports.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use qecho_io::{PortEvent, Ports};
use qecho_packet::{DatagramObserver, Direction, ObservedDatagram};
use qecho_peer::{
    endpoint::ClientConfig,
    network::{Ecn, Network, PathId, Received},
    tls::{self, Verification},
};
use rustls::{
    client::danger::ServerCertVerifier,
    pki_types::{InvalidDnsNameError, ServerName, UnixTime},
};

use crate::conform::Subject;

/// Time for which a signal that ends a run may go unseen.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What sees the datagrams of a run.
pub type SharedObserver = Arc<Mutex<Option<Box<dyn DatagramObserver>>>>;

/// A server at an address.
#[derive(Clone)]
pub struct RemoteServer {
    address: SocketAddr,
    config: ClientConfig,
    patience: Duration,
    is_stopped: Arc<AtomicBool>,
    observer: SharedObserver,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

impl RemoteServer {
    /// Names a server, and a client that behaves well and awaits answers for `patience`.
    ///
    /// Once `is_stopped`, nothing is waited for any more, as if all time had passed: what a run
    /// then comes to says nothing.
    pub fn new(
        address: SocketAddr,
        config: ClientConfig,
        patience: Duration,
        is_stopped: Arc<AtomicBool>,
    ) -> Self {
        Self {
            address,
            config,
            patience,
            is_stopped,
            observer: SharedObserver::default(),
            trouble: Arc::default(),
        }
    }

    /// Returns the place of what sees each datagram; what is put there sees those that follow.
    pub fn observer(&self) -> SharedObserver {
        Arc::clone(&self.observer)
    }
}

impl Subject for RemoteServer {
    fn network(&mut self) -> io::Result<Box<dyn Network>> {
        let ports = Ports::open(self.address).map_err(io::Error::other)?;
        *locked(&self.trouble) = None;
        Ok(Box::new(PortNetwork {
            ports,
            is_stopped: Arc::clone(&self.is_stopped),
            skipped: None,
            has_received: false,
            observer: Arc::clone(&self.observer),
            trouble: Arc::clone(&self.trouble),
        }))
    }

    fn config(&self) -> ClientConfig {
        self.config.clone()
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn pause(&mut self, time: Duration) {
        let mut rest = time;
        while !rest.is_zero() && !self.is_stopped.load(SeqCst) {
            let slept = rest.min(LOOK_INTERVAL);
            thread::sleep(slept);
            rest -= slept;
        }
    }

    fn trouble(&self) -> Option<String> {
        let trouble = locked(&self.trouble);
        trouble.as_ref().map(|trouble| trouble.words.clone())
    }

    fn is_refused(&self) -> bool {
        let trouble = locked(&self.trouble);
        trouble.as_ref().is_some_and(|trouble| trouble.is_refused)
    }
}

impl fmt::Debug for RemoteServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Returns the settings of a client that behaves well: it asks for a server of this name, offers
/// a protocol unless there is none, and lets `verifier` judge the certificate.
///
/// All that is random derives of a seed, which is another one in each process.
///
/// # Errors
/// If no certificate can have that name.
pub fn client(
    server_name: &str,
    alpn: Option<&[u8]>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, InvalidDnsNameError> {
    // The last dot says that a name is whole, and is no part of it (RFC 6066 §3); case says
    // nothing.
    let whole = server_name.strip_suffix('.').unwrap_or(server_name);
    let whole = whole.to_ascii_lowercase();
    let name = ServerName::try_from(whole.clone())?;
    let tls = tls::ClientConfig::new(Vec::new()).with(|tls| {
        tls.alpn = alpn.iter().map(|name| name.to_vec()).collect();
        tls.server_name = matches!(name, ServerName::DnsName(_)).then_some(whole);
        tls.verification = Some(Verification {
            verifier,
            name,
            now: UnixTime::now(),
        });
    });
    let seed = RandomState::new().hash_one(server_name);
    Ok(ClientConfig::new(tls, seed))
}

/// What the system said of a network.
struct Trouble {
    words: String,
    /// Whether it is that nobody listens.
    is_refused: bool,
}

/// Local ports as the paths of a script.
struct PortNetwork {
    ports: Ports,
    is_stopped: Arc<AtomicBool>,
    /// The end of what was not waited for any more.
    skipped: Option<Instant>,
    has_received: bool,
    observer: SharedObserver,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

impl PortNetwork {
    fn show(&self, direction: Direction, path: PathId, ecn: u8, contents: &[u8]) {
        let mut observer = locked(&self.observer);
        if let (Some(observer), Some(local)) = (&mut *observer, self.ports.local(path.0)) {
            observer.see(&ObservedDatagram {
                at: self.ports.since_1970(),
                direction,
                local,
                remote: self.ports.remote(),
                ecn,
                contents,
                segment_size: None,
            });
        }
    }

    fn note(&self, error: &io::Error) {
        let is_refused = error.kind() == io::ErrorKind::ConnectionRefused;
        let words = match is_refused {
            true => "nobody listens there".into(),
            false => error.to_string(),
        };
        *locked(&self.trouble) = Some(Trouble { words, is_refused });
    }
}

impl Network for PortNetwork {
    fn now(&self) -> Instant {
        let now = self.ports.now();
        self.skipped.map_or(now, |skipped| skipped.max(now))
    }

    fn send(&mut self, path: PathId, datagram: &[u8], ecn: Ecn) {
        let ecn = bits(ecn);
        self.show(Direction::Sent, path, ecn, datagram);
        if let Err(error) = self.ports.send(path.0, datagram, ecn) {
            self.note(&error);
        }
    }

    fn receive(&mut self, until: Instant) -> Option<Received> {
        while !self.is_stopped.load(SeqCst) {
            let look = until.min(self.ports.now() + LOOK_INTERVAL);
            match self.ports.receive(look) {
                Ok(Some(PortEvent::Datagram {
                    port,
                    ecn,
                    contents,
                })) => {
                    let path = PathId(port);
                    self.show(Direction::Received, path, ecn, &contents);
                    self.has_received = true;
                    return Some(Received {
                        path,
                        datagram: contents,
                        ecn: codepoint(ecn),
                    });
                }
                Ok(Some(PortEvent::Unreachable { reason, .. })) => {
                    self.note(&reason);
                    // Whoever is not there from the beginning need not be waited for.
                    if !self.has_received && reason.kind() == io::ErrorKind::ConnectionRefused {
                        break;
                    }
                }
                Ok(_) if look < until => {}
                Ok(_) => return None,
                Err(error) => {
                    self.note(&error);
                    break;
                }
            }
        }
        self.skipped = self.skipped.max(Some(until));
        None
    }

    fn open_path(&mut self) -> io::Result<PathId> {
        self.ports.add().map(PathId).map_err(io::Error::other)
    }
}

/// Returns the bits of an IP header (RFC 3168 §5).
pub(crate) fn bits(ecn: Ecn) -> u8 {
    match ecn {
        Ecn::NotEct => 0b00,
        Ecn::Ect1 => 0b01,
        Ecn::Ect0 => 0b10,
        Ecn::Ce => 0b11,
    }
}

pub(crate) fn codepoint(bits: u8) -> Ecn {
    match bits & 0b11 {
        0b00 => Ecn::NotEct,
        0b01 => Ecn::Ect1,
        0b10 => Ecn::Ect0,
        _ => Ecn::Ce,
    }
}

/// Takes what is locked, also where a thread has panicked with it.
pub(crate) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

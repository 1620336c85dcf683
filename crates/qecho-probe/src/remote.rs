//! Servers on the network, over real UDP ports.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use qecho_io::{BindError, IcmpMessage, PortEvent, Ports};
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

/// A server at an address. Its networks live at one time: what one of them need not wait for has
/// passed for all.
#[derive(Clone)]
pub struct RemoteServer {
    address: SocketAddr,
    config: ClientConfig,
    patience: Duration,
    is_stopped: Arc<AtomicBool>,
    observer: SharedObserver,
    skipped: Skipped,
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
            skipped: Skipped::default(),
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
        *locked(&self.trouble) = None;
        let observer = Arc::clone(&self.observer);
        let network = PortNetwork::open(self.address, None, Arc::clone(&self.is_stopped), observer);
        let network = network.map_err(io::Error::other)?;
        Ok(Box::new(PortNetwork {
            skipped: self.skipped.clone(),
            trouble: Arc::clone(&self.trouble),
            ..network
        }))
    }

    fn config(&self) -> ClientConfig {
        self.config.clone()
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn pause(&mut self, time: Duration) {
        pause(time, &self.is_stopped);
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

/// Lets time pass, until somebody stops it.
pub(crate) fn pause(time: Duration, is_stopped: &AtomicBool) {
    let mut rest = time;
    while !rest.is_zero() && !is_stopped.load(SeqCst) {
        let slept = rest.min(LOOK_INTERVAL);
        thread::sleep(slept);
        rest -= slept;
    }
}

/// Time that was skipped, as there was nothing to wait for: it is added to what the clock says.
/// Those who share it live at one time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skipped(Arc<Mutex<Duration>>);

impl Skipped {
    /// Returns the time, if the clock says `now`.
    pub(crate) fn time(&self, now: Instant) -> Instant {
        now + *locked(&self.0)
    }

    /// Skips what is left until then.
    pub(crate) fn until(&self, until: Instant, now: Instant) {
        let mut skipped = locked(&self.0);
        let rest = until.saturating_duration_since(now + *skipped);
        *skipped += rest;
    }
}

/// What is told beside the datagrams that a peer sends.
pub(crate) enum Aside<'a> {
    /// A message about a datagram that was sent before.
    Icmp(IcmpMessage),
    /// A datagram was not sent, and why.
    NotSent(&'a io::Error),
    /// A datagram of another than the peer.
    Foreign {
        /// Its sender.
        from: SocketAddr,
        /// Its UDP payload.
        contents: Vec<u8>,
    },
}

/// Takes what is told beside datagrams, and the time.
pub(crate) type AsideListener = Box<dyn FnMut(Instant, Aside<'_>)>;

/// Local ports as the paths of a script.
pub(crate) struct PortNetwork {
    ports: Ports,
    is_stopped: Arc<AtomicBool>,
    skipped: Skipped,
    has_received: bool,
    observer: SharedObserver,
    trouble: Arc<Mutex<Option<Trouble>>>,
    listener: Option<AsideListener>,
}

impl PortNetwork {
    /// Opens a first port, at one of this host's addresses or at whichever the system chooses.
    pub(crate) fn open(
        remote: SocketAddr,
        local: Option<IpAddr>,
        is_stopped: Arc<AtomicBool>,
        observer: SharedObserver,
    ) -> Result<Self, BindError> {
        Ok(Self {
            ports: Ports::open_at(remote, local)?,
            is_stopped,
            skipped: Skipped::default(),
            has_received: false,
            observer,
            trouble: Arc::default(),
            listener: None,
        })
    }

    /// Hands on all that is told beside the peer's datagrams, and lives at the time of others.
    pub(crate) fn telling(self, listener: AsideListener, skipped: Skipped) -> Self {
        Self {
            ports: self.ports.telling_all(),
            listener: Some(listener),
            skipped,
            ..self
        }
    }

    fn show(&self, direction: Direction, path: PathId, ecn: u8, contents: &[u8]) {
        self.show_of(self.ports.remote(), direction, path, ecn, contents);
    }

    fn show_of(
        &self,
        remote: SocketAddr,
        direction: Direction,
        path: PathId,
        ecn: u8,
        contents: &[u8],
    ) {
        let mut observer = locked(&self.observer);
        if let (Some(observer), Some(local)) = (&mut *observer, self.ports.local(path.0)) {
            observer.see(&ObservedDatagram {
                at: self.ports.since_1970(),
                direction,
                local,
                remote,
                ecn,
                contents,
                segment_size: None,
            });
        }
    }

    fn tell(&mut self, aside: Aside<'_>) {
        let now = self.now();
        if let Some(listener) = &mut self.listener {
            listener(now, aside);
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
        self.skipped.time(self.ports.now())
    }

    fn send(&mut self, path: PathId, datagram: &[u8], ecn: Ecn) {
        let ecn = bits(ecn);
        self.show(Direction::Sent, path, ecn, datagram);
        if let Err(error) = self.ports.send(path.0, datagram, ecn) {
            self.note(&error);
            self.tell(Aside::NotSent(&error));
        }
    }

    fn receive(&mut self, until: Instant) -> Option<Received> {
        while !self.is_stopped.load(SeqCst) {
            let rest = until.saturating_duration_since(self.now());
            let look = self.ports.now() + rest.min(LOOK_INTERVAL);
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
                Ok(Some(PortEvent::Unreachable { reason, icmp, .. })) => {
                    self.note(&reason);
                    self.tell(Aside::Icmp(icmp));
                    // Whoever is not there from the beginning need not be waited for.
                    if !self.has_received && reason.kind() == io::ErrorKind::ConnectionRefused {
                        break;
                    }
                }
                Ok(Some(PortEvent::TooLarge { icmp, .. })) => self.tell(Aside::Icmp(icmp)),
                Ok(Some(PortEvent::Foreign {
                    port,
                    from,
                    ecn,
                    contents,
                })) => {
                    self.show_of(from, Direction::Received, PathId(port), ecn, &contents);
                    self.tell(Aside::Foreign { from, contents });
                }
                Ok(_) if self.now() < until => {}
                Ok(_) => return None,
                Err(error) => {
                    self.note(&error);
                    break;
                }
            }
        }
        self.skipped.until(until, self.ports.now());
        None
    }

    fn open_path(&mut self) -> io::Result<PathId> {
        self.ports.add().map(PathId).map_err(io::Error::other)
    }

    fn open_path_at(&mut self, local: IpAddr) -> io::Result<PathId> {
        let port = self.ports.add_at(local).map_err(io::Error::other)?;
        Ok(PathId(port))
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

//! A server in virtual time that is tested: the well-behaved one, or a mutant of it.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    io,
    rc::Rc,
    sync::LazyLock,
    time::{Duration, Instant},
};

use qecho_peer::{
    endpoint::{ClientConfig, ServerConfig},
    network::{Ecn, Network, PathId, Received},
    simulated::{Conditions, Simulated, SimulatedServer},
    tls,
};
use qecho_probe::conform::{Finding, Prober, Selection, Side, Subject, Target};

/// A certificate that nobody looks at, and its key.
static IDENTITY: LazyLock<rcgen::CertifiedKey<rcgen::KeyPair>> =
    LazyLock::new(|| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());

/// The application protocol of both sides.
const ALPN: &[u8] = b"test";

/// A simulated server; all networks to it are one, and each has paths of its own.
pub(crate) struct Simulation {
    shared: Rc<RefCell<Shared>>,
    patience: Duration,
}

struct Shared {
    network: Simulated<SimulatedServer>,
    /// Datagrams that came while another network was looked at, by path.
    waiting: HashMap<PathId, VecDeque<Received>>,
}

/// One network of a simulation: a near end with its own paths.
struct Near {
    shared: Rc<RefCell<Shared>>,
    /// The shared path of each of its own.
    paths: Vec<PathId>,
}

impl Simulation {
    /// Simulates a server.
    pub(crate) fn new(server: SimulatedServer, conditions: Conditions) -> Self {
        let network = Simulated::new(server, conditions);
        let waiting = HashMap::new();
        Self {
            shared: Rc::new(RefCell::new(Shared { network, waiting })),
            patience: Duration::from_secs(3),
        }
    }
}

impl Subject for Simulation {
    fn network(&mut self) -> io::Result<Box<dyn Network>> {
        let path = self.shared.borrow_mut().network.open_path()?;
        Ok(Box::new(Near {
            shared: Rc::clone(&self.shared),
            paths: vec![path],
        }))
    }

    fn config(&self) -> ClientConfig {
        client_config()
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn pause(&mut self, time: Duration) {
        let network = &mut self.shared.borrow_mut().network;
        let until = network.now() + time;
        while network.receive(until).is_some() {}
    }
}

impl Near {
    /// Takes what waits for one of its paths, under its own name of the path.
    fn take_waiting(&self, shared: &mut Shared) -> Option<Received> {
        let paths = self.paths.iter().enumerate();
        let mut taken = paths.filter_map(|(own, path)| {
            let received = shared.waiting.get_mut(path)?.pop_front()?;
            let path = PathId(own);
            Some(Received { path, ..received })
        });
        taken.next()
    }
}

impl Network for Near {
    fn now(&self) -> Instant {
        self.shared.borrow().network.now()
    }

    fn send(&mut self, path: PathId, datagram: &[u8], ecn: Ecn) {
        let path = self.paths[path.0];
        self.shared.borrow_mut().network.send(path, datagram, ecn);
    }

    fn receive(&mut self, until: Instant) -> Option<Received> {
        let mut shared = self.shared.borrow_mut();
        loop {
            if let Some(received) = self.take_waiting(&mut shared) {
                return Some(received);
            }
            let received = shared.network.receive(until)?;
            let waiting = shared.waiting.entry(received.path).or_default();
            waiting.push_back(received);
        }
    }

    fn open_path(&mut self) -> io::Result<PathId> {
        self.paths
            .push(self.shared.borrow_mut().network.open_path()?);
        Ok(PathId(self.paths.len() - 1))
    }
}

/// Returns the settings of a client.
pub(crate) fn client_config() -> ClientConfig {
    let tls = tls::ClientConfig::new([]).with(|config| config.alpn = vec![ALPN.to_vec()]);
    ClientConfig::new(tls, 2)
}

/// Returns the settings of a server.
pub(crate) fn server_config() -> ServerConfig {
    with_certificates(1)
}

/// Returns the settings of a server whose flight is larger than three datagrams.
pub(crate) fn long_chain() -> ServerConfig {
    with_certificates(16)
}

fn with_certificates(count: usize) -> ServerConfig {
    let chain = vec![IDENTITY.cert.der().clone(); count];
    let key = IDENTITY.signing_key.serialize_der();
    let mut tls = tls::ServerConfig::new(chain, &key, []).unwrap();
    tls.alpn = vec![ALPN.to_vec()];
    ServerConfig::new(tls, 1)
}

/// Returns the well-behaved server.
pub(crate) fn good_server() -> SimulatedServer {
    SimulatedServer::new(server_config())
}

/// Tries one requirement once on a server.
pub(crate) fn try_row(id: &str, server: SimulatedServer, conditions: Conditions) -> Finding {
    let rows = Selection::new(Side::Server).with_crashing(true);
    let rows = rows.with_only(&[id]).unwrap();
    let rows = rows.rows().unwrap();
    Prober::new(Simulation::new(server, conditions)).run(rows[0])
}

//! Servers behind middleboxes, in virtual time.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    time::{Duration, Instant},
};

use qecho_peer::{
    endpoint::{ClientConfig, ServerConfig},
    network::{Ecn, Network, PathId, Received},
    packet::OutDatagram,
    script::Probe,
    simulated::{Conditions, Far, Simulated, SimulatedServer},
    tls,
};

use super::Reached;
use crate::doctor::{
    Cause, Options, Report, RungReport, World,
    world::{Dropped, Machine, Notes, Route, SendFailure, TcpAnswer, Told},
};

/// Something on the way that is not as it ought to be.
#[derive(Clone, Default)]
pub(crate) struct Middlebox {
    /// Bytes of UDP payload beyond which a datagram is dropped.
    pub(crate) larger_than: Option<usize>,
    /// Whether it says so.
    pub(crate) reports_size: bool,
    /// What becomes of all marks on the way to the server.
    pub(crate) marks_up: Option<Ecn>,
    /// What becomes of all marks on the way back.
    pub(crate) marks_down: Option<Ecn>,
    /// Datagrams that pass in a time, on the way to the server.
    pub(crate) policer: Option<(usize, Duration)>,
    /// Whether that is a rule of this host, which does not send the others.
    pub(crate) is_policer_own: bool,
    /// Packets behind the handshake after which nothing passes.
    pub(crate) dark_after: Option<usize>,
    /// Silence after which the client's port changes.
    pub(crate) forgets_after: Option<Duration>,
    /// Servers, of which one is chosen by the client's port; none more than one.
    pub(crate) more_servers: usize,
    /// Ports of one connection that the server takes, which follows no more moves.
    pub(crate) ports_max: Option<usize>,
    /// What becomes of what comes from another address of the client's host.
    pub(crate) other_source: OtherSource,
    /// Time by which datagrams to the server are late, at most.
    pub(crate) jitter: Duration,
    /// Makes the link of one connection, by a seed.
    pub(crate) link: Option<Rc<dyn Fn(u64) -> Link>>,
}

/// Decides what a link does to a datagram: the time by which it is late, or none if it is lost.
pub(crate) type Link = Box<dyn FnMut(&Passing) -> Option<Duration>>;

/// A datagram that comes to a link.
pub(crate) struct Passing {
    pub(crate) is_to_server: bool,
    pub(crate) at: Instant,
    pub(crate) bytes: usize,
}

/// Fate of datagrams from another address of the client's host.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OtherSource {
    /// There is no other address.
    #[default]
    None,
    /// They pass.
    Passes,
    /// None passes.
    Lost,
    /// They pass if the first of them begins a connection.
    LostUnlessNew,
    /// The same, and after so many connections none passes.
    LostAfter(usize),
}

/// A world with one server.
pub(crate) struct Sick {
    pub(crate) middlebox: Middlebox,
    pub(crate) conditions: Conditions,
    pub(crate) config: ServerConfig,
    /// Changes the server.
    pub(crate) change: fn(SimulatedServer) -> SimulatedServer,
    pub(crate) mtu: Option<usize>,
    pub(crate) options: Options,
    pub(crate) spent: Rc<Cell<(Duration, usize)>>,
    networks: u64,
    source: Option<IpAddr>,
    /// Connections that began at another address.
    from_other: Rc<Cell<usize>>,
}

/// Another address of the client's host.
pub(crate) const OTHER_SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));

impl Sick {
    pub(crate) fn new(middlebox: Middlebox) -> Self {
        let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let identity = identity.expect("a certificate can be made");
        let chain = vec![identity.cert.der().clone()];
        let tls = tls::ServerConfig::new(chain, &identity.signing_key.serialize_der(), []);
        Self {
            middlebox,
            conditions: Conditions::default().delayed(Duration::from_millis(25)),
            config: ServerConfig::new(tls.expect("the key is right"), 7),
            change: |server| server,
            mtu: Some(1_500),
            options: Options::default(),
            spent: Rc::default(),
            networks: 0,
            source: None,
            from_other: Rc::default(),
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Adds a transport parameter of the server.
    pub(crate) fn announcing(self, id: u64, value: &[u8]) -> Self {
        self.with(|it| {
            it.config.parameters.retain(|(known, _)| *known != id);
            it.config.parameters.push((id, value.to_vec()));
        })
    }

    /// Climbs one rung.
    pub(crate) fn climb(
        &mut self,
        rung: fn(&mut Reached<'_>, &mut Report) -> RungReport,
    ) -> (RungReport, Report) {
        let options = self.options.clone();
        let alpn = self.config.tls.alpn.clone();
        let round_trip = self.conditions.delay * 2;
        let mut report = Report::default();
        let remote = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 4_433));
        let mut connect = |world: &mut dyn World, edit: &dyn Fn(&mut ClientConfig)| {
            let (network, notes) = world.network(remote).ok()?;
            let mut config = ClientConfig::new(tls::ClientConfig::new([]), 3);
            config.tls.alpn.clone_from(&alpn);
            edit(&mut config);
            let mut probe = Probe::client(network, config);
            probe.patience = round_trip * 6 + Duration::from_secs(3);
            probe.open();
            probe.endpoint().is_complete().then_some((probe, notes))
        };
        let route = Route::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.mtu);
        let rung = rung(
            &mut Reached {
                world: self,
                connect: &mut connect,
                remote,
                route: Some(route),
                round_trip,
                options: &options,
                tell: &mut |_| {},
            },
            &mut report,
        );
        (rung, report)
    }

    /// Climbs one rung, and returns the causes that it finds.
    pub(crate) fn causes(
        &mut self,
        rung: fn(&mut Reached<'_>, &mut Report) -> RungReport,
    ) -> Vec<Cause> {
        let (_, report) = self.climb(rung);
        report.findings.iter().map(|it| it.cause).collect()
    }
}

impl World for Sick {
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn machine(&mut self) -> io::Result<Machine> {
        Ok(Machine::default())
    }

    fn route(&mut self, _: SocketAddr) -> io::Result<Route> {
        Ok(Route::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.mtu))
    }

    fn other_sources(&mut self, _: SocketAddr) -> Vec<IpAddr> {
        match self.middlebox.other_source {
            OtherSource::None => Vec::new(),
            _ => vec![OTHER_SOURCE],
        }
    }

    fn send_from(&mut self, source: Option<IpAddr>) {
        self.source = source;
    }

    fn dropped(&mut self) -> Option<Dropped> {
        Some(Dropped::default())
    }

    fn tcp(&mut self, _: SocketAddr, _: Duration) -> TcpAnswer {
        TcpAnswer::Silent
    }

    fn alternative_services(
        &mut self,
        _: SocketAddr,
        _: &str,
        _: Duration,
    ) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn network(&mut self, _: SocketAddr) -> io::Result<(Box<dyn Network>, Notes)> {
        self.networks += 1;
        let notes = Notes::default();
        let seed = self.conditions.seed * 1_000 + self.networks;
        let conditions = self.conditions.losing(self.conditions.loss, seed);
        let servers = (0..=self.middlebox.more_servers).map(|index| {
            let mut config = self.config.clone();
            config.seed += index as u64;
            (self.change)(SimulatedServer::new(config))
        });
        let servers = servers.collect();
        let (middlebox, spent) = (self.middlebox.clone(), Rc::clone(&self.spent));
        let others: Rc<RefCell<BTreeMap<PathId, bool>>> = Rc::default();
        if self.source.is_some() {
            others.borrow_mut().insert(PathId::default(), false);
        }
        let link = middlebox.link.as_ref().map(|link| link(seed));
        let way = |now| Way {
            servers,
            middlebox,
            notes: notes.clone(),
            began: now,
            now,
            passed: VecDeque::new(),
            dark: 0,
            ports: BTreeMap::new(),
            others: Rc::clone(&others),
            from_other: Rc::clone(&self.from_other),
            link,
            late: BTreeMap::new(),
            late_back: BTreeMap::new(),
            count: conditions.seed,
            datagrams: 0,
            spent,
        };
        let network = Sources {
            network: Simulated::begin(conditions, way),
            others: Rc::clone(&others),
        };
        Ok((Box::new(network), notes.clone()))
    }
}

/// A network of a host that has another address.
struct Sources<N> {
    network: N,
    /// Paths from there, and whether each has begun a connection.
    others: Rc<RefCell<BTreeMap<PathId, bool>>>,
}

impl<N: Network> Network for Sources<N> {
    fn now(&self) -> Instant {
        self.network.now()
    }

    fn send(&mut self, path: PathId, datagram: &[u8], ecn: Ecn) {
        self.network.send(path, datagram, ecn);
    }

    fn receive(&mut self, until: Instant) -> Option<Received> {
        self.network.receive(until)
    }

    fn open_path(&mut self) -> io::Result<PathId> {
        self.network.open_path()
    }

    fn open_path_at(&mut self, _: IpAddr) -> io::Result<PathId> {
        let path = self.network.open_path()?;
        self.others.borrow_mut().insert(path, false);
        Ok(path)
    }
}

/// Servers behind a middlebox.
struct Way {
    servers: Vec<SimulatedServer>,
    middlebox: Middlebox,
    notes: Notes,
    began: Instant,
    now: Instant,
    /// Times at which the policer let something pass.
    passed: VecDeque<Instant>,
    dark: usize,
    /// The client's ports: the port that the server sees, and the time at which it was used.
    ports: BTreeMap<PathId, (usize, Instant)>,
    /// Paths from another address, and whether each has begun a connection.
    others: Rc<RefCell<BTreeMap<PathId, bool>>>,
    /// Connections that began there, of all networks.
    from_other: Rc<Cell<usize>>,
    link: Option<Link>,
    late: BTreeMap<(Instant, u64), (usize, Received)>,
    late_back: BTreeMap<(Instant, u64), OutDatagram>,
    count: u64,
    datagrams: usize,
    spent: Rc<Cell<(Duration, usize)>>,
}

/// Ports that a NAT gives to one of a client's.
const PORTS: usize = 1_000;

impl Way {
    fn drops(&mut self, datagram: &[u8]) -> bool {
        let is_short = datagram.first().is_some_and(|first| first & 0x80 == 0);
        let is_dark = self.middlebox.dark_after.is_some_and(|limit| {
            self.dark += usize::from(is_short);
            is_short && self.dark > limit
        });
        let is_large = self
            .middlebox
            .larger_than
            .is_some_and(|most| datagram.len() > most);
        is_dark || is_large
    }

    /// Tells whether something from another address is dropped.
    fn drops_other(&mut self, received: &Received) -> bool {
        let mut others = self.others.borrow_mut();
        let Some(has_begun) = others.get_mut(&received.path) else {
            return false;
        };
        let is_initial = received
            .datagram
            .first()
            .is_some_and(|it| it & 0xf0 == 0xc0);
        if is_initial && !*has_begun {
            *has_begun = true;
            self.from_other.set(self.from_other.get() + 1);
        }
        match self.middlebox.other_source {
            OtherSource::None | OtherSource::Passes => false,
            OtherSource::Lost => true,
            OtherSource::LostUnlessNew => !*has_begun,
            OtherSource::LostAfter(most) => !*has_begun || self.from_other.get() > most,
        }
    }

    fn polices(&mut self, now: Instant) -> bool {
        let Some((most, time)) = self.middlebox.policer else {
            return false;
        };
        while self.passed.front().is_some_and(|at| *at + time <= now) {
            self.passed.pop_front();
        }
        let is_full = self.passed.len() >= most;
        if !is_full {
            self.passed.push_back(now);
        }
        is_full
    }

    /// Returns the time by which a datagram is late; none if it is lost.
    fn lateness(&mut self, is_to_server: bool, bytes: usize) -> Option<Duration> {
        let at = self.now;
        let passing = Passing {
            is_to_server,
            at,
            bytes,
        };
        match &mut self.link {
            Some(link) => link(&passing),
            None => Some(Duration::ZERO),
        }
    }

    /// Returns the port that the server sees.
    fn port(&mut self, path: PathId, now: Instant) -> usize {
        let (port, used) = self.ports.entry(path).or_insert((path.0, now));
        let limit = self.middlebox.forgets_after;
        if limit.is_some_and(|limit| now.duration_since(*used) >= limit) {
            *port += PORTS;
        }
        *used = now;
        *port
    }
}

impl Far for Way {
    fn receive(&mut self, now: Instant, received: &Received) {
        self.now = now;
        self.datagrams += 1;
        let ports_max = self.middlebox.ports_max;
        if self.drops_other(received) || ports_max.is_some_and(|most| received.path.0 >= most) {
            return;
        }
        if self.drops(&received.datagram) {
            if self.middlebox.reports_size {
                let mtu = self.middlebox.larger_than.map(|most| most + 28);
                let from = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)));
                self.notes.add(now, Told::TooLarge { from, mtu });
            }
            return;
        }
        if self.polices(now) {
            if self.middlebox.is_policer_own {
                let words = "not permitted".into();
                let why = SendFailure::Forbidden;
                self.notes.add(now, Told::NotSent { why, words });
            }
            return;
        }
        let Some(late) = self.lateness(true, received.datagram.len()) else {
            return;
        };
        let mut received = received.clone();
        let server = received.path.0 % self.servers.len();
        received.path = PathId(self.port(received.path, now));
        received.ecn = self.middlebox.marks_up.unwrap_or(received.ecn);
        self.count += 1;
        // As good as random.
        let part =
            (self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as f64 / f64::from(1 << 30);
        let at = now + late + self.middlebox.jitter.mul_f64(part / 2.0);
        if at == now {
            return self.servers[server].receive(now, &received);
        }
        self.late.insert((at, self.count), (server, received));
    }

    fn timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(first) = self.late.first_entry()
            && first.key().0 <= now
        {
            let (server, received) = first.remove();
            self.servers[server].receive(now, &received);
        }
        self.servers
            .iter_mut()
            .for_each(|server| server.timeout(now));
    }

    fn deadline(&self) -> Option<Instant> {
        let late = self.late.first_key_value().map(|((at, _), _)| *at);
        let servers = self.servers.iter().filter_map(SimulatedServer::deadline);
        let back = self.late_back.first_key_value().map(|((at, _), _)| *at);
        servers.chain(late).chain(back).min()
    }

    fn transmit(&mut self, now: Instant) -> Option<OutDatagram> {
        self.now = now;
        if let Some(first) = self.late_back.first_entry()
            && first.key().0 <= now
        {
            return Some(first.remove());
        }
        loop {
            let mut servers = self.servers.iter_mut();
            let mut out = servers.find_map(|server| server.transmit(now))?;
            if self.drops(&out.bytes) {
                continue;
            }
            // What goes to a port that was forgotten is lost.
            let ports = self.ports.iter_mut();
            let Some((path, (_, used))) = ports.into_iter().find(|it| it.1.0 == out.path.0) else {
                continue;
            };
            let limit = self.middlebox.forgets_after;
            if limit.is_some_and(|limit| now.duration_since(*used) >= limit) {
                continue;
            }
            *used = now;
            out.path = *path;
            out.ecn = self.middlebox.marks_down.unwrap_or(out.ecn);
            match self.lateness(false, out.bytes.len()) {
                None => continue,
                Some(Duration::ZERO) => return Some(out),
                Some(late) => {
                    self.count += 1;
                    self.late_back.insert((now + late, self.count), out);
                }
            }
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let (time, datagrams) = self.spent.get();
        let time = time + self.now.duration_since(self.began);
        self.spent.set((time, datagrams + self.datagrams));
    }
}

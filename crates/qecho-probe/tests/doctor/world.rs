//! Servers and the networks before them, in virtual time.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::{Duration, Instant},
};

use qecho_peer::{
    endpoint::Endpoint,
    network::{Ecn, Network, PathId, Received},
    packet::OutDatagram,
    simulated::{Far, SimulatedServer},
};
use qecho_probe::doctor::{
    World,
    world::{Dropped, Machine, Notes, Route, TcpAnswer, Told},
};

/// A datagram on its way.
pub(crate) struct Passing<'a> {
    pub(crate) is_to_server: bool,
    /// The address that it is sent to, or comes from.
    pub(crate) remote: SocketAddr,
    pub(crate) datagram: &'a [u8],
    /// A local port, of all those that were opened.
    pub(crate) path: PathId,
    pub(crate) at: Instant,
}

/// What becomes of a datagram.
pub(crate) enum Fate {
    Passes,
    Lost,
    /// The network says something of it to its sender.
    Told(Told),
    /// Something else answers.
    Answered(Vec<u8>),
    /// It comes from another address.
    From(SocketAddr),
}

type Middlebox = Box<dyn FnMut(&Passing<'_>) -> Fate>;

/// The host of the doctor, and what is around it.
pub(crate) struct Simulation {
    shared: Rc<RefCell<Shared>>,
    pub(crate) mtu: Option<usize>,
    pub(crate) is_ipv6_routed: bool,
    /// The address from which IPv6 is sent.
    pub(crate) ipv6_source: &'static str,
    pub(crate) tcp: Vec<(SocketAddr, TcpAnswer)>,
    pub(crate) announced: Result<Vec<String>, io::ErrorKind>,
}

struct Shared {
    now: Instant,
    servers: Vec<(Vec<SocketAddr>, SimulatedServer)>,
    middleboxes: Vec<Middlebox>,
    paths: Vec<Path>,
    in_transit: BTreeMap<(Instant, u64), Delivery>,
    sent: u64,
    delay: Duration,
    loss: f64,
    chance: u64,
    /// Bits in a second that the link carries each way, and datagrams that wait for it at most.
    rate: Option<(u32, usize)>,
    /// When each datagram that is on the link, or waits for it, has left it: down and up.
    leaving: [VecDeque<Instant>; 2],
}

/// A local port of some network.
struct Path {
    remote: SocketAddr,
    notes: Notes,
    waiting: VecDeque<(Vec<u8>, Ecn)>,
}

struct Delivery {
    /// The server that it is for; none if it comes back.
    server: Option<usize>,
    received: Received,
}

impl Simulation {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time begins somewhere; from here on it is an argument"
    )]
    pub(crate) fn new() -> Self {
        Self {
            shared: Rc::new(RefCell::new(Shared {
                now: Instant::now(),
                servers: Vec::new(),
                middleboxes: Vec::new(),
                paths: Vec::new(),
                in_transit: BTreeMap::new(),
                sent: 0,
                delay: Duration::from_millis(10),
                loss: 0.0,
                chance: 1,
                rate: None,
                leaving: Default::default(),
            })),
            mtu: Some(1_500),
            is_ipv6_routed: true,
            ipv6_source: "2001:db8::9",
            tcp: Vec::new(),
            announced: Err(io::ErrorKind::ConnectionRefused),
        }
    }

    pub(crate) fn serve(self, addresses: &[SocketAddr], server: SimulatedServer) -> Self {
        let server = (addresses.to_vec(), server);
        self.shared.borrow_mut().servers.push(server);
        self
    }

    pub(crate) fn behind(self, middlebox: impl FnMut(&Passing<'_>) -> Fate + 'static) -> Self {
        let middlebox = Box::new(middlebox);
        self.shared.borrow_mut().middleboxes.push(middlebox);
        self
    }

    pub(crate) fn delayed(self, delay: Duration) -> Self {
        self.shared.borrow_mut().delay = delay;
        self
    }

    pub(crate) fn losing(self, loss: f64, seed: u64) -> Self {
        {
            let mut shared = self.shared.borrow_mut();
            (shared.loss, shared.chance) = (loss, seed);
        }
        self
    }

    /// Lets all datagrams of a direction share a link of so many bits in a second, before which so
    /// many wait.
    pub(crate) fn slowed(self, bits: u32, queue: usize) -> Self {
        self.shared.borrow_mut().rate = Some((bits, queue));
        self
    }

    /// Returns the datagrams that have gone either way.
    pub(crate) fn datagrams(&self) -> u64 {
        self.shared.borrow().sent
    }

    /// Returns the connections that servers believe to live.
    pub(crate) fn living(&self) -> usize {
        let shared = self.shared.borrow();
        let connections = shared.servers.iter().flat_map(|(_, it)| &it.connections);
        let is_living = |it: &&Endpoint| it.closed().is_none() && it.ended().is_none();
        connections.filter(is_living).count()
    }

    /// Lets time pass.
    pub(crate) fn pause(&mut self, time: Duration) {
        let mut shared = self.shared.borrow_mut();
        let until = shared.now + time;
        while shared.step(until) {}
    }

    pub(crate) fn time(&self) -> Instant {
        self.shared.borrow().now
    }
}

impl Shared {
    fn fate(&mut self, passing: &Passing<'_>) -> Fate {
        // SplitMix64.
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        if (mixed >> 11) as f64 / ((1_u64 << 53) as f64) < self.loss {
            return Fate::Lost;
        }
        let mut fates = self.middleboxes.iter_mut().map(|it| it(passing));
        let odd = fates.find(|fate| !matches!(fate, Fate::Passes));
        odd.unwrap_or(Fate::Passes)
    }

    fn depart(&mut self, server: Option<usize>, path: PathId, datagram: Vec<u8>, ecn: Ecn) {
        self.sent += 1;
        let passing = Passing {
            is_to_server: server.is_some(),
            remote: self.paths[path.0].remote,
            datagram: &datagram,
            path,
            at: self.now,
        };
        let (server, datagram) = match self.fate(&passing) {
            Fate::Passes => (server, datagram),
            Fate::Lost => return,
            Fate::Answered(answer) => (None, answer),
            Fate::Told(told) => return self.paths[path.0].notes.add(self.now, told),
            Fate::From(from) => {
                let contents = datagram;
                let told = Told::Foreign { from, contents };
                return self.paths[path.0].notes.add(self.now, told);
            }
        };
        let received = Received {
            path,
            datagram,
            ecn,
        };
        let Some(left) = self.leave(server.is_some(), received.datagram.len()) else {
            return;
        };
        let arrival = (left + self.delay, self.sent);
        self.in_transit
            .insert(arrival, Delivery { server, received });
    }

    /// Returns when a datagram of so many bytes has left the link; none if its queue is full.
    fn leave(&mut self, is_to_server: bool, bytes: usize) -> Option<Instant> {
        let Some((bits, queue)) = self.rate else {
            return Some(self.now);
        };
        let leaving = &mut self.leaving[usize::from(is_to_server)];
        while leaving.front().is_some_and(|at| *at <= self.now) {
            leaving.pop_front();
        }
        let begin = leaving.back().copied().unwrap_or(self.now);
        let time = Duration::from_secs_f64((bytes + 28) as f64 * 8.0 / f64::from(bits));
        (leaving.len() <= queue).then(|| {
            leaving.push_back(begin + time);
            begin + time
        })
    }

    fn send(&mut self, path: PathId, datagram: &[u8], ecn: Ecn) {
        let remote = self.paths[path.0].remote;
        let mut servers = self.servers.iter();
        let server = servers.position(|(addresses, _)| addresses.contains(&remote));
        // Where nobody is, it is lost, but for what a middlebox says.
        self.depart(
            Some(server.unwrap_or(usize::MAX)),
            path,
            datagram.to_vec(),
            ecn,
        );
    }

    fn flush(&mut self) {
        for index in 0..self.servers.len() {
            let now = self.now;
            while let Some(OutDatagram { path, bytes, ecn }) = self.servers[index].1.transmit(now) {
                self.depart(None, path, bytes, ecn);
            }
        }
    }

    /// Lets the next thing happen that is due by then; tells whether there was one.
    fn step(&mut self, until: Instant) -> bool {
        self.flush();
        let arrival = self.in_transit.first_key_value().map(|((at, _), _)| *at);
        let due = self.servers.iter().filter_map(|(_, far)| far.deadline());
        let next = due.chain(arrival).min();
        let Some(next) = next.filter(|next| *next <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        if arrival != Some(next) {
            for (_, far) in &mut self.servers {
                far.timeout(self.now);
            }
            return true;
        }
        let Some((_, delivery)) = self.in_transit.pop_first() else {
            return false;
        };
        match delivery.server {
            Some(server) => {
                if let Some((_, far)) = self.servers.get_mut(server) {
                    far.receive(self.now, &delivery.received);
                }
            }
            None => {
                let Received {
                    path,
                    datagram,
                    ecn,
                } = delivery.received;
                self.paths[path.0].waiting.push_back((datagram, ecn));
            }
        }
        true
    }

    fn open(&mut self, remote: SocketAddr, notes: Notes) -> PathId {
        self.paths.push(Path {
            remote,
            notes,
            waiting: VecDeque::new(),
        });
        PathId(self.paths.len() - 1)
    }
}

impl World for Simulation {
    fn now(&self) -> Instant {
        self.time()
    }

    fn machine(&mut self) -> io::Result<Machine> {
        let mut machine = Machine::default();
        machine.asked_buffer_bytes = 1 << 20;
        machine.receive_buffer_bytes = 1 << 20;
        machine.send_buffer_bytes = 1 << 20;
        machine.gso_segments = 64;
        machine.gro_segments = 64;
        (machine.has_ipv4, machine.has_ipv6) = (true, self.is_ipv6_routed);
        Ok(machine)
    }

    fn route(&mut self, remote: SocketAddr) -> io::Result<Route> {
        if remote.is_ipv6() && !self.is_ipv6_routed {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        }
        let source: &str = match remote {
            SocketAddr::V4(_) => "192.0.2.9",
            SocketAddr::V6(_) => self.ipv6_source,
        };
        let source: IpAddr = source.parse().unwrap();
        Ok(Route::new(source, self.mtu))
    }

    fn dropped(&mut self) -> Option<Dropped> {
        Some(Dropped::default())
    }

    fn tcp(&mut self, remote: SocketAddr, patience: Duration) -> TcpAnswer {
        let known = self.tcp.iter().find(|(address, _)| *address == remote);
        let answer = known.map_or(TcpAnswer::Silent, |(_, answer)| answer.clone());
        if answer == TcpAnswer::Silent {
            self.pause(patience);
        }
        answer
    }

    fn alternative_services(
        &mut self,
        _: SocketAddr,
        _: &str,
        _: Duration,
    ) -> io::Result<Vec<String>> {
        self.announced.clone().map_err(io::Error::from)
    }

    fn network(&mut self, remote: SocketAddr) -> io::Result<(Box<dyn Network>, Notes)> {
        let notes = Notes::default();
        let path = self.shared.borrow_mut().open(remote, notes.clone());
        let near = Near {
            shared: Rc::clone(&self.shared),
            paths: vec![path],
            remote,
            notes: notes.clone(),
        };
        Ok((Box::new(near), notes))
    }
}

/// One network: a near end with its own paths.
struct Near {
    shared: Rc<RefCell<Shared>>,
    /// The shared path of each of its own.
    paths: Vec<PathId>,
    remote: SocketAddr,
    notes: Notes,
}

impl Network for Near {
    fn now(&self) -> Instant {
        self.shared.borrow().now
    }

    fn send(&mut self, path: PathId, datagram: &[u8], ecn: Ecn) {
        let path = self.paths[path.0];
        self.shared.borrow_mut().send(path, datagram, ecn);
    }

    fn receive(&mut self, until: Instant) -> Option<Received> {
        let mut shared = self.shared.borrow_mut();
        loop {
            for (own, path) in self.paths.iter().enumerate() {
                if let Some((datagram, ecn)) = shared.paths[path.0].waiting.pop_front() {
                    let path = PathId(own);
                    return Some(Received {
                        path,
                        datagram,
                        ecn,
                    });
                }
            }
            if !shared.step(until) {
                return None;
            }
        }
    }

    fn open_path(&mut self) -> io::Result<PathId> {
        let path = self
            .shared
            .borrow_mut()
            .open(self.remote, self.notes.clone());
        self.paths.push(path);
        Ok(PathId(self.paths.len() - 1))
    }
}

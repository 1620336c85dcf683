//! The clients of a relay, and the socket that each has towards the server.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use super::config::{Config, FLOW_IDLE, FLOW_SILENT_MIN, FLOWS_MAX, REBIND_EVERY_MIN};

/// Addresses by which the relay knows a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Client {
    /// The relay's socket that it sends to.
    pub(super) listener: usize,
    pub(super) address: SocketAddr,
    /// The relay's address that it sends to, where the system tells it.
    pub(super) local_ip: Option<IpAddr>,
}

/// A change of a client's socket: one that is to be opened, and one that is no longer used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rebinding {
    pub(super) opened: usize,
    pub(super) closed: usize,
}

/// Result of looking a client up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// It has an entry.
    Found,
    /// It has an entry from now on, and this socket is to be opened.
    Added(usize),
    /// It has the entry of the client that was silent longest.
    Replaced(Rebinding),
    /// The table is full, and all in it were just heard.
    Full,
}

#[derive(Debug)]
struct Flow {
    /// Number of its socket towards the server.
    binding: usize,
    /// Instant at which something last came from either side.
    heard: Instant,
    rebind_at: Option<Instant>,
    /// Instant at which its socket is changed because it was silent; once for each silence.
    forget_at: Option<Instant>,
}

/// Table of clients, at most [`FLOWS_MAX`], and their sockets towards the server, as of a NAT.
#[derive(Debug)]
pub(super) struct NatTable {
    flows: BTreeMap<Client, Flow>,
    /// Clients by the number of their socket towards the server.
    clients: HashMap<usize, Client>,
    next_binding: usize,
    rebind_every: Option<Duration>,
    /// Silence of a client that costs it its socket. The server's datagrams do not end it
    /// (RFC 4787 §4.3: a NAT need not heed them).
    nat_timeout: Option<Duration>,
}

impl NatTable {
    /// Begins with none; their sockets are numbered from `first_binding`.
    pub(super) fn new(first_binding: usize, config: &Config) -> Self {
        let rebind_every = config.rebind.map(|rebind| rebind.every);
        let at_least = |time: Duration| time.max(REBIND_EVERY_MIN);
        Self {
            flows: BTreeMap::new(),
            clients: HashMap::new(),
            next_binding: first_binding,
            rebind_every: rebind_every.map(at_least),
            nat_timeout: config.nat_timeout.map(at_least),
        }
    }

    /// Notes that a client was heard, and adds it if it is new.
    pub(super) fn look_up(&mut self, now: Instant, client: Client) -> Lookup {
        let forget_at = self.nat_timeout.map(|silence| now + silence);
        if let Some(flow) = self.flows.get_mut(&client) {
            (flow.heard, flow.forget_at) = (now, forget_at);
            return Lookup::Found;
        }
        let closed = match self.flows.len() {
            FLOWS_MAX => match self.pop_silent(now) {
                None => return Lookup::Full,
                closed => closed,
            },
            _ => None,
        };
        let binding = self.bind(client);
        let flow = Flow {
            binding,
            heard: now,
            rebind_at: self.rebind_every.map(|every| now + every),
            forget_at,
        };
        self.flows.insert(client, flow);
        match closed {
            None => Lookup::Added(binding),
            Some(closed) => Lookup::Replaced(Rebinding {
                opened: binding,
                closed,
            }),
        }
    }

    /// Removes the client that was silent longest, if that is long enough; returns its
    /// socket, which is to be closed.
    fn pop_silent(&mut self, now: Instant) -> Option<usize> {
        let silent = self.flows.values().min_by_key(|flow| flow.heard)?;
        if now < silent.heard + FLOW_SILENT_MIN {
            return None;
        }
        let binding = silent.binding;
        self.remove(binding);
        Some(binding)
    }

    /// Returns the client whose socket the server has sent to, and notes that.
    pub(super) fn hear_server(&mut self, now: Instant, binding: usize) -> Option<Client> {
        let client = *self.clients.get(&binding)?;
        self.flows.get_mut(&client)?.heard = now;
        Some(client)
    }

    /// Returns the socket by which a client's datagrams leave.
    pub(super) fn binding(&self, client: &Client) -> Option<usize> {
        Some(self.flows.get(client)?.binding)
    }

    /// Removes the client of a socket, which need not be closed.
    pub(super) fn remove(&mut self, binding: usize) {
        if let Some(client) = self.clients.remove(&binding) {
            self.flows.remove(&client);
        }
    }

    /// Removes one of the clients that were silent for too long; returns its
    /// socket, which is to be closed.
    pub(super) fn pop_idle(&mut self, now: Instant) -> Option<usize> {
        let idle = |flow: &&Flow| flow.heard + FLOW_IDLE <= now;
        let binding = self.flows.values().find(idle)?.binding;
        self.remove(binding);
        Some(binding)
    }

    /// Gives new sockets to the clients whose time has come.
    pub(super) fn rebind_due(&mut self, now: Instant) -> Vec<Rebinding> {
        let due = |flow: &Flow| {
            let mut times = [flow.rebind_at, flow.forget_at].into_iter().flatten();
            times.any(|at| at <= now)
        };
        self.rebind_where(now, due)
    }

    /// Gives a new socket to every client.
    pub(super) fn rebind_all(&mut self, now: Instant) -> Vec<Rebinding> {
        self.rebind_where(now, |_| true)
    }

    fn rebind_where(&mut self, now: Instant, chosen: impl Fn(&Flow) -> bool) -> Vec<Rebinding> {
        let clients: Vec<_> = self
            .flows
            .iter()
            .filter(|(_, flow)| chosen(flow))
            .map(|(client, _)| *client)
            .collect();
        let mut rebindings = Vec::new();
        for client in clients {
            let opened = self.bind(client);
            let Some(flow) = self.flows.get_mut(&client) else {
                continue;
            };
            let closed = std::mem::replace(&mut flow.binding, opened);
            flow.rebind_at = self.rebind_every.map(|every| now + every);
            flow.forget_at = flow.forget_at.filter(|at| *at > now);
            self.clients.remove(&closed);
            rebindings.push(Rebinding { opened, closed });
        }
        rebindings
    }

    /// Returns the instant at which a client is next due for anything.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = |flow: &Flow| {
            let idle_at = flow.heard + FLOW_IDLE;
            let times = [flow.rebind_at, flow.forget_at].into_iter().flatten();
            times.fold(idle_at, Instant::min)
        };
        self.flows.values().map(due).min()
    }

    /// Numbers a socket, which is a client's from now on.
    fn bind(&mut self, client: Client) -> usize {
        let binding = self.next_binding;
        self.next_binding += 1;
        self.clients.insert(binding, client);
        binding
    }
}

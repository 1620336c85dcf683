//! The relay without sockets or a clock: what it does with datagrams and time.

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::mpsc::SyncSender,
    time::Instant,
};

use qecho_engine::{Datagram, Forwarder, ForwarderOutput, Received};

use super::{
    config::{Config, Notice, RebindKind},
    nat_table::{Client, Lookup, NatTable, Rebinding},
    path_direction::{ClientDatagram, PathDirection},
    report::Report,
};
use crate::link::Conditions;

/// Command of another thread to a relay.
#[derive(Debug)]
pub(super) enum Command {
    /// Gives every client a new port, or address, towards the server.
    Rebind,
    /// Makes the path better or worse, from the clients and back.
    SetConditions(Box<(Conditions, Conditions)>),
    /// Ends the relay.
    Stop,
}

/// The relay as a forwarder.
#[derive(Debug)]
pub(super) struct RelayForwarder {
    to: SocketAddr,
    /// Sockets that clients send to: the first ones.
    listeners: usize,
    clients: NatTable,
    up: PathDirection,
    down: PathDirection,
    outputs: VecDeque<ForwarderOutput>,
    /// The last number of the addresses towards the server, if they change.
    last_octet: Option<u8>,
    /// All but the two directions.
    report: Report,
    notices: Option<SyncSender<Notice>>,
    finished: bool,
}

impl RelayForwarder {
    /// Makes a forwarder whose first `listeners` sockets are those that clients
    /// send to.
    pub(super) fn new(config: &Config, listeners: usize) -> Self {
        Self {
            to: config.to,
            listeners,
            clients: NatTable::new(listeners, config),
            up: PathDirection::new(config.up.clone(), config.seed),
            down: PathDirection::new(config.down.clone(), config.seed ^ u64::MAX),
            outputs: VecDeque::new(),
            last_octet: config.rebind.and_then(|rebind| match rebind.kind {
                RebindKind::Port => None,
                RebindKind::Address => Some(1),
            }),
            report: Report::default(),
            notices: config.notices.clone(),
            finished: false,
        }
    }

    pub(super) fn report(&self) -> Report {
        Report {
            up: self.up.report(),
            down: self.down.report(),
            ..self.report
        }
    }

    fn handle_client(&mut self, now: Instant, received: Received) {
        let client = Client {
            listener: received.binding,
            address: received.remote,
            local_ip: received.local_ip,
        };
        match self.clients.look_up(now, client) {
            Lookup::Found => {}
            Lookup::Added(binding) => {
                self.report.flows += 1;
                self.open(binding);
            }
            Lookup::Replaced(rebinding) => {
                self.report.flows += 1;
                self.report.replaced += 1;
                self.tell_first(self.report.replaced, Notice::ClientReplaced);
                self.swap(rebinding);
            }
            Lookup::Full => {
                self.report.refused += 1;
                self.tell_first(self.report.refused, Notice::ClientRefused);
                return;
            }
        }
        // Both directions are cut at the same time.
        self.down.begin(now);
        self.up.send(now, client_datagram(client, received));
    }

    /// Tells what is new to whoever wants to know.
    fn tell_first(&self, count: u64, notice: Notice) {
        if let (1, Some(notices)) = (count, &self.notices) {
            // Nobody may listen any more, and a relay does not wait for anybody.
            let _ = notices.try_send(notice);
        }
    }

    fn handle_server(&mut self, now: Instant, received: Received) {
        // Anybody can send to an open port; a relay passes on what comes from
        // its one server alone.
        if !is_same(received.remote, self.to) {
            self.report.strays += 1;
            return;
        }
        let Some(client) = self.clients.hear_server(now, received.binding) else {
            return;
        };
        self.down.send(now, client_datagram(client, received));
    }

    fn deliver(&mut self, now: Instant) {
        while let Some(datagram) = self.up.pop(now) {
            let Some(binding) = self.clients.binding(&datagram.client) else {
                // Its client was silent for too long, and has no socket any more.
                self.up.not_sent(datagram.data.len());
                continue;
            };
            let sent = Datagram::new(binding, self.to, datagram.data).with_ecn(datagram.ecn);
            self.outputs.push_back(ForwarderOutput::Send(sent));
        }
        while let Some(datagram) = self.down.pop(now) {
            let client = datagram.client;
            let sent = Datagram::new(client.listener, client.address, datagram.data)
                .with_ecn(datagram.ecn)
                .with_source_ip(client.local_ip);
            self.outputs.push_back(ForwarderOutput::Send(sent));
        }
    }

    fn rebind(&mut self, rebindings: Vec<Rebinding>) {
        for rebinding in rebindings {
            self.report.rebinds += 1;
            self.last_octet = self.last_octet.map(next_octet);
            self.swap(rebinding);
        }
    }

    /// Opens one socket and closes another; in this order the new port cannot be the old
    /// one.
    fn swap(&mut self, Rebinding { opened, closed }: Rebinding) {
        self.open(opened);
        self.outputs
            .push_back(ForwarderOutput::Close { binding: closed });
    }

    fn open(&mut self, binding: usize) {
        let address = match self.last_octet {
            Some(octet) => (Ipv4Addr::new(127, 0, 0, octet), 0).into(),
            None => towards(self.to),
        };
        self.outputs
            .push_back(ForwarderOutput::Open { binding, address });
    }
}

impl Forwarder for RelayForwarder {
    type Command = Command;

    fn handle_datagram(&mut self, now: Instant, received: Received) {
        if received.binding < self.listeners {
            self.handle_client(now, received);
        } else {
            self.handle_server(now, received);
        }
    }

    fn handle_timeouts(&mut self, now: Instant) {
        let rebindings = self.clients.rebind_due(now);
        self.rebind(rebindings);
        self.deliver(now);
        while let Some(binding) = self.clients.pop_idle(now) {
            self.outputs.push_back(ForwarderOutput::Close { binding });
        }
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Rebind => {
                let rebindings = self.clients.rebind_all(now);
                self.rebind(rebindings);
            }
            Command::SetConditions(conditions) => {
                let (up, down) = *conditions;
                self.up.set_conditions(up);
                self.down.set_conditions(down);
            }
            Command::Stop => self.finished = true,
        }
    }

    fn handle_open_failed(&mut self, binding: usize) {
        self.report.sockets_failed += 1;
        self.clients.remove(binding);
    }

    fn handle_unsent(&mut self, _: Instant, datagram: &Datagram, _: &io::Error) {
        let direction = match datagram.binding < self.listeners {
            true => &mut self.down,
            false => &mut self.up,
        };
        direction.not_sent(datagram.contents.len());
    }

    fn poll_output(&mut self) -> Option<ForwarderOutput> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let dues = [self.up.next(), self.down.next(), self.clients.deadline()];
        dues.into_iter().flatten().min()
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

fn client_datagram(client: Client, received: Received) -> ClientDatagram {
    ClientDatagram {
        client,
        ecn: received.ecn,
        data: received.data.into(),
    }
}

/// Returns the address to bind in order to reach the server: loopback stays loopback.
fn towards(server: SocketAddr) -> SocketAddr {
    let ip = match server {
        SocketAddr::V4(server) if server.ip().is_loopback() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(server) if server.ip().is_loopback() => Ipv6Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, 0)
}

/// Returns the next of 127.0.0.2 to 127.0.0.254: servers are at 127.0.0.1.
fn next_octet(octet: u8) -> u8 {
    match octet {
        254.. => 2,
        octet => octet + 1,
    }
}

/// Tells whether two addresses are the same, whatever the flow label of IPv6.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    (one.ip(), one.port()) == (other.ip(), other.port())
}

#[cfg(test)]
mod tests;

//! A server: many connections, one after another, and what is answered without one.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Instant,
};

use super::{Chance, Far, stateless};
use crate::{
    echo::Echo,
    endpoint::{Endpoint, ServerConfig},
    faults::{self, Fault},
    network::{Ecn, PathId, Received},
    packet::OutDatagram,
    rules::Rules,
};
use qecho_packet::wire::{ConnectionId, Header, PacketType, packets};

/// Bytes of the connection IDs that endpoints choose.
const ID_LENGTH: usize = 8;
/// Bytes of a client's first destination connection ID at least (RFC 9000 §7.2).
const DESTINATION_MIN: usize = 8;
/// Connections that are kept; the oldest are forgotten.
const CONNECTIONS_MAX: usize = 64;

/// Acts on an endpoint whenever a datagram has come, as a mutant does.
type Habit = dyn Fn(&mut Endpoint, usize);

/// A well-behaved server, which echoes, or a mutant of it.
pub struct SimulatedServer {
    /// Connections that were begun, the oldest first.
    pub connections: Vec<Endpoint>,
    echoes: Vec<(Echo, usize)>,
    config: ServerConfig,
    rules: Box<dyn Fn() -> Rules>,
    faults: BTreeSet<Fault>,
    habits: Vec<Box<Habit>>,
    speaks_version_2: bool,
    /// Version Negotiation packets that may still be sent.
    negotiations_left: usize,
    negotiates_q046: bool,
    chance: Chance,
    is_dead: bool,
    outbox: VecDeque<OutDatagram>,
}

impl SimulatedServer {
    /// Makes a well-behaved server; each connection has the settings but its own seed.
    pub fn new(config: ServerConfig) -> Self {
        Self {
            connections: Vec::new(),
            echoes: Vec::new(),
            chance: Chance(config.seed),
            config,
            rules: Box::new(Rules::default),
            faults: BTreeSet::new(),
            habits: Vec::new(),
            speaks_version_2: false,
            negotiations_left: usize::MAX,
            negotiates_q046: false,
            is_dead: false,
            outbox: VecDeque::new(),
        }
    }

    /// Changes the rules of each connection: makes the server a mutant.
    #[must_use]
    pub fn with_rules(mut self, change: impl Fn(Rules) -> Rules + 'static) -> Self {
        self.rules = Box::new(move || change(Rules::default()));
        self
    }

    /// Gives the server faults: makes it a mutant.
    #[must_use]
    pub fn with_faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        for fault in &self.faults {
            self.config.behaviour.leave_out(*fault);
        }
        self
    }

    /// Gives the server a habit: something that it does with an endpoint whenever a datagram has
    /// come for it, whose packets are those of [`Endpoint::received`] from a place on.
    #[must_use]
    pub fn with_habit(mut self, habit: impl Fn(&mut Endpoint, usize) + 'static) -> Self {
        self.habits.push(Box::new(habit));
        self
    }

    /// Lets the server speak version 2 (RFC 9369) beside version 1.
    #[must_use]
    pub fn speaking_version_2(self) -> Self {
        Self {
            speaks_version_2: true,
            ..self
        }
    }

    /// Limits the number of Version Negotiation packets, as a server may (RFC 9000 §5.2.2).
    #[must_use]
    pub fn negotiating_at_most(self, times: usize) -> Self {
        Self {
            negotiations_left: times,
            ..self
        }
    }

    /// Lets the server answer unknown versions as if it spoke Q046, too, whose first datagrams may
    /// be smaller than those of version 1.
    #[must_use]
    pub fn negotiating_q046(self) -> Self {
        Self {
            negotiates_q046: true,
            ..self
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    fn push(&mut self, path: PathId, bytes: Vec<u8>) {
        let ecn = Ecn::NotEct;
        self.outbox.push_back(OutDatagram { path, bytes, ecn });
    }

    /// Returns the connection that a packet belongs to.
    fn find(&self, header: &Header) -> Option<usize> {
        self.connections.iter().rposition(|endpoint| {
            let mut local = endpoint.connection_ids().local.iter();
            let is_first = header.packet_type != PacketType::OneRtt
                && (endpoint.original_destination() == header.destination
                    || endpoint.retry_source() == Some(header.destination));
            is_first || local.any(|issued| issued.id == header.destination)
        })
    }

    /// Returns the connection that a datagram resets.
    fn find_by_token(&self, datagram: &[u8]) -> Option<usize> {
        let mut endpoints = self.connections.iter();
        endpoints.position(|endpoint| endpoint.connection_ids().is_reset(datagram))
    }

    /// Answers a datagram that belongs to no connection.
    fn answer_stateless(&mut self, received: &Received) {
        let datagram = &received.datagram;
        let speaks_q046 = self.negotiates_q046;
        let answers = stateless::negotiate(datagram, speaks_q046, &self.faults, &mut self.chance);
        for answer in answers.into_iter().take(self.negotiations_left) {
            self.negotiations_left -= 1;
            self.push(received.path, answer);
        }
        let reset = stateless::reset(datagram, &self.faults, &mut self.chance);
        if let Some(reset) = reset {
            self.push(received.path, reset);
        }
    }

    /// Begins a connection, if the datagram does; one that is not authentic leaves none.
    fn accept(&mut self, now: Instant, received: &Received, version: Option<u32>) {
        let mut config = self.config.clone();
        config.version = version.unwrap_or(config.version);
        config.seed = self.chance.next();
        let mut endpoint = Endpoint::server(config, now).with_rules((self.rules)());
        endpoint.receive(now, received);
        let is_begun = !endpoint.received().is_empty();
        if !is_begun && self.has(Fault::AnswersUnauthentic) {
            let mut answer = received.datagram.clone();
            answer.truncate(RESET_OF_UNAUTHENTIC);
            self.push(received.path, answer);
        }
        // A Retry is answered to the connection that sent it.
        let answer = endpoint.transmit(now);
        if !is_begun && answer.is_none() {
            return;
        }
        self.outbox.extend(answer);
        if self.connections.len() == CONNECTIONS_MAX {
            self.connections.remove(0);
            self.echoes.remove(0);
        }
        self.connections.push(endpoint);
        self.echoes.push(Default::default());
        self.act(self.connections.len() - 1);
    }

    /// Does what the peer's packets ask of this server.
    fn act(&mut self, index: usize) {
        let endpoint = &mut self.connections[index];
        let (echo, seen) = &mut self.echoes[index];
        echo.advance(endpoint);
        let before = *seen;
        self.is_dead |= faults::react(&self.faults, endpoint, seen);
        for habit in &self.habits {
            habit(endpoint, before);
        }
    }

    /// Tells whether the packets of a datagram are to different connection IDs.
    fn is_mixed(datagram: &[u8]) -> bool {
        let all = packets(datagram, ID_LENGTH).map_while(Result::ok);
        let mut ids = all.map(|packet| packet.header.destination);
        let first: Option<ConnectionId> = ids.next();
        ids.any(|id| Some(id) != first)
    }
}

/// Bytes of the answer to an Initial packet that is not authentic.
const RESET_OF_UNAUTHENTIC: usize = 43;

impl Far for SimulatedServer {
    fn receive(&mut self, now: Instant, received: &Received) {
        let mut all = packets(&received.datagram, ID_LENGTH);
        if self.speaks_version_2 {
            all = all.knowing_version_2();
        }
        let first = all.next();
        if self.has(Fault::DiesOfNoise) && !matches!(first, Some(Ok(_))) {
            self.is_dead = true;
        }
        let is_mixed = || Self::is_mixed(&received.datagram);
        if self.is_dead
            || self.has(Fault::Silent)
            || self.has(Fault::DropsMixedDatagrams) && is_mixed()
        {
            return;
        }
        let Some(Ok(first)) = first else {
            return self.answer_stateless(received);
        };
        if let Some(index) = self.find(&first.header) {
            let is_other = first.header.packet_type == PacketType::Unknown;
            self.is_dead |= is_other && self.has(Fault::DiesOfOtherVersion);
            self.connections[index].receive(now, received);
            return self.act(index);
        }
        let is_initial = first.header.packet_type == PacketType::Initial;
        if is_initial && first.header.destination.len() >= DESTINATION_MIN {
            return self.accept(now, received, first.header.version);
        }
        if let Some(index) = self.find_by_token(&received.datagram) {
            self.connections[index].receive(now, received);
            return self.act(index);
        }
        self.answer_stateless(received);
    }

    fn timeout(&mut self, now: Instant) {
        for endpoint in &mut self.connections {
            if endpoint.deadline().is_some_and(|deadline| deadline <= now) {
                endpoint.timeout(now);
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        if self.is_dead {
            return None;
        }
        let deadlines = self.connections.iter();
        deadlines.filter_map(Endpoint::deadline).min()
    }

    fn transmit(&mut self, now: Instant) -> Option<OutDatagram> {
        if self.is_dead {
            return None;
        }
        let stateless = self.outbox.pop_front();
        stateless.or_else(|| {
            let mut connections = self.connections.iter_mut();
            connections.find_map(|endpoint| endpoint.transmit(now))
        })
    }
}

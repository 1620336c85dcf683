//! Version negotiation (RFC 9000 §6): asks a server for its versions, on bare
//! datagrams.

use std::{collections::VecDeque, io, net::SocketAddr, time::Instant};

use qecho_echo::dial::DialFailure;
use qecho_engine::{Datagram, Forwarder, ForwarderOutput, Received};
use qecho_packet::wire::{Header, VersionRequest, packets};

use super::{
    config::{Config, Destination},
    events::{Command, EventSink, PingEvent},
    pause::PauseWatch,
    probes::Probes,
    report::{Reply, ReplyKind, Report},
};

/// Requests that are sent in one turn; more wait for the next.
const SENDS_PER_TURN_MAX: usize = 64;

/// A ping by version negotiation.
pub struct VersionPing {
    hosts: Vec<VersionHost>,
    bindings: Vec<SocketAddr>,
    outputs: VecDeque<ForwarderOutput>,
    sink: EventSink,
    watch: PauseWatch,
    has_begun: bool,
    is_finished: bool,
}

impl VersionPing {
    /// Makes a ping of every host, on sockets bound to `bindings`; `nonce`
    /// tells its packets from those of another.
    pub fn new(config: &Config, bindings: &[SocketAddr], nonce: u64, sink: EventSink) -> Self {
        let hosts = config.hosts.iter().enumerate();
        let host = |(index, host): (usize, _)| {
            VersionHost::new(config, host, nonce.wrapping_add(index as u64))
        };
        Self {
            hosts: hosts.map(host).collect(),
            bindings: bindings.to_vec(),
            outputs: VecDeque::new(),
            sink,
            watch: PauseWatch::default(),
            has_begun: false,
            is_finished: false,
        }
    }

    /// Leaves out what was under way while this program stood still.
    fn look_for_pause(&mut self, now: Instant) {
        if let Some(pause) = self.watch.look(now) {
            self.each(|host| {
                let left_out = host.probes.leave_out(now);
                host.events.push(PingEvent::Paused { pause, left_out });
            });
        }
    }

    /// Calls a function with every host, reports its events, and sends its
    /// requests.
    fn each(&mut self, mut act: impl FnMut(&mut VersionHost)) {
        for (index, host) in self.hosts.iter_mut().enumerate() {
            if host.has_ended {
                continue;
            }
            act(host);
            for event in std::mem::take(&mut host.events) {
                (self.sink)(index, event);
            }
            for mut request in std::mem::take(&mut host.requests) {
                let mut bindings = self.bindings.iter();
                let same = |own: &SocketAddr| own.is_ipv4() == request.destination.is_ipv4();
                // Without a socket for its family it is lost.
                if let Some(binding) = bindings.position(same) {
                    request.binding = binding;
                    self.outputs.push_back(ForwarderOutput::Send(request));
                }
            }
        }
        self.is_finished |= self.hosts.iter().all(|host| host.has_ended);
    }
}

impl Forwarder for VersionPing {
    type Command = Command;

    fn handle_datagram(&mut self, now: Instant, received: Received) {
        self.look_for_pause(now);
        let size = received.data.len();
        let Some(Ok(packet)) = packets(&received.data, 0).next() else {
            return;
        };
        self.each(|host| host.receive(now, received.remote, &packet.header, size));
    }

    fn handle_timeouts(&mut self, now: Instant) {
        self.look_for_pause(now);
        if !std::mem::replace(&mut self.has_begun, true) {
            self.hosts
                .iter_mut()
                .for_each(|host| host.probes.begin(now));
        }
        self.each(|host| host.handle_timeouts(now));
    }

    fn handle_command(&mut self, _: Instant, command: Command) {
        match command {
            Command::Stop => self.each(VersionHost::end),
        }
    }

    fn handle_open_failed(&mut self, _: usize) {}

    fn handle_unsent(&mut self, now: Instant, datagram: &Datagram, reason: &io::Error) {
        // What a socket takes no more of is lost like any other, when its time is over.
        if reason.kind() == io::ErrorKind::WouldBlock {
            return;
        }
        if let Some(Ok(packet)) = packets(&datagram.contents, 0).next() {
            let to = datagram.destination;
            self.each(|host| host.handle_unsent(now, to, &packet.header, reason));
        }
    }

    fn handle_unreachable(&mut self, now: Instant, peer: SocketAddr, reason: &io::Error) {
        // ICMP tells no port: of several servers on one host each may be meant.
        let waiting = self.hosts.iter().filter(|host| !host.has_ended);
        let mut meant: Vec<_> = waiting.filter_map(|host| host.addresses.front()).collect();
        meant.retain(|address| address.ip() == peer.ip());
        meant.sort_unstable();
        meant.dedup();
        if reason.kind() == io::ErrorKind::ConnectionRefused && meant.len() == 1 {
            self.each(|host| host.handle_refused(now, peer));
        }
    }

    fn poll_output(&mut self) -> Option<ForwarderOutput> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let waiting = self.hosts.iter().filter(|host| !host.has_ended);
        let deadlines = waiting.filter_map(|host| host.probes.deadline(true));
        let first = deadlines.chain(self.watch.deadline()).min();
        first.filter(|_| !self.is_finished)
    }

    fn is_finished(&self) -> bool {
        self.is_finished
    }
}

/// A host that is asked.
struct VersionHost {
    /// In the order in which they are tried.
    addresses: VecDeque<SocketAddr>,
    /// Names this run's packets to this host.
    nonce: u64,
    probes: Probes,
    has_answered: bool,
    /// The last request that this machine failed to send.
    unsent: Option<u64>,
    has_ended: bool,
    events: Vec<PingEvent>,
    requests: Vec<Datagram>,
}

impl VersionHost {
    fn new(config: &Config, destination: &Destination, nonce: u64) -> Self {
        Self {
            addresses: destination.target.addresses.iter().copied().collect(),
            nonce,
            probes: Probes::new(config),
            has_answered: false,
            unsent: None,
            has_ended: false,
            events: Vec::new(),
            requests: Vec::new(),
        }
    }

    fn send_request(&mut self, sequence: u64) {
        if let Some(destination) = self.addresses.front() {
            let nonce = self.nonce;
            let contents = VersionRequest { nonce, sequence }.datagram();
            self.requests.push(Datagram::new(0, *destination, contents));
        }
    }

    fn handle_timeouts(&mut self, now: Instant) {
        while let Some(lost) = self.probes.give_up(now) {
            self.events.push(PingEvent::Lost(lost));
            self.try_next_address();
        }
        for _ in 0..SENDS_PER_TURN_MAX {
            let Some(probe) = self.probes.take(now) else {
                break;
            };
            self.send_request(probe.sequence);
        }
        if self.probes.is_over() {
            self.end();
        }
    }

    /// Turns to the next address, unless this one has answered; returns whether
    /// there was one.
    fn try_next_address(&mut self) -> bool {
        if self.has_answered || self.addresses.len() < 2 {
            return false;
        }
        self.addresses.pop_front();
        true
    }

    fn handle_refused(&mut self, now: Instant, peer: SocketAddr) {
        let Some(address) = self.addresses.front().copied() else {
            return;
        };
        if address.ip() != peer.ip() {
            return;
        }
        let elsewhere = self.try_next_address();
        let reason = format!("nobody listens there ({address})");
        while let Some(probe) = self.probes.current() {
            if elsewhere {
                return self.send_request(probe.sequence);
            }
            let lost = self.probes.lose(now, probe.sequence, Some(reason.clone()));
            self.events.push(PingEvent::Lost(lost));
        }
        if self.probes.is_over() {
            self.end();
        }
    }

    /// Handles that a request could not be sent at all.
    fn handle_unsent(&mut self, now: Instant, to: SocketAddr, request: &Header, why: &io::Error) {
        let Some(request) = VersionRequest::asked_by(self.nonce, request) else {
            return;
        };
        // Another request may have failed there before.
        let is_elsewhere = self.addresses.front().is_some_and(|address| *address != to);
        // One failure for another reason, as a queue that is full, says nothing of the address.
        let last = self.unsent.replace(request.sequence);
        let is_hopeless = is_unreachable(why) || last == request.sequence.checked_sub(1);
        if is_elsewhere || (is_hopeless && self.try_next_address()) {
            return self.send_request(request.sequence);
        }
        let reason = DialFailure::unreachable(to, why).to_string();
        let lost = self.probes.lose(now, request.sequence, Some(reason));
        self.events.push(PingEvent::Lost(lost));
        if self.probes.is_over() {
            self.end();
        }
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, header: &Header, bytes: usize) {
        let Some(sequence) = self.sequence_of(from, header) else {
            return;
        };
        let answer = self.probes.answer(now, sequence);
        let event = answer.event(sequence, |time| Reply {
            sequence,
            time,
            address: from,
            kind: ReplyKind::Versions {
                versions: header.versions.clone(),
                bytes,
            },
        });
        let Some(event) = event else {
            return;
        };
        self.events.push(event);
        self.has_answered = true;
        if self.probes.is_over() {
            self.end();
        }
    }

    /// Returns the number of the request that a packet answers, if it is Version Negotiation for
    /// one of ours.
    fn sequence_of(&self, from: SocketAddr, header: &Header) -> Option<u64> {
        let answered = VersionRequest::answered_by(self.nonce, header)?;
        self.addresses.contains(&from).then_some(answered.sequence)
    }

    fn end(&mut self) {
        self.has_ended = true;
        self.events.push(PingEvent::Ended(Box::new(Report {
            counts: self.probes.counts(),
            times: self.probes.times().clone(),
            others: Vec::new(),
            transport: None,
            outcome: Ok(()),
        })));
    }
}

/// Tells whether a failure to send says that there is no way to the address: `InvalidInput` is
/// of a route of the kind `blackhole`.
fn is_unreachable(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::InvalidInput
    )
}

#[cfg(test)]
mod tests;

//! A server that was reached: what the upper rungs ask of the lower ones, and what they do with a
//! connection.

#[cfg(test)]
pub(crate) mod testing;

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use qecho_packet::wire::Frame;
use qecho_peer::{
    endpoint::{ClientConfig, Endpoint},
    packet::{Packet, one_rtt},
    script::Probe,
    tls::Level,
};

use super::{
    Options, Progress, World, connecting,
    world::{Notes, Route},
};

/// Opens a connection whose handshake is complete, with settings that are changed before.
pub(crate) type Connect<'a> =
    dyn FnMut(&mut dyn World, &dyn Fn(&mut ClientConfig)) -> Option<(Probe<'static>, Notes)> + 'a;

/// A server that was reached, and the way to more connections.
pub(crate) struct Reached<'a> {
    pub(crate) world: &'a mut dyn World,
    pub(crate) connect: &'a mut Connect<'a>,
    pub(crate) remote: SocketAddr,
    pub(crate) route: Option<Route>,
    pub(crate) round_trip: Duration,
    pub(crate) options: &'a Options,
    pub(crate) tell: &'a mut dyn FnMut(Progress),
}

/// Round-trip times for which an answer is awaited at least.
const PATIENCE_ROUND_TRIPS: u32 = 6;
/// Attempts to connect, any of which may meet ordinary loss.
const CONNECTS_MAX: usize = 3;
/// Time for which a peer may hold back an acknowledgement, and a busy host may need.
const SLACK: Duration = Duration::from_millis(50);

impl Reached<'_> {
    /// Says what is tried.
    pub(crate) fn tries(&mut self, what: &str) {
        (self.tell)(Progress::Tries(what.into()));
    }

    /// Returns the time after which an answer is not waited for any more.
    pub(crate) fn patience(&self) -> Duration {
        let least = self.round_trip * PATIENCE_ROUND_TRIPS;
        self.options.patience.max(least)
    }

    /// Opens a connection.
    pub(crate) fn connect(&mut self) -> Option<Connection> {
        self.connect_with(&|_| {})
    }

    /// Opens a connection with changed settings.
    pub(crate) fn connect_with(&mut self, edit: &dyn Fn(&mut ClientConfig)) -> Option<Connection> {
        (0..CONNECTS_MAX).find_map(|_| self.try_connect(edit))
    }

    /// Opens a connection from another address of this host, in one attempt.
    pub(crate) fn connect_from(&mut self, source: IpAddr) -> Option<Connection> {
        self.world.send_from(Some(source));
        let connection = self.try_connect(&|_| {});
        self.world.send_from(None);
        connection
    }

    fn try_connect(&mut self, edit: &dyn Fn(&mut ClientConfig)) -> Option<Connection> {
        if self.world.is_stopped() {
            return None;
        }
        let (probe, notes) = (self.connect)(self.world, edit)?;
        Some(Connection {
            probe,
            notes,
            patience: self.patience(),
            round_trip: self.round_trip,
        })
    }
}

/// A connection whose handshake is complete. It is closed when it is dropped.
pub(crate) struct Connection {
    pub(crate) probe: Probe<'static>,
    pub(crate) notes: Notes,
    pub(crate) patience: Duration,
    round_trip: Duration,
}

impl Connection {
    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.probe.endpoint()
    }

    /// Tells whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        is_over(self.endpoint())
    }

    pub(crate) fn is_acknowledged(&self, number: u64) -> bool {
        self.endpoint().is_acknowledged(Level::OneRtt, number)
    }

    /// Returns the number of the next packet.
    pub(crate) fn next_number(&self) -> u64 {
        self.endpoint().next_number(Level::OneRtt)
    }

    /// Returns the time in which an answer comes, if nothing is lost and nobody is busy.
    pub(crate) fn usual_wait(&self) -> Duration {
        self.round_trip * 5 / 4 + SLACK
    }

    /// Sends a packet once; returns its number.
    pub(crate) fn send(&mut self, packet: Packet) -> u64 {
        let number = self.next_number();
        self.probe.send(packet.once());
        number
    }

    /// Waits until a packet is acknowledged; returns whether it was in time.
    pub(crate) fn awaits(&mut self, number: u64, time: Duration) -> bool {
        let is_acknowledged = |endpoint: &Endpoint| endpoint.is_acknowledged(Level::OneRtt, number);
        let is_decided = |endpoint: &Endpoint| is_acknowledged(endpoint) || is_over(endpoint);
        self.probe.wait_for(is_decided, time);
        is_acknowledged(self.endpoint())
    }

    /// Sends PINGs, as `dress` makes them, until one is acknowledged; returns whether one was.
    pub(crate) fn answers_to(&mut self, dress: impl Fn(Packet) -> Packet) -> bool {
        let first = self.next_number();
        let is_answered = |endpoint: &Endpoint| {
            let mut numbers = first..endpoint.next_number(Level::OneRtt);
            numbers.any(|number| endpoint.is_acknowledged(Level::OneRtt, number))
        };
        let is_decided = |endpoint: &Endpoint| is_answered(endpoint) || is_over(endpoint);
        let until = self.probe.now() + self.patience;
        let mut wait = self.usual_wait();
        while self.probe.now() < until && !is_decided(self.endpoint()) {
            self.send(dress(one_rtt([Frame::Ping])));
            let rest = until.saturating_duration_since(self.probe.now());
            self.probe.wait_for(is_decided, wait.min(rest));
            wait = wait * 5 / 4;
        }
        is_answered(self.endpoint())
    }

    /// Tells whether the peer acknowledges a PING.
    pub(crate) fn answers(&mut self) -> bool {
        self.answers_to(|packet| packet)
    }

    /// Waits until the peer has told which of these packets came: until it acknowledges one that
    /// was sent after them. Those that are missing may have been overtaken, so they are waited
    /// for once more. Returns whether it has told.
    pub(crate) fn hears_of(&mut self, numbers: &[u64]) -> bool {
        let arrived = |endpoint: &Endpoint| {
            let is_acknowledged = |number| endpoint.is_acknowledged(Level::OneRtt, number);
            let numbers = numbers.iter().copied();
            numbers.filter(|number| is_acknowledged(*number)).count()
        };
        let is_whole = |endpoint: &Endpoint| arrived(endpoint) == numbers.len();
        let wait = self.usual_wait();
        self.probe.wait_for(is_whole, wait);
        // What stands behind others in the queue of a slow link takes its time: as long as some
        // arrive, the rest is waited for.
        loop {
            let before = arrived(self.endpoint());
            if is_whole(self.endpoint()) {
                return true;
            }
            if self.answers() {
                break;
            }
            if arrived(self.endpoint()) == before {
                return false;
            }
        }
        self.probe.wait_for(is_whole, wait);
        is_whole(self.endpoint()) || self.answers()
    }

    /// Tells whether the peer has acknowledged nothing new for as long as an answer is waited for.
    pub(crate) fn is_silent(&self) -> bool {
        let packets = self.endpoint().received().iter();
        let (mut largest, mut heard) = (None, None);
        for packet in packets.filter(|packet| packet.level == Level::OneRtt) {
            for frame in packet.frames() {
                if let Frame::Ack(ack) = frame
                    && largest < Some(ack.largest())
                {
                    (largest, heard) = (Some(ack.largest()), Some(packet.at));
                }
            }
        }
        heard.is_none_or(|at| self.now().saturating_duration_since(at) >= self.patience)
    }

    /// Returns how many datagrams this host did not send, and whether they were too large for the
    /// way: counted from a note on.
    pub(crate) fn unsent_since(&self, note: usize) -> usize {
        self.notes.unsent_since(note)
    }

    /// Returns the time.
    pub(crate) fn now(&self) -> Instant {
        self.probe.now()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // After a panic nothing of it can be trusted.
        if !std::thread::panicking() {
            connecting::close(&mut self.probe);
        }
    }
}

pub(crate) fn is_over(endpoint: &Endpoint) -> bool {
    endpoint.closed().is_some() || endpoint.ended().is_some()
}

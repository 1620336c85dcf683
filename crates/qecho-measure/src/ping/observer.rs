//! Observes in the packets what connections do not report to their application:
//! the acknowledgement of a PING frame, the confirmation of a handshake, ECN
//! marks.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use qecho_io::Waker;
use qecho_packet::{
    DatagramObserver, DecodedDatagram, DecodedPacket, Direction, Observation, ObservedDatagram,
    wire::{Ack, Frame, PacketType, frames},
};

use super::report::Ecn;

/// PADDING beyond this makes a PING a probe for the MTU (RFC 9000 §14.4), in
/// bytes.
const PADDING_OF_PING_MAX: usize = 64;

/// The ECN codepoint of a datagram that met congestion (RFC 3168).
const CONGESTION_EXPERIENCED: u8 = 0b11;

/// Peers whose ECN marks are remembered.
const PEERS_MAX: usize = 1_024;

/// Observations of all connections. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct PingObservations(Arc<Mutex<Observations>>);

#[derive(Debug, Default)]
struct Observations {
    /// By connection number.
    connections: HashMap<u64, ObservedConnection>,
    peers: HashMap<SocketAddr, Ecn>,
}

#[derive(Debug, Default)]
struct ObservedConnection {
    began: Duration,
    first_reply: Option<Duration>,
    confirmed: Option<Duration>,
    ping: Ping,
}

/// State of a PING frame.
#[derive(Clone, Copy, Debug, Default)]
enum Ping {
    /// None was asked for.
    #[default]
    None,
    /// The next packet with one carries it.
    Expected,
    /// A packet of this number left with it.
    Sent { number: u64, at: Duration },
    /// The packet was acknowledged.
    Acknowledged(Acknowledged),
}

/// An acknowledged PING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// From the sending of the packet to the acknowledgement.
    pub(super) round_trip: Duration,
    /// The ACK frame's delay field, in units that the peer's transport
    /// parameters tell; `None` if it belongs to another packet.
    pub(super) delay: Option<u64>,
}

impl PingObservations {
    fn lock(&self) -> MutexGuard<'_, Observations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Awaits a PING on a connection from now on, and its acknowledgement.
    pub(super) fn expect_ping(&self, connection: u64) {
        if let Some(followed) = self.lock().connections.get_mut(&connection) {
            followed.ping = Ping::Expected;
        }
    }

    /// Takes the acknowledgement, if it has come.
    pub(super) fn acknowledged(&self, connection: u64) -> Option<Acknowledged> {
        let mut observations = self.lock();
        let followed = observations.connections.get_mut(&connection)?;
        let Ping::Acknowledged(acknowledged) = followed.ping else {
            return None;
        };
        followed.ping = Ping::None;
        Some(acknowledged)
    }

    /// Returns the times until the first reply of a handshake, and until it was
    /// confirmed.
    pub(super) fn handshake(&self, connection: u64) -> (Option<Duration>, Option<Duration>) {
        let observations = self.lock();
        let followed = observations.connections.get(&connection);
        followed.map_or((None, None), |followed| {
            (followed.first_reply, followed.confirmed)
        })
    }

    /// Returns the state of ECN on the path to a peer.
    pub(super) fn ecn(&self, peer: SocketAddr) -> Ecn {
        self.lock().peers.get(&peer).copied().unwrap_or_default()
    }
}

/// Observer of a ping's datagrams, which wakes the application when there is
/// something new.
pub struct PingObserver {
    observations: PingObservations,
    waker: Option<Waker>,
    is_new: bool,
}

impl PingObserver {
    pub(super) fn new(observations: PingObservations) -> Self {
        Self {
            observations,
            waker: None,
            is_new: false,
        }
    }

    /// Wakes the application when there is something new.
    pub(super) fn waking(self, waker: Waker) -> Self {
        Self {
            waker: Some(waker),
            ..self
        }
    }
}

impl DatagramObserver for PingObserver {
    fn see(&mut self, datagram: &ObservedDatagram<'_>) {
        let mut observations = self.observations.lock();
        if observations.peers.len() == PEERS_MAX
            && !observations.peers.contains_key(&datagram.remote)
        {
            return;
        }
        let ecn = observations.peers.entry(datagram.remote).or_default();
        match datagram.direction {
            Direction::Sent => ecn.validated = Some(datagram.ecn != 0),
            Direction::Received if datagram.ecn == CONGESTION_EXPERIENCED => {
                ecn.congestion_experienced += 1;
            }
            Direction::Received => {}
        }
    }

    fn observe(&mut self, at: Duration, observation: &Arc<Observation>) {
        let mut observations = self.observations.lock();
        match &**observation {
            Observation::ConnectionStarted { connection, .. } => {
                let started = ObservedConnection {
                    began: at,
                    ..ObservedConnection::default()
                };
                observations.connections.insert(*connection, started);
            }
            Observation::Datagram(datagram) => {
                let followed = datagram
                    .connection
                    .and_then(|number| observations.connections.get_mut(&number));
                if let Some(followed) = followed {
                    self.is_new |= followed.observe(at, datagram);
                }
            }
            Observation::ConnectionRemoved { connection } => {
                observations.connections.remove(connection);
            }
            _ => {}
        }
    }

    fn flush(&mut self) {
        if let (true, Some(waker)) = (std::mem::take(&mut self.is_new), &self.waker) {
            waker.wake();
        }
    }
}

impl ObservedConnection {
    /// Observes a datagram; tells whether there was something new in it.
    fn observe(&mut self, at: Duration, datagram: &DecodedDatagram) -> bool {
        match datagram.direction {
            Direction::Sent if datagram.unsent.is_none() => {
                for packet in &datagram.packets {
                    self.packet_sent(at, packet);
                }
                false
            }
            Direction::Sent => false,
            Direction::Received => {
                let processed = |packet: &&DecodedPacket| packet.dropped.is_none();
                let mut is_new = false;
                for packet in datagram.packets.iter().filter(processed) {
                    is_new |= self.packet_received(at, packet);
                }
                is_new
            }
        }
    }

    fn packet_sent(&mut self, at: Duration, packet: &DecodedPacket) {
        if !matches!(self.ping, Ping::Expected) {
            return;
        }
        let (mut has_ping, mut padding) = (false, 0);
        for frame in one_rtt_frames(packet) {
            match frame {
                Frame::Ping => has_ping = true,
                Frame::Padding { length } => padding += length,
                _ => {}
            }
        }
        if let (true, Some(opened)) = (has_ping, &packet.decrypted)
            && padding <= PADDING_OF_PING_MAX
        {
            let number = opened.number;
            self.ping = Ping::Sent { number, at };
        }
    }

    fn packet_received(&mut self, at: Duration, packet: &DecodedPacket) -> bool {
        let mut is_new = false;
        if self.first_reply.is_none() {
            self.first_reply = Some(at.saturating_sub(self.began));
        }
        for frame in one_rtt_frames(packet) {
            match frame {
                Frame::HandshakeDone if self.confirmed.is_none() => {
                    self.confirmed = Some(at.saturating_sub(self.began));
                    is_new = true;
                }
                Frame::Ack(ack) => is_new |= self.acknowledge(at, &ack),
                _ => {}
            }
        }
        is_new
    }

    fn acknowledge(&mut self, at: Duration, ack: &Ack) -> bool {
        let Ping::Sent { number, at: sent } = self.ping else {
            return false;
        };
        if !ack.ranges.iter().any(|range| range.contains(&number)) {
            return false;
        }
        // RFC 9000 §13.2.5: the delay is that of the largest packet.
        let delay = (ack.largest() == number).then_some(ack.delay);
        let round_trip = at.saturating_sub(sent);
        self.ping = Ping::Acknowledged(Acknowledged { round_trip, delay });
        true
    }
}

/// Returns the frames of a packet, if it is one that carries the application's
/// data; none otherwise.
fn one_rtt_frames(packet: &DecodedPacket) -> impl Iterator<Item = Frame<'_>> {
    let is_one_rtt = packet
        .header
        .as_ref()
        .is_some_and(|header| header.packet_type == PacketType::OneRtt);
    let payload = packet.decrypted.as_ref().filter(|_| is_one_rtt);
    payload
        .into_iter()
        .flat_map(|opened| frames(&opened.payload))
        .map_while(Result::ok)
}

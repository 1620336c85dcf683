//! Makes events of observations: what each packet means, given what was seen
//! before it.

use std::{collections::BTreeMap, time::Duration};

use crate::{DecodedDatagram, Direction, Observation};

use super::{
    connection_tracker::{self, ConnectionTracker, PacketEffects},
    event::{Connection, Datagram, Event, EventKind, Packet},
};

/// Source of the losses that a trace tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossSource {
    /// The endpoint's own: it tells how many packets it has declared lost.
    Reported,
    /// Nobody's: what RFC 9002 §6.1 says is taken for lost, both ways.
    Inferred,
}

/// Pieces of all connections that are remembered, each of some 100 bytes;
/// beyond, a connection that brings more is told with less context.
const REMEMBERED_MAX: usize = 2_000_000;

/// Makes events of observations.
#[derive(Debug)]
pub struct Tracer {
    losses: LossSource,
    connections: BTreeMap<u64, ConnectionTracker>,
    /// Pieces that the connections remember.
    remembered: usize,
}

/// Takes each event as it is made.
type EventSink<'t> = &'t mut dyn FnMut(&Event<'_>);

impl Tracer {
    /// Begins with no connection.
    pub fn new(losses: LossSource) -> Self {
        Self {
            losses,
            connections: BTreeMap::new(),
            remembered: 0,
        }
    }

    /// Updates the state from a packet that a capture repeats, without an event. That
    /// a connection began is told once there is something else to tell of it.
    pub fn learn(&mut self, at: Duration, observation: &Observation, tell: EventSink<'_>) {
        match observation {
            Observation::ConnectionStarted { connection, .. } => {
                self.observe(at, observation, &mut |_| {});
                self.with(*connection, |known| known.begin_untold(at));
            }
            Observation::Datagram(datagram) => {
                if let Some(number) = datagram.connection {
                    self.with(number, |known| known.learn(at, datagram));
                }
            }
            // Another connection may have made room.
            _ => self.observe(at, observation, tell),
        }
    }

    /// Tells by `tell` what an observation means.
    pub fn observe(&mut self, at: Duration, observation: &Observation, tell: EventSink<'_>) {
        match observation {
            Observation::ConnectionStarted {
                connection,
                side,
                local,
                remote,
                original_destination,
            } => {
                let known = ConnectionTracker::new(Connection {
                    number: *connection,
                    side: *side,
                    local: *local,
                    remote: *remote,
                    original_destination: *original_destination,
                });
                known.tell(at, EventKind::Began, tell);
                self.connections.insert(*connection, known);
            }
            Observation::Datagram(datagram) => self.datagram(at, datagram, tell),
            Observation::Recovery {
                connection,
                recovery,
            } => {
                self.with(*connection, |known| {
                    known.tell_that_it_began(tell);
                    known.recover(at, recovery, tell);
                });
            }
            Observation::Closed { connection, reason } => {
                self.with(*connection, |known| {
                    known.tell_that_it_began(tell);
                    known.tell(at, EventKind::Closed(reason), tell);
                });
            }
            Observation::ConnectionRemoved { connection } => {
                let Some(known) = self.connections.remove(connection) else {
                    return;
                };
                self.remembered -= known.weight();
                if !known.is_untold() {
                    known.tell(at, EventKind::Forgotten, tell);
                }
            }
        }
    }

    /// Forgets what is not needed to read on.
    pub(super) fn lighten(&mut self) {
        self.connections
            .values_mut()
            .for_each(ConnectionTracker::lighten);
        self.remembered = self
            .connections
            .values()
            .map(ConnectionTracker::weight)
            .sum();
    }

    /// Lets a connection take something in, within what may be remembered;
    /// tells whether it is known.
    fn with(&mut self, number: u64, act: impl FnOnce(&mut ConnectionTracker)) -> bool {
        let Some(known) = self.connections.get_mut(&number) else {
            return false;
        };
        self.remembered -= known.weight();
        act(known);
        if self.remembered + known.weight() > REMEMBERED_MAX {
            known.lighten();
        }
        self.remembered += known.weight();
        true
    }

    fn datagram(&mut self, at: Duration, datagram: &DecodedDatagram, tell: EventSink<'_>) {
        let losses = self.losses;
        let is_known = datagram.connection.is_some_and(|number| {
            self.with(number, |known| {
                known.tell_that_it_began(tell);
                belonging(known, at, datagram, tell);
                if losses == LossSource::Inferred {
                    known.infer_losses(at, tell);
                }
            })
        });
        if !is_known {
            self.stray(at, datagram, tell);
        }
    }

    /// Tells of a datagram that belongs to no connection.
    fn stray(&self, at: Duration, datagram: &DecodedDatagram, tell: EventSink<'_>) {
        let packets = datagram.packets.iter().map(|packet| Packet {
            header: packet.header.as_ref(),
            size: packet.size,
            content: packet.decrypted.as_ref().map(connection_tracker::content),
            dropped: packet.dropped,
            // An endpoint sends nothing else that is no packet.
            is_stateless_reset: self.losses == LossSource::Reported
                && datagram.direction == Direction::Sent
                && packet.header.is_none(),
        });
        tell(&Event {
            at,
            connection: None,
            kind: EventKind::Datagram(shown(datagram, packets.collect())),
        });
    }
}

/// Tells of a datagram of a connection, and what it brings to light.
fn belonging(
    known: &mut ConnectionTracker,
    at: Duration,
    datagram: &DecodedDatagram,
    tell: EventSink<'_>,
) {
    let mut learned = PacketEffects::default();
    let packets = datagram.packets.iter();
    let packets = packets.map(|packet| known.packet(at, datagram, packet, &mut learned));
    let packets = packets.collect();
    known.move_to(at, datagram, &learned, tell);
    for generation in &learned.key_updates {
        let (direction, generation) = (datagram.direction, *generation);
        let kind = EventKind::KeyUpdate {
            direction,
            generation,
        };
        known.tell(at, kind, tell);
    }
    known.tell(at, EventKind::Datagram(shown(datagram, packets)), tell);
    known.tell_what_follows(at, datagram.direction, &learned, tell);
}

fn shown<'a>(datagram: &'a DecodedDatagram, packets: Vec<Packet<'a>>) -> Datagram<'a> {
    Datagram {
        direction: datagram.direction,
        local: datagram.local,
        remote: datagram.remote,
        ecn: datagram.ecn,
        size: datagram.size,
        packets,
        unsent: datagram.unsent.as_deref(),
    }
}

//! Makes events of observations: what each packet means, given what was seen
//! before it.

use std::{collections::BTreeMap, time::Duration};

use qecho_engine::{Dissected, Observation, Passage};

use super::{
    event::{Connection, Datagram, Event, Packet, What},
    known::{self, Known, Learned},
};

/// Whose word counts on what was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Losses {
    /// The endpoint's own: it tells how many packets it has declared lost.
    Told,
    /// Nobody's: what RFC 9002 §6.1 says is taken for lost, both ways.
    Inferred,
}

/// Pieces of all connections that are remembered, each of some 100 bytes;
/// beyond, a connection that brings more is told with less context.
const REMEMBERED_MAX: usize = 2_000_000;

/// Makes events of observations.
#[derive(Debug)]
pub struct Tracer {
    losses: Losses,
    connections: BTreeMap<u64, Known>,
    /// Pieces that the connections remember.
    remembered: usize,
}

/// Takes each event as it is made.
type Tell<'t> = &'t mut dyn FnMut(&Event<'_>);

impl Tracer {
    /// Begins with no connection.
    pub fn new(losses: Losses) -> Self {
        Self {
            losses,
            connections: BTreeMap::new(),
            remembered: 0,
        }
    }

    /// Tells by `tell` what an observation means.
    pub fn observe(&mut self, at: Duration, observation: &Observation, tell: Tell<'_>) {
        match observation {
            Observation::Began {
                connection,
                side,
                local,
                remote,
                original_destination,
            } => {
                let known = Known::new(Connection {
                    number: *connection,
                    side: *side,
                    local: *local,
                    remote: *remote,
                    original_destination: *original_destination,
                });
                known.tell(at, What::Began, tell);
                self.connections.insert(*connection, known);
            }
            Observation::Datagram(datagram) => self.datagram(at, datagram, tell),
            Observation::Recovery {
                connection,
                recovery,
            } => {
                if let Some(known) = self.connections.get_mut(connection) {
                    self.remembered -= known.weight();
                    known.recover(at, recovery, tell);
                    self.remembered += known.weight();
                }
            }
            Observation::Closed { connection, reason } => {
                if let Some(known) = self.connections.get(connection) {
                    known.tell(at, What::Closed(reason), tell);
                }
            }
            Observation::Forgotten { connection } => {
                if let Some(known) = self.connections.remove(connection) {
                    self.remembered -= known.weight();
                    known.tell(at, What::Forgotten, tell);
                }
            }
            _ => {}
        }
    }

    fn datagram(&mut self, at: Duration, datagram: &Dissected, tell: Tell<'_>) {
        let known = datagram
            .connection
            .and_then(|number| self.connections.get_mut(&number));
        let Some(known) = known else {
            self.stray(at, datagram, tell);
            return;
        };
        self.remembered -= known.weight();
        let mut learned = Learned::default();
        let packets = datagram.packets.iter();
        let packets = packets.map(|packet| known.packet(at, datagram, packet, &mut learned));
        let packets = packets.collect();
        known.move_to(at, datagram, &learned, tell);
        for generation in &learned.key_updates {
            let (passage, generation) = (datagram.passage, *generation);
            known.tell(
                at,
                What::KeyUpdate {
                    passage,
                    generation,
                },
                tell,
            );
        }
        known.tell(at, What::Datagram(shown(datagram, packets)), tell);
        known.tell_what_follows(at, datagram.passage, &learned, tell);
        if self.losses == Losses::Inferred {
            known.infer_losses(at, tell);
        }
        if self.remembered + known.weight() > REMEMBERED_MAX {
            known.lighten();
        }
        self.remembered += known.weight();
    }
}

impl Tracer {
    /// Tells of a datagram that belongs to no connection.
    fn stray(&self, at: Duration, datagram: &Dissected, tell: Tell<'_>) {
        let packets = datagram.packets.iter().map(|packet| Packet {
            header: packet.header.as_ref(),
            size: packet.size,
            content: packet.opened.as_ref().map(known::content),
            unprocessed: packet.unprocessed,
            // An endpoint sends nothing else that is no packet.
            is_stateless_reset: self.losses == Losses::Told
                && datagram.passage == Passage::Went
                && packet.header.is_none(),
        });
        tell(&Event {
            at,
            connection: None,
            what: What::Datagram(shown(datagram, packets.collect())),
        });
    }
}

fn shown<'a>(datagram: &'a Dissected, packets: Vec<Packet<'a>>) -> Datagram<'a> {
    Datagram {
        passage: datagram.passage,
        local: datagram.local,
        remote: datagram.remote,
        ecn: datagram.ecn,
        size: datagram.size,
        packets,
        unsent: datagram.unsent.as_deref(),
    }
}

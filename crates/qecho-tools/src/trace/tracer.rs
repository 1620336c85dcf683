//! Makes events of observations: what each packet means, given what was seen
//! before it.

use std::{collections::BTreeMap, time::Duration};

use qecho_engine::{Dissected, Observation, Passage};

use super::{
    event::{Connection, Datagram, Event, Packet, What},
    known::{Known, Learned},
};

/// Whose word counts on what was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Losses {
    /// The endpoint's own: it tells how many packets it has declared lost.
    Told,
    /// Nobody's: what RFC 9002 §6.1 says is taken for lost, both ways.
    Inferred,
}

/// Makes events of observations.
#[derive(Debug)]
pub struct Tracer {
    losses: Losses,
    connections: BTreeMap<u64, Known>,
}

/// Takes each event as it is made.
type Tell<'t> = &'t mut dyn FnMut(&Event<'_>);

impl Tracer {
    /// Begins with no connection.
    pub fn new(losses: Losses) -> Self {
        Self {
            losses,
            connections: BTreeMap::new(),
        }
    }

    /// Learns from an observation that was told elsewhere already what those
    /// after it mean. That a connection began is told once there is something
    /// else to tell of it.
    pub fn learn(&mut self, at: Duration, observation: &Observation, tell: Tell<'_>) {
        match observation {
            Observation::Began { connection, .. } => {
                self.observe(at, observation, &mut |_| {});
                if let Some(known) = self.connections.get_mut(connection) {
                    known.begin_untold(at);
                }
            }
            Observation::Datagram(datagram) => {
                let number = datagram.connection;
                let known = number.and_then(|number| self.connections.get_mut(&number));
                if let Some(known) = known {
                    known.learn(at, datagram);
                }
            }
            // Another connection may have made room.
            _ => self.observe(at, observation, tell),
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
                if let Some(known) = self.told(*connection, tell) {
                    known.recover(at, recovery, tell);
                }
            }
            Observation::Closed { connection, reason } => {
                if let Some(known) = self.told(*connection, tell) {
                    known.tell(at, What::Closed(reason), tell);
                }
            }
            Observation::Forgotten { connection } => {
                let known = self.connections.remove(connection);
                if let Some(known) = known.filter(|known| !known.is_untold()) {
                    known.tell(at, What::Forgotten, tell);
                }
            }
            _ => {}
        }
    }

    /// Returns a connection; that it began has been told.
    fn told(&mut self, number: u64, tell: Tell<'_>) -> Option<&mut Known> {
        let known = self.connections.get_mut(&number)?;
        known.tell_that_it_began(tell);
        Some(known)
    }

    fn datagram(&mut self, at: Duration, datagram: &Dissected, tell: Tell<'_>) {
        let losses = self.losses;
        let number = datagram.connection;
        let Some(known) = number.and_then(|number| self.told(number, tell)) else {
            let packets = datagram.packets.iter().map(|packet| Packet {
                header: packet.header.as_ref(),
                size: packet.size,
                content: None,
                unprocessed: packet.unprocessed,
                // An endpoint sends nothing else that is no packet.
                is_stateless_reset: losses == Losses::Told
                    && datagram.passage == Passage::Went
                    && packet.header.is_none(),
            });
            tell(&Event {
                at,
                connection: None,
                what: What::Datagram(shown(datagram, packets.collect())),
            });
            return;
        };
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
        for (packet_type, number) in &learned.found_again {
            let what = What::FoundAgain {
                passage: opposite(datagram.passage),
                packet_type: *packet_type,
                number: *number,
            };
            known.tell(at, what, tell);
        }
        if let Some(parameters) = &learned.parameters {
            let passage = datagram.passage;
            known.tell(
                at,
                What::Parameters {
                    passage,
                    parameters,
                },
                tell,
            );
        }
        if losses == Losses::Inferred {
            known.infer_losses(at, tell);
        }
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

pub(super) fn opposite(passage: Passage) -> Passage {
    match passage {
        Passage::Came => Passage::Went,
        Passage::Went => Passage::Came,
    }
}

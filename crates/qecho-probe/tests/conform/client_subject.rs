//! A client in virtual time that is tested: the well-behaved one, or a mutant of it.

use std::{
    io,
    time::{Duration, Instant},
};

use qecho_peer::{
    endpoint::{ClientConfig, ServerConfig},
    faults::Fault,
    network::{Network, Received},
    packet::OutDatagram,
    rules::Rules,
    simulated::{Conditions, Far, Simulated, SimulatedClient},
    tls::TlsRule,
};
use qecho_probe::conform::{ClientProber, ClientSubject, Finding, Selection, Side, Target};

use crate::subject::{client_config, server_config};

/// How a client is made: it comes anew for each run.
#[derive(Clone, Copy)]
pub(crate) struct Guest {
    pub(crate) rules: fn(Rules) -> Rules,
    pub(crate) fault: Option<Fault>,
    pub(crate) ignored: Option<TlsRule>,
    /// Whether its application closes as soon as the handshake is confirmed.
    pub(crate) leaves: bool,
}

/// The client, and its application.
struct Client {
    client: SimulatedClient,
    leaves: bool,
}

impl Far for Client {
    fn receive(&mut self, now: Instant, received: &Received) {
        self.client.receive(now, received);
        let endpoint = &mut self.client.endpoint;
        if self.leaves && endpoint.is_confirmed() && endpoint.ended().is_none() {
            endpoint.close(true, 0, "done");
        }
    }

    fn timeout(&mut self, now: Instant) {
        self.client.timeout(now);
    }

    fn deadline(&self) -> Option<Instant> {
        self.client.deadline()
    }

    fn transmit(&mut self, now: Instant) -> Option<OutDatagram> {
        self.client.transmit(now)
    }
}

/// A client that comes through a simulated network.
pub(crate) struct ClientSimulation {
    guest: Guest,
    conditions: Conditions,
    visits: u64,
}

impl ClientSimulation {
    pub(crate) fn new(guest: Guest, conditions: Conditions) -> Self {
        Self {
            guest,
            conditions,
            visits: 0,
        }
    }

    fn client(&self, now: Instant) -> Client {
        let Guest {
            rules,
            fault,
            ignored,
            leaves,
        } = self.guest;
        let mut config: ClientConfig = client_config();
        config.seed += self.visits;
        config.tls.ignore.extend(ignored);
        let client = SimulatedClient::new(config, rules, fault, now);
        Client { client, leaves }
    }
}

impl ClientSubject for ClientSimulation {
    fn network(&mut self) -> io::Result<Box<dyn Network>> {
        self.visits += 1;
        let seed = self.conditions.seed.wrapping_add(self.visits << 32);
        let conditions = self.conditions.losing(self.conditions.loss, seed);
        Ok(Box::new(Simulated::begin(conditions, |now| {
            self.client(now)
        })))
    }

    fn config(&self) -> ServerConfig {
        server_config()
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn pause(&mut self, _: Duration) {}
}

/// Returns the well-behaved client.
pub(crate) fn good_client() -> Guest {
    Guest {
        rules: |rules| rules,
        fault: None,
        ignored: None,
        leaves: false,
    }
}

/// Tries one requirement once on a client.
pub(crate) fn try_client(id: &str, guest: Guest, conditions: Conditions) -> Finding {
    let rows = Selection::new(Side::Client).with_only(&[id]).unwrap();
    let rows = rows.rows().unwrap();
    ClientProber::new(ClientSimulation::new(guest, conditions)).run(rows[0])
}

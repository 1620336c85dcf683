//! A client in virtual time that is tested: the well-behaved one, or a mutant of it.

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use qecho_packet::{
    close::INTERNAL_ERROR,
    wire::{Frame, Header, PacketType, packets},
};
use qecho_peer::{
    endpoint::{ClientConfig, Endpoint, ServerConfig},
    faults::Fault,
    network::{Network, Received},
    packet::OutDatagram,
    rules::{Rule, Rules},
    simulated::{Conditions, Far, Simulated, SimulatedClient},
    tls::{Resumption, Session, TlsRule},
};
use qecho_probe::conform::{ClientProber, ClientSubject, Finding, Selection, Side, Target};

use crate::subject::{client_config, server_config};

/// Tells frames from others.
type IsIt = fn(&Frame<'_>) -> bool;

/// How a client is made: it comes anew for each run.
#[derive(Clone, Copy)]
pub(crate) struct Guest {
    pub(crate) ignored_rules: &'static [Rule],
    /// What it closes for with INTERNAL_ERROR, in place of the code that the rule has.
    pub(crate) miscoded: Option<Rule>,
    /// Frames that it closes for though they are right, after so many of them.
    pub(crate) refused: Option<(IsIt, u32)>,
    pub(crate) fault: Option<Fault>,
    pub(crate) ignored: Option<TlsRule>,
    pub(crate) settings: fn(&mut ClientConfig),
    /// What its application does whenever something has come.
    pub(crate) application: fn(&mut Endpoint),
    /// A change with which it begins anew, with the token, when a Retry comes.
    pub(crate) restarts: Option<fn(&mut ClientConfig)>,
    /// Whether it is gone without a word as soon as the handshake is confirmed.
    pub(crate) vanishes: bool,
    /// Packets that it sends in 0-RTT when it comes again, if it resumes.
    pub(crate) resumes: Option<fn(&mut Endpoint)>,
}

impl Guest {
    fn change(&self, rules: Rules) -> Rules {
        let mut rules = rules.ignoring(self.ignored_rules.iter().copied());
        if let Some(rule) = self.miscoded {
            rules = rules.closing_with(rule, INTERNAL_ERROR);
        }
        match self.refused {
            Some((refuses, tolerated)) => {
                let mut count = 0;
                rules.refusing(move |frame| {
                    count += u32::from(refuses(frame));
                    count > tolerated
                })
            }
            None => rules,
        }
    }
}

/// The client, and its application.
struct Client {
    client: SimulatedClient,
    config: ClientConfig,
    guest: Guest,
    is_gone: bool,
    kept: Kept,
}

/// Memory of a client for the next time that it comes.
type Kept = Rc<RefCell<Option<Session>>>;

impl Client {
    fn new(config: ClientConfig, guest: Guest, kept: Kept, now: Instant) -> Self {
        let rules = |rules| {
            let rules = guest.change(rules);
            match &config.tls.resumption {
                Some(resumption) => rules.remembering(&resumption.session.parameters),
                None => rules,
            }
        };
        let mut client = SimulatedClient::new(config.clone(), rules, guest.fault, now);
        if let (Some(_), Some(send_early)) = (&config.tls.resumption, guest.resumes) {
            send_early(&mut client.endpoint);
        }
        Self {
            client,
            config,
            guest,
            is_gone: false,
            kept,
        }
    }

    /// Begins anew at the source of a Retry.
    fn restart(&mut self, now: Instant, retry: &Header, change: fn(&mut ClientConfig)) {
        let mut config = self.config.clone();
        config.destination = retry.source;
        config.token.clone_from(&retry.token);
        change(&mut config);
        self.guest.restarts = None;
        *self = Self::new(config, self.guest, Rc::clone(&self.kept), now);
    }
}

impl Far for Client {
    fn receive(&mut self, now: Instant, received: &Received) {
        let first = packets(&received.datagram, 0).next().and_then(Result::ok);
        if let (Some(first), Some(change)) = (first, self.guest.restarts)
            && first.header.packet_type == PacketType::Retry
        {
            return self.restart(now, &first.header, change);
        }
        self.client.receive(now, received);
        if let Some(session) = self.client.endpoint.sessions().last() {
            *self.kept.borrow_mut() = Some(session.clone());
        }
        if self.client.endpoint.ended().is_none() {
            (self.guest.application)(&mut self.client.endpoint);
        }
        self.is_gone |= self.guest.vanishes && self.client.endpoint.is_confirmed();
    }

    fn timeout(&mut self, now: Instant) {
        self.client.timeout(now);
    }

    fn deadline(&self) -> Option<Instant> {
        self.client.deadline().filter(|_| !self.is_gone)
    }

    fn transmit(&mut self, now: Instant) -> Option<OutDatagram> {
        match self.is_gone {
            true => None,
            false => self.client.transmit(now),
        }
    }
}

/// A client that comes through a simulated network.
pub(crate) struct ClientSimulation {
    guest: Guest,
    conditions: Conditions,
    visits: u64,
    kept: Kept,
}

impl ClientSimulation {
    pub(crate) fn new(guest: Guest, conditions: Conditions) -> Self {
        Self {
            guest,
            conditions,
            visits: 0,
            kept: Kept::default(),
        }
    }

    fn client(&self, now: Instant) -> Client {
        let guest = self.guest;
        let mut config: ClientConfig = client_config();
        config.seed += self.visits;
        config.tls.ignore.extend(guest.ignored);
        (guest.settings)(&mut config);
        let session = self
            .kept
            .borrow()
            .clone()
            .filter(|_| guest.resumes.is_some());
        config.tls.resumption = session.map(|session| Resumption {
            session,
            age: Duration::ZERO,
            early_data: true,
        });
        Client::new(config, guest, Rc::clone(&self.kept), now)
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
        ignored_rules: &[],
        miscoded: None,
        refused: None,
        fault: None,
        ignored: None,
        settings: |_| {},
        application: |_| {},
        restarts: None,
        vanishes: false,
        resumes: None,
    }
}

/// What the application of a client does that has nothing more to do.
pub(crate) fn leave(endpoint: &mut Endpoint) {
    if endpoint.is_confirmed() {
        endpoint.close(true, 0, "done");
    }
}

/// Tries one requirement once on a client.
pub(crate) fn try_client(id: &str, guest: Guest, conditions: Conditions) -> Finding {
    let rows = Selection::new(Side::Client)
        .with_crashing(true)
        .with_only(&[id])
        .unwrap();
    let rows = rows.rows().unwrap();
    ClientProber::new(ClientSimulation::new(guest, conditions)).run(rows[0])
}
